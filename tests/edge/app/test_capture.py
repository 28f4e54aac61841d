"""Frames that are kept for labelling: files, lines, limits, broken disks."""

import argparse
import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app import capture as capture_module
from edge.app import capture_writer
from edge.app.camera_options import new_parser, parse
from edge.app.capture import FrameCapture, confidence_wanted
from edge.app.capture_options import check_capture
from edge.app.capture_rule import FIRST, Every
from edge.app.capture_writer import LINES, CaptureWriter, Item, append_line
from edge.core.errors import InputError
from edge.core.images import list_folder
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View, help_of
from edge.display.window import Window
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.video.scenes import scene
from tests.support.object_results import INSTANCE, instances
from tests.support.posix import needs_linux

ROOT = Path(__file__).resolve().parents[3]
INFO = ModelInfo(("road", "car"), ((0, 0, 1), (0, 1, 0)))
LABELS = np.uint8([[0, 0, 0, 1]])
SECOND = Every(1.0)


def frame(index: int, seconds: float = 0.0, certain: float = 0.9) -> DisplayFrame:
    """Frame `index`: a scene that looks like no other, and its result."""
    image = cv2.cvtColor(scene(9, index, (60, 80))[0], cv2.COLOR_RGB2BGR)
    confidence = np.full(LABELS.shape, certain, np.float32)
    view = np.zeros_like(image)
    return DisplayFrame(
        index, seconds, image, SemanticMap(LABELS, confidence), view, {}
    )


def captured(folder: Path, frames, **options) -> FrameCapture:
    """A sink that has taken the frames and is closed."""
    capture = FrameCapture(folder, INFO, "street.mp4", **options)
    for each in frames:
        capture.take(each)
    capture.close()
    return capture


def lines_of(folder: Path) -> list[dict]:
    text = (folder / LINES).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def images_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def test_a_frame_every_second_as_the_camera_gave_it(tmp_path):
    frames = [frame(index, index / 2) for index in range(4)]
    captured(tmp_path, frames, every=SECOND)
    assert [line["seconds"] for line in lines_of(tmp_path)] == [0, 1]
    for line, expected in zip(lines_of(tmp_path), (frames[0], frames[2]), strict=True):
        image = cv2.imread(str(tmp_path / line["file"]))
        np.testing.assert_array_equal(image, expected.frame)


def test_a_line_tells_what_was_found(tmp_path):
    captured(tmp_path, [frame(0, 2.5)], every=SECOND)
    (line,) = lines_of(tmp_path)
    time = datetime.fromisoformat(line.pop("time"))
    assert line.pop("file") == f"{time:%Y%m%d-%H%M%S}-{time.microsecond // 1000:03}.png"
    assert len(line.pop("hash")) == 64 and line.pop("thumbnail")
    assert line == {
        "source": "street.mp4",
        "seconds": 2.5,
        "reason": "time",
        "confidence": 0.9,
        "uncertainty": None,
        "shares": {"road": 0.75, "car": 0.25},
    }


def test_a_line_of_objects_has_their_number_and_mean_score(tmp_path):
    found = instances((0, 0.9, 20, 40, 60, 80), (2, 0.5, 0, 0, 3, 2))
    capture = FrameCapture(tmp_path, INSTANCE, "0", SECOND)
    image = np.zeros((100, 200, 3), np.uint8)
    capture.take(DisplayFrame(0, 0.0, image, found, None, {}))
    capture.close()
    (line,) = lines_of(tmp_path)
    assert line["counts"] == {"dog": 1, "bird": 1}
    assert line["confidence"] == pytest.approx(0.7)


def test_the_least_certain_frame_is_kept(tmp_path):
    frames = [frame(index, float(index)) for index in range(FIRST + 2)]
    frames[FIRST] = frame(FIRST, float(FIRST), certain=0.4)
    captured(tmp_path, frames, every=Every(1, True))
    (line,) = lines_of(tmp_path)
    assert (line["seconds"], line["reason"]) == (FIRST, "uncertain")
    assert line["uncertainty"] == pytest.approx(0.6)


def test_a_frame_that_looks_like_one_before_is_left_out(tmp_path):
    frames = [frame(0, 0.0), frame(0, 1.0), frame(1, 2.0), frame(0, 3.0)]
    captured(tmp_path, frames, every=SECOND)
    assert [line["seconds"] for line in lines_of(tmp_path)] == [0, 2]


def test_a_frame_of_an_earlier_call_is_known_even_if_it_was_moved(tmp_path):
    captured(tmp_path, [frame(0, 0.0)], every=SECOND)
    for path in images_of(tmp_path):
        path.unlink()
    captured(tmp_path, [frame(0, 0.0), frame(1, 1.0)], every=SECOND)
    assert [line["seconds"] for line in lines_of(tmp_path)] == [0, 1]
    assert len(images_of(tmp_path)) == 1


def test_why_no_frame_was_kept_is_said(tmp_path, capfd):
    captured(tmp_path, [frame(0)], every=SECOND)
    capfd.readouterr()
    captured(tmp_path, [frame(0, float(t)) for t in range(3)], every=SECOND)
    end = f"0 frames captured in {tmp_path}: 3 looked at, 3 alike to earlier ones\n"
    assert capfd.readouterr().err == end
    captured(tmp_path, [frame(1, float(t)) for t in range(4)], every=Every(1, True))
    text = ": 4 looked at, of which the first 10 are compared with\n"
    assert capfd.readouterr().err.endswith(text)


def test_the_file_of_captured_images_is_not_left_out_by_readers(tmp_path):
    captured(tmp_path, [frame(0)], every=SECOND)
    (tmp_path / "notes.txt").touch()
    images, others = list_folder(tmp_path)
    assert len(images) == 1 and [p.name for p in others] == ["notes.txt"]


@pytest.mark.parametrize(("no_window", "serve"), [(True, "0"), (False, None)])
def test_a_key_needs_a_window_and_a_button_the_page(no_window, serve):
    arguments = argparse.Namespace(capture=Path("cap"), every=None, serve=serve)
    check_capture(arguments, no_window)


def test_without_key_and_button_frames_are_kept_by_a_rule_only():
    no_window = True
    arguments = argparse.Namespace(capture=Path("cap"), every=None, serve=None)
    with pytest.raises(InputError, match="no key c to keep frames; add --every 10s"):
        check_capture(arguments, no_window)
    arguments.every = SECOND
    check_capture(arguments, no_window)


def test_after_the_end_no_frame_is_kept(tmp_path):
    """A page may still ask for one."""
    sink = FrameCapture(tmp_path, INFO, "street")
    sink.take(frame(0))
    assert sink.keep()
    sink.close()
    assert sink.keep() is None


def test_a_line_that_was_cut_does_not_matter(tmp_path):
    (tmp_path / LINES).write_bytes(b'{"hash": "12')
    captured(tmp_path, [frame(0)], every=SECOND)
    first, second = (tmp_path / LINES).read_text(encoding="utf-8").splitlines()
    assert first == '{"hash": "12' and json.loads(second)["reason"] == "time"


def test_the_limit_counts_the_images_of_the_folder(tmp_path, capfd):
    shutil.copy(ROOT / "docs" / "example.jpg", tmp_path / "other.jpg")
    frames = [frame(index, float(index)) for index in range(5)]
    captured(tmp_path, frames, every=SECOND, limit=3)
    assert len(images_of(tmp_path)) == 2
    said = capfd.readouterr().err
    assert said.count("has 3 images, no more are kept by --every") == 1
    assert "2 frames captured in" in said


def test_a_viewer_keeps_the_newest_frame_whatever_the_limit(tmp_path):
    """From any thread, also a frame that looks like one before."""
    capture = FrameCapture(tmp_path, INFO, "0", limit=1)
    assert capture.keep() is None
    capture.take(frame(0, 7.0))
    threads = [threading.Thread(target=capture.keep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    capture.close()
    assert len({path.name for path in images_of(tmp_path)}) == 3
    assert {line["reason"] for line in lines_of(tmp_path)} == {"asked"}


def test_without_a_rule_nothing_is_kept_unasked(tmp_path):
    captured(tmp_path, [frame(0)])
    assert list(tmp_path.iterdir()) == []


def test_the_source_in_a_line_has_no_password(tmp_path):
    capture = FrameCapture(tmp_path, INFO, "rtsp://me:secret@camera/a", SECOND)
    capture.take(frame(0))
    capture.close()
    assert "secret" not in (tmp_path / LINES).read_text(encoding="utf-8")


def test_the_confidence_is_wanted_of_the_frames_that_are_looked_at(tmp_path):
    capture = FrameCapture(tmp_path, INFO, "0", Every(10, True))
    wanted = confidence_wanted([object(), capture])
    assert [wanted(seconds) for seconds in (0, 0.2, 0.5)] == [True, False, True]
    capture.close()
    assert not confidence_wanted([object()])(0.0)


def test_a_folder_that_is_gone_is_said_once_and_the_camera_goes_on(tmp_path, capfd):
    folder = tmp_path / "captured"
    folder.mkdir()
    capture = FrameCapture(folder, INFO, "0", SECOND)
    folder.rmdir()
    for index in range(3):
        capture.take(frame(index, float(index)))
    capture.close()
    line, end = capfd.readouterr().err.splitlines()
    assert line.startswith(f"--capture {folder}: ") and "goes on without it" in line
    assert end == f"0 frames captured in {folder}: 3 looked at"


def test_without_its_line_a_frame_is_not_kept(tmp_path, capfd):
    (tmp_path / LINES).mkdir()  # a folder in place of the file
    captured(tmp_path, [frame(0)], every=SECOND)
    assert images_of(tmp_path) == []
    assert "cannot be written" in capfd.readouterr().err


def test_only_a_frame_that_is_on_the_disk_is_kept(tmp_path, capfd, monkeypatch):
    folder = tmp_path / "frames"
    folder.mkdir()
    capture = FrameCapture(folder, INFO, "street.mp4", live=True)
    capture.take(frame(0))
    name = capture.keep()
    assert [line["file"] for line in lines_of(folder)] == [name]
    shutil.rmtree(folder)
    assert capture.keep() is None
    goes_on = threading.Event()
    monkeypatch.setattr(capture_writer, "write_bytes", lambda *_: goes_on.wait())
    monkeypatch.setattr(capture_module, "HANG_SECONDS", 0.02)
    assert capture.keep() is None
    goes_on.set()
    capture.close()
    assert "goes on without it" in capfd.readouterr().err


def item(image: np.ndarray, number: int) -> Item:
    return Item(image, f"{number}.png", {"k": number}, Future())


@pytest.mark.parametrize("live", (False, True))
def test_only_a_live_source_loses_frames_that_come_too_fast(tmp_path, live):
    """Thirty frames at once, of which a few may be in memory."""
    image = np.random.RandomState(0).randint(0, 256, (300, 400, 3), np.uint8)
    writer = CaptureWriter(tmp_path, live)
    done = [writer.put(item(image, k)) for k in range(30)]
    writer.close()
    assert all(done) is not live
    assert len(images_of(tmp_path)) == sum(done) == len(lines_of(tmp_path))


@pytest.mark.parametrize("number", (1, 10))
def test_a_disk_that_hangs_does_not_hold_the_program(
    tmp_path, capfd, monkeypatch, number
):
    goes_on = threading.Event()
    monkeypatch.setattr(capture_writer, "write_bytes", lambda *_: goes_on.wait())
    monkeypatch.setattr(capture_writer, "HANG_SECONDS", 0.02)
    writer = CaptureWriter(tmp_path, live=True)
    items = [item(np.zeros((4, 4, 3), np.uint8), k) for k in range(number)]
    waiting = [one for one in items if writer.put(one)]
    writer.close()
    (line,) = capfd.readouterr().err.splitlines()
    goes_on.set()
    for one in waiting:  # or the thread fails during the next test, without its folder
        one.written.result(timeout=10)
    assert line.endswith("the disk is too slow; frames are missing")


def test_lines_are_appended(tmp_path):
    append_line(tmp_path / LINES, {"a": 1})
    append_line(tmp_path / LINES, {"a": float("nan")})
    assert lines_of(tmp_path) == [{"a": 1}, {"a": None}]


# The options, the key, and the command


def test_the_rule_and_the_limit_need_a_folder():
    for option in (["--every", "10s"], ["--capture-limit", "5"]):
        with pytest.raises(InputError, match=f"{option[0]} needs --capture; give both"):
            parse(["m.tflite", *option], "live", "")


def test_the_help_stays_short():
    text = new_parser("kseg live", "").format_help(everything=True)
    assert "--capture DIR" in text and "--every 10s|uncertain" in text
    assert "--capture" not in new_parser("kseg live", "").format_help()


def test_the_key_c_keeps_the_frame(capfd):
    controls = Controls(View())
    window = Window({"": controls}, INFO, background=None, still=False)
    window.handle_key(ord("c"))
    controls.capture = lambda: "a.png"
    window.handle_key(ord("c"))
    controls.capture = lambda: None
    window.handle_key(ord("c"))
    none, kept, busy = capfd.readouterr().err.splitlines()
    assert "--capture DIR" in none and kept == "captured a.png" and "try again" in busy


def test_the_key_is_listed_where_it_has_a_folder():
    assert "c capture" in help_of(INFO, captures=True)
    assert "c capture" not in help_of(INFO)


def live(
    folder: Path, *options, limit: str = "unlimited"
) -> subprocess.CompletedProcess:
    """`kseg live` on three images, where no file may be larger than `limit` KiB."""
    images = folder / "images"
    images.mkdir()
    for index in range(3):
        cv2.imwrite(str(images / f"{index}.png"), frame(index).frame)
    script = [sys.executable, str(ROOT / "edge" / "camera_demo.py")]
    words = [*script, "--model", "shapes", "--source", str(images), "--headless"]
    command = f'ulimit -f {limit}; exec "$@"'
    return subprocess.run(
        ["bash", "-c", command, "bash", *words, *map(str, options)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
    )


@needs_linux
def test_the_command_keeps_frames(tmp_path):
    done = live(tmp_path, "--capture", tmp_path / "new", "--every", "2s")
    assert done.returncode == 0, done.stderr
    assert len(images_of(tmp_path / "new")) == 2  # of images one second apart


@needs_linux
def test_on_a_full_disk_the_command_goes_on(tmp_path):
    done = live(tmp_path, "--capture", tmp_path / "new", "--every", "1s", limit="4")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the camera goes on without it") == 1, done.stderr
    assert done.stdout.startswith("3 frames")
    assert images_of(tmp_path / "new") == [] and not list(tmp_path.glob("new/.*"))
