"""The parent of a training process: replaces a native crash of JAX by one line."""

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

NATIVE_LOG = "native.log"  # native stderr of the child, in its temporary folder
EXIT_PEER_LOST = 4  # another process ended: start all again with --resume
JAX_ERROR = "the JAX distributed service detected fatal errors"
# Words in the errors of JAX about a lost process.
PEER_ERROR = re.compile(
    "gloo|nccl|coordination|heartbeat|connection|socket", re.IGNORECASE
)


def needs_supervisor(group: ProcessGroup) -> bool:
    """Whether this process must start a child process that trains."""
    return group.processes > 1 and SUPERVISED not in os.environ


def supervise(group: ProcessGroup) -> int:
    """Runs the same command as a child process and returns its exit status.

    The status is EXIT_PEER_LOST if the child was killed. The first Ctrl-C or SIGTERM
    stops all processes after the same step, the second kills this one at once.
    """
    signals: list[int] = []
    with tempfile.TemporaryDirectory(prefix="kseg-") as folder:
        child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, SUPERVISED: folder},
            stdin=subprocess.PIPE,  # closed when this process ends
            **own_session(),  # Ctrl-C in a terminal reaches only this process
        )

        def stop(number: int, _: Any) -> None:
            signals.append(number)
            if len(signals) == 1:
                child.terminate()
            else:
                child.kill()

        handle_signals(stop, "SIGINT", "SIGTERM")
        status = child.wait()
        log = Path(folder, NATIVE_LOG)
        data = log.read_bytes() if log.is_file() else b""
        output = data.decode("utf-8", "replace")
    name = crash_name(status)
    if name is None:
        return status
    if signals:
        return 130
    if JAX_ERROR in output:
        say(peer_lost_message(group))
    else:
        say(f"{output}kseg train: process {group.process} was ended by {name}")
    return EXIT_PEER_LOST


def peer_lost_message(group: ProcessGroup, reason: str = "") -> str:
    """Makes the error message for a lost process."""
    others = "another process" if group.is_main else "process 0 or another process"
    return (
        f"kseg train: {others} of {group.processes} ended or does not respond"
        f"{f' ({reason})' if reason else ''}; look for the reason in its log, then "
        "start all again with --resume"
    )


def follow_supervisor() -> None:
    """Ends this process when its supervisor ends; native stderr goes to NATIVE_LOG."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(
        os.dup(2), "w", 1, encoding=sys.stderr.encoding, errors="backslashreplace"
    )
    with open(Path(os.environ[SUPERVISED], NATIVE_LOG), "wb") as log:
        os.dup2(log.fileno(), 2)

    def wait() -> None:
        os.read(0, 1)  # not sys.stdin: Python needs its lock at exit
        os._exit(EXIT_PEER_LOST)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def exit_on_error(group: ProcessGroup) -> Iterator[None]:
    """Exits at once, with a one-line message, if the block raises an error.

    In a normal exit JAX would wait for the other processes, which wait for this one.
    """
    try:
        yield
    except (InputError, GateFailed) as error:
        exit_process(f"kseg train: {error}", error.status)
    except (RuntimeError, ValueError) as error:
        if not PEER_ERROR.search(str(error)):
            exit_process(traceback.format_exc(), 1)
        reason = str(error).partition("\n")[0][:200]
        exit_process(peer_lost_message(group, reason), EXIT_PEER_LOST)
    except BaseException:
        exit_process(traceback.format_exc(), 1)


def exit_process(message: str, status: int) -> NoReturn:
    """Prints a message and exits without the usual cleanup."""
    say(message)
    sys.stdout.flush()
    os._exit(status)
