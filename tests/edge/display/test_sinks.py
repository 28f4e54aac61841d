"""Output of the sinks, read back."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.images import read_raw
from edge.display.sinks import Controls, DisplayFrame, FrameLines, Masks, Recording
from edge.display.view import View
from edge.display.window import Window
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.video.sources import open_source
from tests.support.object_results import DETECTION, INSTANCE, detections, instances
from tests.support.posix import needs_linux

INFO = ModelInfo(
    class_names=("road", "car", "sky"), colors=((0, 0, 1), (0, 1, 0), (1, 0, 0))
)
LABELS = np.array([[0, 0, 1, 255]], np.uint8).repeat(48, 0).repeat(16, 1)


def displayed(index: int, redrawn: bool = False, seconds: float = 0.0) -> DisplayFrame:
    view = np.full((*LABELS.shape, 3), 5 * index, np.uint8)
    return DisplayFrame(
        index, seconds, view, SemanticMap(LABELS), view, {"inference": 1.23456}, redrawn
    )


def test_changes_of_the_view_by_two_threads_are_both_kept():
    controls, began = Controls(View()), threading.Event()

    def slow(view: View) -> View:
        began.set()
        time.sleep(0.05)
        return replace(view, legend=False)

    thread = threading.Thread(target=controls.change_view, args=(slow,))
    thread.start()
    began.wait()
    controls.change_view(lambda view: replace(view, outlines=True))
    thread.join()
    assert (controls.view.legend, controls.view.outlines) == (False, True)


def test_lines_of_json(tmp_path):
    lines = FrameLines(tmp_path / "frames.jsonl", INFO)
    lines.take(displayed(0, seconds=100.5))
    # Each line is written at once, so that the file can be followed.
    assert (tmp_path / "frames.jsonl").read_text(encoding="utf-8").count("\n") == 1
    lines.take(displayed(0, redrawn=True, seconds=100.6))
    lines.take(displayed(1, seconds=100.75))
    lines.close()
    first, second = map(
        json.loads, (tmp_path / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    )
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "frame": 0,
        "seconds": 0.0,
        "shares": {"road": 0.5, "car": 0.25},
        "stage_millis": {"inference": 1.235},
    }
    assert (second["frame"], second["seconds"]) == (1, 0.25)


def test_lines_to_a_path_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="no_folder"):
        FrameLines(tmp_path / "no_folder" / "frames.jsonl", INFO)


@needs_linux
def test_lines_on_a_full_disk_are_an_error_once():
    """/dev/full is a disk that is always full."""
    lines = FrameLines(Path("/dev/full"), INFO)
    with pytest.raises(InputError, match=r"/dev/full: cannot be written \(No space"):
        lines.take(displayed(0))
    lines.close()


def frame_of(result, crossings=None) -> DisplayFrame:
    view = np.zeros((*result.size, 3), np.uint8)
    return DisplayFrame(0, 0.0, view, result, view, {}, crossings=crossings)


def test_lines_of_objects(tmp_path):
    found = instances((0, 0.9, 20, 40, 60, 80), (2, 0.5, 0, 0, 3, 2), tracks=[7, 9])
    crossings = {"dog": {"down": 0, "up": 2}}
    lines = FrameLines(tmp_path / "a.jsonl", INSTANCE, polygons=True)
    lines.take(frame_of(found, crossings))
    lines.close()
    line = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    assert line["counts"] == {"dog": 1, "bird": 1} and line["crossings"] == crossings
    assert line["objects"][0] == {
        "class": "dog",
        "score": 0.9,
        "box": [20.0, 40.0, 60.0, 80.0],
        "area": 1600,
        "track": 7,
        "polygon": [[20, 40], [20, 79], [59, 79], [59, 40]],
    }


def test_results_of_objects_are_written_for_each_frame(tmp_path):
    rows = (0, 0.9, 20, 40, 60, 80), (2, 0.5, 50, 0, 70, 50)
    Masks(tmp_path, INSTANCE).take(frame_of(instances(*rows)))
    ids = cv2.imread(str(tmp_path / "000000.png"), cv2.IMREAD_UNCHANGED)
    assert ids.dtype == np.uint16
    assert [ids[60, 30], ids[45, 55], ids[10, 55], ids[90, 90]] == [1, 1, 2, 0]
    Masks(tmp_path, DETECTION).take(frame_of(detections(*rows)))
    boxes = json.loads((tmp_path / "000000.json").read_text(encoding="utf-8"))
    assert boxes["classes"] == ["dog", "bird"]


def test_masks_hold_the_class_ids(tmp_path):
    masks = Masks(tmp_path, INFO)
    for frame in (displayed(0), displayed(0, redrawn=True), displayed(11)):
        masks.take(frame)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "000000.png",
        "000011.png",
    ]
    np.testing.assert_array_equal(read_raw(tmp_path / "000011.png"), LABELS)


def test_a_recording_holds_each_view_once(tmp_path):
    recording = Recording(tmp_path / "seen.avi", 10.0)
    for frame in (displayed(0), displayed(0, redrawn=True), displayed(10, seconds=0.2)):
        recording.take(frame)
    recording.close()
    with open_source(str(tmp_path / "seen.avi")) as source:
        means = [frame.image.mean() for frame in source.frames]
    assert means == pytest.approx([0, 0, 50], abs=3)


def test_the_keys_of_the_window():
    controls = Controls(View())
    window = Window({"": controls}, INFO, background=None, still=False)
    window.handle_key(ord("2"))
    assert controls.view.hidden == {1}
    window.handle_key(ord(" "))
    assert controls.paused
    window.handle_key(ord(" "))
    assert not controls.paused
    assert not controls.ended
    window.handle_key(27)
    assert controls.ended
    window.close()  # it was never opened


def test_a_key_is_for_all_sources():
    named = {name: Controls(View()) for name in "ab"}
    window = Window(named, INFO, background=None, still=False)
    for key in (ord("2"), ord(" ")):
        window.handle_key(key)
    for controls in named.values():
        assert controls.view.hidden == {1} and controls.paused
    window.handle_key(27)
    assert all(controls.ended for controls in named.values())
