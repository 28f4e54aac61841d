"""What the options for objects mean for a model of a task."""

from __future__ import annotations

import argparse
from typing import Any, Optional, Tuple

from edge.app.feed import Counter
from edge.app.threads import Smoother
from edge.core.errors import InputError
from edge.predict import SMOOTHERS

OF_OBJECTS = (
    *("score", "nms", "max_objects", "track", "count_line", "color_by"),
    *("no_boxes", "no_masks", "polygons"),
)
# Task -> the options that have no effect on its models. Other tasks have OF_OBJECTS.
WITHOUT_EFFECT: dict[str, Tuple[str, ...]] = {
    "semantic": OF_OBJECTS,
    "detection": ("no_masks", "polygons", "outlines", "opacity"),
    "instance": (),
}
# Options -> the keys of `ModelInfo.decoder` that they replace.
DECODER = {"score": "score", "nms": "nms", "max_objects": "max_detections"}

LOW_SCORE = 0.1  # from which an object continues a track, as in edge.predict.tracking


def check_task_options(arguments: Any, task: str) -> None:
    """Raises InputError for an option that has no effect on models of this task.

    `arguments` has some or all of the options as attributes.
    """
    for name in WITHOUT_EFFECT.get(task, OF_OBJECTS):
        value = getattr(arguments, name, None)
        if value is not None and value is not False:
            option = "--" + name.replace("_", "-")
            article = "an" if task[0] in "aeiou" else "a"
            raise InputError(
                f"{option}: has no effect on {article} {task} model; leave it out"
            )


def decoder_changes(arguments: Any) -> dict[str, Any]:
    """The entries of `ModelInfo.decoder` that the options replace.

    A tracker, if the arguments have one, also gets objects that only continue a track.

    >>> options = argparse.Namespace(score=0.5, nms=None, max_objects=10, track=False)
    >>> decoder_changes(options)
    {'score': 0.5, 'max_detections': 10}
    """
    given = {key: getattr(arguments, name) for name, key in DECODER.items()}
    changes = {key: value for key, value in given.items() if value is not None}
    if getattr(arguments, "track", False):
        changes["score"] = low_score(arguments)
    return changes


def low_score(arguments: argparse.Namespace) -> float:
    """The least score of an object that continues a track."""
    return LOW_SCORE if arguments.score is None else min(LOW_SCORE, arguments.score)


def smoother_of(
    arguments: argparse.Namespace, task: str
) -> Tuple[Optional[Smoother], str]:
    """What changes each result, by --track and --steady, and the name of its stage.

    Raises InputError if the task cannot be smoothed.
    """
    if arguments.track:
        from edge.predict.tracking import Tracker

        given = {} if arguments.score is None else {"high": arguments.score}
        low, steady = low_score(arguments), bool(arguments.steady)
        return Tracker(low=low, steady=steady, **given), "track"
    if not arguments.steady:
        return None, "steady"
    if task in SMOOTHERS:
        return SMOOTHERS[task](arguments.steady), "steady"
    if "track" in WITHOUT_EFFECT.get(task, OF_OBJECTS):
        raise InputError(f"--steady: not available for the task {task}; leave it out")
    raise InputError(
        f"--steady: smooths boxes of {task} models only with --track; add it"
    )


def counter_of(arguments: argparse.Namespace) -> Optional[Counter]:
    """What counts the objects that cross the line of --count-line, if given."""
    if not arguments.count_line:
        return None
    from edge.predict.counting import LineCounter

    return LineCounter(arguments.count_line)
