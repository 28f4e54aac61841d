"""A program of this folder that runs in another Python, with packages of its own.

It reads lines of JSON and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Sequence, TypeVar

from edge.core.errors import InputError

SECONDS = 300.0  # until an answer: MediaPipe hangs with some models
Own = TypeVar("Own", bound="ChildProcess")


class ChildProcess:
    """`script` in `python` with arguments; a context manager.

    Its first answer must have the `version` of `package`. Raises InputError with its
    last line of output if it fails.
    """

    def __init__(
        self, python: str, script: Path, arguments: Sequence[str], package: str
    ):
        self.python = python
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        try:
            # -I: ignore Python's environment variables and the modules of this folder.
            self._child = subprocess.Popen(
                [python, "-I", str(script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                text=True,
            )
        except OSError as error:
            self._output.close()
            raise InputError(
                f"--python {python}: cannot be started ({error.strerror}); give the "
                f"Python of an environment with {package}"
            ) from None
        try:
            self.version: str = self._answer()["version"]
        except BaseException:
            self.close()
            raise

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._child.kill()
        with suppress(BrokenPipeError):  # the child had ended
            self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()
        self._output.close()

    def ask(self, request: Any) -> dict[str, Any]:
        """The answer to a request; both can be written as JSON."""
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            pass  # the child has ended; its output has the reason
        return self._answer()

    def _stop(self, late: threading.Event) -> None:
        late.set()
        self._child.kill()

    def _answer(self) -> dict[str, Any]:
        late = threading.Event()
        limit = threading.Timer(SECONDS, self._stop, [late])
        limit.start()
        line = self._child.stdout.readline()
        limit.cancel()
        if line:
            return json.loads(line)
        self._child.wait()
        self._output.seek(0)
        lines = self._output.read().strip().splitlines() or ["ended without a message"]
        if late.is_set():
            lines = [f"no answer within {SECONDS:.0f} seconds"]
        raise InputError(f"--python {self.python}: {lines[-1]}")
