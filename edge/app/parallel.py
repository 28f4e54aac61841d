"""Several frames at a time, each on one thread, for sources that wait.

A network on two threads is not twice as fast: its threads wait for each other after
each operator, and longer where another thread, such as that of a video decoder, needs
their processor. Two interpreters with one thread each do not wait. They are taken for
videos, if a short measurement shows that they are faster. A live source needs each
result as early as possible, and has one interpreter with all threads; so has a folder
of images, which may be few.
"""

from __future__ import annotations

import copy
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Sequence
from weakref import WeakKeyDictionary

from edge.core.timing import StageTimer
from edge.model_file.info import made_by_others
from edge.predict.base import Predictor
from edge.predict.tasks import PREDICTORS
from edge.video.frames import Source

log = logging.getLogger(__name__)

ROUNDS = 3  # of the measurement
LONGEST_RUN = 0.15  # seconds; slower networks would make the start wait
MOST = 8  # frames at a time
LARGEST_FILE = 64 * 2**20  # bytes; each interpreter has weights of its own

# Engine -> its copies with one thread; none where they are not faster.
_copies: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()


def predictors_for(predictor: Predictor, source: Source) -> list[Predictor]:
    """The predictors to use at the same time: only the given one, or copies of it.

    Each copy has an engine with one thread and a StageTimer of its own.
    """
    if source.live or source.still or not can_be_copied(predictor):
        return [predictor]
    engines = copies_of(predictor.engine)
    return [with_engine(predictor, engine) for engine in engines] or [predictor]


def predictors_together(
    inputs: Sequence[tuple[Predictor, Source]],
) -> list[list[Predictor]]:
    """The predictors of several inputs, as often as they are used at the same time.

    Each list has one of every input, all with the same engine. A single list is that of
    the given ones: where a source needs each result early, the others wait too.
    """
    if any(source.live or source.still for _, source in inputs):
        return [[predictor for predictor, _ in inputs]]
    rows = zip(*(predictors_for(predictor, source) for predictor, source in inputs))
    return [list(row) for row in rows]


def can_be_copied(predictor: Predictor) -> bool:
    """Whether a predictor runs one file by XNNPACK on several threads, and only that.

    What a file of others holds is found out while it runs, once.
    """
    engine = predictor.engine
    return (
        type(predictor) in PREDICTORS.values()
        and not made_by_others(predictor.info)
        and hasattr(engine, "single_threaded")
        and (engine.threads or 1) > 1
        and engine.accelerator == "XNNPACK"
        and not engine.parts
        and (engine.first_millis or 0.0) < 1e3 * LONGEST_RUN
        and engine.path.stat().st_size < LARGEST_FILE
    )


def with_engine(predictor: Predictor, engine: Any) -> Predictor:
    """A copy of a predictor with another engine of the same file."""
    result = copy.copy(predictor)
    result.engine, result.stages = engine, StageTimer()
    return result


def copies_of(engine: Any) -> list[Any]:
    """As many engines with one thread as `engine` has threads, up to MOST, or none.

    Measured once for each engine; the outcome is logged.
    """
    if engine not in _copies:
        count = min(engine.threads, MOST)
        copies = [engine.single_threaded() for _ in range(count)]
        together, apart = measured(engine, copies)
        _copies[engine] = copies if apart < together else []
        if _copies[engine]:
            log.info(
                f"{len(copies)} frames at a time, on one thread each: "
                f"{1e3 * apart:.1f} ms a frame instead of {1e3 * together:.1f}"
            )
    return _copies[engine]


def measured(engine: Any, copies: Sequence[Any]) -> tuple[float, float]:
    """Seconds for a frame: on all threads, and several at a time on one thread each.

    Both in turns, the best of some rounds, because other programs make them longer.
    """
    blank = engine.blank()
    together = apart = float("inf")
    with ThreadPoolExecutor(len(copies)) as pool:
        for number in range(ROUNDS + 1):
            start = time.perf_counter()
            engine(blank)
            middle = time.perf_counter()
            list(pool.map(lambda each: each(blank), copies))
            end = time.perf_counter()
            if number:  # the first run of an interpreter takes longer
                together = min(together, middle - start)
                apart = min(apart, (end - middle) / len(copies))
    return together, apart
