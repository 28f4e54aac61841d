"""Other processes that do a function's calls; NumPy in threads would wait in turns.

They are started as `python -c`, so that they work from a script and from a notebook,
which processes of `multiprocessing` would run again.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Iterable, Iterator

from edge.core.errors import InputError

LEAST_ITEMS = 32  # of a process; fewer are done before it has started
START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from kseg.data.proposal_workers import serve; serve()"
)

Run = Callable[[Iterable[int]], Iterator[Any]]


@contextmanager
def workers(
    function: Callable[..., None],
    before: tuple[Any, ...],
    after: tuple[Any, ...],
    items: int,
) -> Iterator[Run]:
    """Gives `run(numbers)`, which calls `function(*before, number, *after)` for each.

    It yields once for each call, in the order of the numbers. For many `items` the
    calls are made by one process for each processor. An InputError is raised here too;
    ValueError if a process ends early.
    """
    count = min(os.cpu_count() or 1, items // LEAST_ITEMS)
    if count < 2:
        yield lambda numbers: (function(*before, n, *after) for n in numbers)
        return
    with ExitStack() as stack:
        free: queue.Queue[subprocess.Popen] = queue.Queue()
        for _ in range(count):
            free.put(stack.enter_context(started(function, before, after)))
        pool = stack.enter_context(ThreadPoolExecutor(count))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)

        def ask(number: int) -> None:
            child = free.get()
            try:
                call(child, number)
            finally:
                free.put(child)

        yield lambda numbers: iter(pool.map(ask, numbers))


@contextmanager
def started(
    function: Callable[..., None], before: tuple[Any, ...], after: tuple[Any, ...]
) -> Iterator[subprocess.Popen]:
    """A process that serves calls of a function; it ends with the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", START], stdin=pipe, stdout=pipe
    ) as child:
        assert child.stdin
        try:
            pickle.dump(sys.path, child.stdin)
            pickle.dump((function, before, after), child.stdin)
            yield child
        finally:
            child.stdin.close()


def call(child: subprocess.Popen, number: int) -> None:
    """Has a process call its function. Raises InputError if that does."""
    assert child.stdin and child.stdout
    pickle.dump(number, child.stdin)
    child.stdin.flush()
    try:
        message = pickle.load(child.stdout)
    except EOFError:
        raise ValueError("a process for proposals has ended; see its error") from None
    if message:
        raise InputError(message)


def serve() -> None:
    """The main function of such a process: it ends when its input does."""
    function, before, after = pickle.load(sys.stdin.buffer)
    while True:
        try:
            number = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        message = ""
        try:
            function(*before, number, *after)
        except InputError as error:
            message = str(error)
        pickle.dump(message, sys.stdout.buffer)
        sys.stdout.buffer.flush()
