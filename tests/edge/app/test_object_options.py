"""Options for objects: what they change, and where they have no effect."""

import pytest

from edge.app.camera import classes_of, view_of
from edge.app.camera_options import parse
from edge.app.object_options import (
    check_task_options,
    counter_of,
    decoder_changes,
    smoother_of,
)
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.smoothing import VoteSmoother
from tests.support.object_results import INSTANCE

TASKS = ("semantic", "detection", "instance", "toy")


def options(*words: str):
    return parse(["model.tflite", *words], "camera_demo.py", None)


# Option -> the tasks that it has an effect on.
USES = {
    "--score 0": ("detection", "instance"),
    "--nms 0.5": ("detection", "instance"),
    "--max-objects 3": ("detection", "instance"),
    "--track": ("detection", "instance"),
    "--color-by class": ("detection", "instance"),
    "--no-boxes": ("detection", "instance"),
    "--no-masks": ("instance",),
    "--polygons --frames-json a.jsonl": ("instance",),
    "--outlines": ("semantic", "instance", "toy"),
    "--opacity 0": ("semantic", "instance", "toy"),
    "--background blur --keep dog": TASKS,
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("words", USES)
def test_options_without_effect_are_refused(words, task):
    given = options(*words.split())
    if task in USES[words]:
        check_task_options(given, task)
        return
    with pytest.raises(InputError) as error:
        check_task_options(given, task)
    article = "an" if task == "instance" else "a"
    assert str(error.value) == (
        f"{words.split()[0]}: has no effect on {article} {task} model; leave it out"
    )


@pytest.mark.parametrize("task", TASKS)
def test_without_options_no_task_refuses_anything(task):
    check_task_options(options(), task)
    assert decoder_changes(options()) == {}
    assert smoother_of(options(), task) == (None, "steady")
    assert counter_of(options()) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--color-by track", "--color-by track needs --track; give both"),
        ("--polygons", "--polygons needs --frames-json; give both"),
        ("--score 1.5", "not a number from 0 to 1"),
        ("--max-objects 0", "0"),
        ("--color-by name", "name"),
    ],
)
def test_options_that_need_others_or_have_other_values(words, message):
    with pytest.raises(InputError, match=message):
        options(*words.split())


def test_the_decoder_gets_the_thresholds():
    given = options("--score", "0.4", "--nms", "0.7", "--max-objects", "5")
    wanted = {"score": 0.4, "nms": 0.7, "max_detections": 5}
    assert decoder_changes(given) == wanted


def test_a_tracker_gets_objects_that_only_continue_a_track():
    assert decoder_changes(options("--track")) == {"score": 0.1}
    assert decoder_changes(options("--track", "--score", "0.6")) == {"score": 0.1}
    assert decoder_changes(options("--track", "--score", "0.05")) == {"score": 0.05}


def test_steady_votes_on_pixels_and_needs_a_tracker_for_boxes():
    smooth, stage = smoother_of(options("--steady", "3"), "semantic")
    assert isinstance(smooth, VoteSmoother) and stage == "steady"
    with pytest.raises(InputError, match="--steady: .* only with --track; add it"):
        smoother_of(options("--steady", "3"), "instance")
    with pytest.raises(InputError, match="--steady: not available for the task toy"):
        smoother_of(options("--steady", "3"), "toy")


def test_the_view_of_the_options():
    view = view_of(options("--no-boxes", "--headless"), INSTANCE)
    assert (view.boxes, view.masks, view.color_by, view.keys) == (
        *(False, True, "class", False),
    )
    view = view_of(options("--no-masks", "--track", "--color-by", "track"), INSTANCE)
    assert (view.boxes, view.masks, view.color_by) == (True, False, "track")


def test_names_with_commas_are_quoted():
    info = ModelInfo(("car", "car, parked", "dog"), ((0, 0, 1),) * 3)
    assert classes_of("car, dog", info) == {0, 2}
    assert classes_of('dog,"car, parked"', info) == {1, 2}
    assert classes_of("car, parked", info) == {1}
    with pytest.raises(InputError, match="--keep parked: unknown class"):
        classes_of("dog, parked", info)
