"""The parent of one process among several: it makes a native crash of JAX one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, NoReturn

from edge.core.errors import GateFailed, InputError
from edge.core.log import say
from edge.core.system import crash_name, handle_signals, own_session
from kseg.core.process_group import SUPERVISED, ProcessGroup

NATIVE_LOG = "native.log"  # in there: what the child's libraries say on stderr
EXIT_PEER_LOST = 4  # where another process is gone: starting all again continues
BY_JAX = "the JAX distributed service detected fatal errors"  # in its dying words
# How the collectives of JAX name a partner that is gone.
GONE = re.compile("gloo|nccl|coordination|heartbeat|connection|socket", re.IGNORECASE)


def needs_supervisor(group: ProcessGroup) -> bool:
    return group.processes > 1 and SUPERVISED not in os.environ


def supervise(group: ProcessGroup) -> int:
    """Runs this very command again as a child, and gives its exit status.

    That is EXIT_PEER_LOST for a child that was killed.
    The first Ctrl-C or SIGTERM ends all processes after the same step, the second this
    one at once.
    """
    asked: list[int] = []
    with tempfile.TemporaryDirectory(prefix="kseg-") as folder:
        child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, SUPERVISED: folder},
            stdin=subprocess.PIPE,  # its end tells the child that this process is gone
            **own_session(),  # Ctrl-C in a terminal reaches this process alone
        )

        def ask(number: int, _: Any) -> None:
            asked.append(number)
            if len(asked) == 1:
                child.terminate()
            else:
                child.kill()

        handle_signals(ask, "SIGINT", "SIGTERM")
        status = child.wait()
        log = Path(folder, NATIVE_LOG)
        data = log.read_bytes() if log.is_file() else b""
        said = data.decode("utf-8", "replace")
    name = crash_name(status)
    if name is None:
        return status
    if asked:
        return 130
    if BY_JAX in said:
        say(peer_lost(group))
    else:
        say(f"{said}kseg.train: process {group.process} was ended by {name}")
    return EXIT_PEER_LOST


def peer_lost(group: ProcessGroup, reason: str = "") -> str:
    """The line that a process leaves when another one is gone."""
    others = "another process" if group.is_main else "process 0 or another"
    return (
        f"kseg.train: {others} of the {group.processes} ended or fell silent"
        f"{f' ({reason})' if reason else ''}; find out why in its log, then start all "
        "again with --resume"
    )


def follow_supervisor() -> None:
    """Ends this process when its supervisor is gone, and leaves it the native log."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(
        os.dup(2), "w", 1, encoding=sys.stderr.encoding, errors="backslashreplace"
    )
    with open(Path(os.environ[SUPERVISED], NATIVE_LOG), "wb") as log:
        os.dup2(log.fileno(), 2)

    def wait() -> None:
        os.read(0, 1)  # not by sys.stdin, whose lock Python would want at its end
        os._exit(EXIT_PEER_LOST)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def ending_at_once(group: ProcessGroup) -> Iterator[None]:
    """Where the block fails, so does the process, at once and in one line.

    On its usual way out JAX would wait for the others, who wait for this one.
    """
    try:
        yield
    except (InputError, GateFailed) as refusal:
        end(f"kseg.train: {refusal}", refusal.status)
    except (RuntimeError, ValueError) as error:
        if not GONE.search(str(error)):
            end(traceback.format_exc(), 1)
        reason = str(error).partition("\n")[0][:200]
        end(peer_lost(group, reason), EXIT_PEER_LOST)
    except BaseException:
        end(traceback.format_exc(), 1)


def end(message: str, status: int) -> NoReturn:
    say(message)
    sys.stdout.flush()
    os._exit(status)
