"""One line of log, and holding back what libraries write to standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from typing import Iterator

from edge.core.errors import InputError


def say(message: str) -> None:
    """One line of log, to stderr."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def native_log_held() -> Iterator[None]:
    """Holds back what libraries write straight to file descriptor 2.

    Where the block fails otherwise than by InputError, it is shown before that goes on.
    For one thread alone: the descriptor is the whole process's.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except InputError:
            raise
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
