"""The camera command: its process, its files and its exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app import camera
from edge.app.camera import main
from edge.core.errors import InputError
from edge.core.images import read_raw
from tests.support.posix import needs_linux, needs_posix

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "edge" / "camera_demo.py"
BIRD = 3
LONG = 600  # seconds, the time limit of tests that may hang

# The environment of a machine without a screen.
NO_DISPLAY = {
    name: value
    for name, value in os.environ.items()
    if name not in ("DISPLAY", "WAYLAND_DISPLAY")
}


def demo(*arguments) -> subprocess.CompletedProcess:
    """Run the command until it ends."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=NO_DISPLAY,
        capture_output=True,
        text=True,
        timeout=LONG,
    )


def frames_of(path: Path) -> int:
    """The number of frames of a video that can be decoded."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


# Output files


@pytest.fixture(scope="module")
def written(deeplab, bird, tmp_path_factory):
    """The segmented bird image, with all output files."""
    folder = tmp_path_factory.mktemp("written")
    done = demo(
        *(deeplab, "--source", bird, "--headless", "--threads", 2),
        *("--masks", folder / "deep" / "masks"),
        *("--stats", folder / "stats.json"),
        *("--record", folder / "seen.mp4"),
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_mask_is_the_bird(written, bird_mask):
    folder, _ = written
    masks = list((folder / "deep" / "masks").iterdir())
    assert [mask.name for mask in masks] == ["000000.png"]
    truth, prediction = read_raw(bird_mask) == BIRD, read_raw(masks[0]) == BIRD
    assert (truth & prediction).sum() / (truth | prediction).sum() >= 0.80


def test_the_recording_is_one_frame(written):
    folder, _ = written
    assert frames_of(folder / "seen.mp4") == 1


def test_no_other_files_remain(written):
    folder, _ = written
    assert {file.name for file in folder.iterdir()} == {
        "deep",
        "seen.mp4",
        "stats.json",
    }


def test_the_statistics_have_the_documented_keys(written):
    folder, _ = written
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    assert set(stats) == {
        "frames",
        "dropped",
        "fps",
        "engine",
        "threads",
        "stage_millis",
    }
    assert (stats["frames"], stats["dropped"], stats["threads"]) == (1, 0, 2)
    assert stats["fps"] == 0  # one frame has no interval
    assert stats["engine"] in ("litert", "tflite-runtime")
    stages = {"capture", "preprocess", "inference", "postprocess", "draw"}
    assert set(stats["stage_millis"]) == stages
    for times in stats["stage_millis"].values():
        assert set(times) == {"p50", "p95"}
        assert 0 <= times["p50"] <= times["p95"]


def test_it_logs_the_engine_and_prints_the_table(written):
    _, done = written
    assert "input 513x513" in done.stderr
    assert "2 threads" in done.stderr
    assert "has no kseg.json" in done.stderr
    first, *rows = done.stdout.splitlines()
    assert first.startswith("1 frames, ")
    assert [row.split()[0] for row in rows] == [
        *("stage", "capture", "preprocess", "inference", "postprocess", "draw")
    ]


def test_a_folder_of_images_of_many_sizes(deeplab, tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    sizes = [(40, 60), (60, 40), (30, 30)]
    for index, size in enumerate(sizes):
        cv2.imwrite(str(images / f"{index}.png"), np.zeros((*size, 3), np.uint8))
    done = demo(deeplab, "--source", images, "--headless", "--masks", masks)
    assert done.returncode == 0, done.stderr
    written = sorted(masks.iterdir())
    assert [mask.name for mask in written] == [f"{i:06d}.png" for i in range(3)]
    assert [read_raw(mask).shape for mask in written] == sizes


def test_max_frames_ends_an_endless_source(deeplab, tmp_path):
    stats = tmp_path / "stats.json"
    done = demo(
        *(deeplab, "--source", "shapes", "--headless"),
        *("--max-frames", 3, "--stats", stats),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(stats.read_text(encoding="utf-8"))["frames"] == 3


@needs_linux
def test_without_a_display_it_runs_headless(deeplab, bird):
    done = demo(deeplab, "--source", bird)
    assert done.returncode == 0, done.stderr
    assert "no display: running headless" in done.stderr


@pytest.mark.parametrize("windows", [False, True])
def test_where_there_is_no_window_other_views_are_named(monkeypatch, windows):
    """OpenCV without windows also names the package that has them."""
    monkeypatch.setattr(camera, "has_windows", lambda: windows)
    assert "--serve 8080 shows it in a browser" in camera.other_views()
    remedy = "pip uninstall -y opencv-python-headless, then pip install opencv-python"
    assert (remedy in camera.other_views()) is not windows


# Errors


@pytest.fixture
def error_line():
    """`error_line(*arguments)`: the message of the command run in this process.

    Real processes test that the line is printed and the status is 2, one for
    each kind of error.
    """
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def message_of(*arguments) -> str:
        with pytest.raises(InputError) as error:
            main([str(argument) for argument in (*arguments, "--headless")])
        (line,) = str(error.value).splitlines()
        return line

    yield message_of
    for number, handler in handlers.items():  # the command sets its own
        signal.signal(number, handler)


def output_before(capfd) -> list[str]:
    """The command's output before the error, standard output first."""
    out, err = capfd.readouterr()
    return [*out.splitlines(), *err.splitlines()]


# Text of the one-line message -> arguments that cause it.
INVALID_USE = {
    "camera 99": ["--source", "99"],
    "gone.mp4": ["--source", "gone.mp4"],
    "seen.gif": ["--source", "shapes", "--record", "seen.gif"],
    "no_folder": ["--source", "shapes", "--record", "no_folder/a.mp4"],
    "--threads": ["--source", "shapes", "--threads", "0"],
    "abacus": ["--source", "shapes", "--engine", "abacus"],
    "--sauce": ["--sauce", "shapes"],
    "--camera": ["--source", "shapes", "--camera-fps", "5"],
    "MJPEG": ["--source", "shapes", "--camera-format", "MJPEG"],
    "1.5": ["--source", "shapes", "--opacity", "1.5"],
    "100": ["--source", "shapes", "--steady", "100"],
    "--keep": ["--source", "shapes", "--background", "blur"],
    "gone.jsonl": ["--source", "shapes", "--frames-json", "no_folder/gone.jsonl"],
}


def arguments_of(message: str, folder: Path) -> list:
    return [folder / text if "." in text else text for text in INVALID_USE[message]]


@pytest.mark.parametrize("message", INVALID_USE)
def test_invalid_use_is_one_line(deeplab, tmp_path, message, error_line, capfd):
    assert message in error_line(deeplab, *arguments_of(message, tmp_path))
    assert output_before(capfd) == []


@pytest.mark.parametrize("message", ["--threads", "gone.mp4"])
def test_invalid_use_is_one_line_and_status_2(deeplab, tmp_path, message):
    """Errors of the parser and of the source."""
    done = demo(deeplab, "--headless", *arguments_of(message, tmp_path))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("camera_demo: ")
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--stats", "no_folder/stats.json"),
        ("--stats", "a_folder"),
        ("--masks", "a_file"),
    ],
)
def test_an_output_that_cannot_be_written_is_invalid_input(
    deeplab, bird, tmp_path, option, name, error_line, capfd
):
    """The message names the file, before any frame is read."""
    (tmp_path / "a_file").touch()
    (tmp_path / "a_folder").mkdir()
    path = tmp_path / name
    assert str(path) in error_line(deeplab, "--source", bird, option, path)
    assert output_before(capfd) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--background", "blur", "--keep", "class 1,unicorn"), "--keep unicorn"),
        (("--background", "blur", "--keep", "a\nb"), "--keep 'a"),
        (("--background", "mauve", "--keep", "class 1"), "--background mauve"),
    ],
)
def test_a_view_that_the_model_does_not_support(
    deeplab, bird, options, message, error_line
):
    assert message in error_line(deeplab, "--source", bird, *options)


@pytest.mark.parametrize(
    "words", ["--track", "--score 0.4", "--no-boxes", "--track --count-line y=0.5"]
)
def test_options_of_objects_have_no_effect_on_a_semantic_model(
    deeplab, bird, words, error_line
):
    if "count-line" in words:
        pytest.importorskip("edge.predict.counting")
    option = words.split()[0]
    line = error_line(deeplab, "--source", bird, *words.split())
    assert line.startswith(f"{option}: has no effect on a semantic model")


def test_an_error_after_the_model_is_loaded_is_one_line(deeplab, bird):
    options = ("--background", "mauve", "--keep", "class 1")
    done = demo(deeplab, "--source", bird, "--headless", *options)
    assert done.returncode == 2, done.stderr
    assert "--background mauve" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_colour_replaces_the_background_of_the_bird(
    deeplab, bird, bird_mask, tmp_path
):
    done = demo(
        *(deeplab, "--source", bird, "--headless", "--record", tmp_path / "a.avi"),
        *("--background", "00ff00", "--keep", f"class {BIRD}"),
    )
    assert done.returncode == 0, done.stderr
    image = cv2.VideoCapture(str(tmp_path / "a.avi")).read()[1]
    green = (abs(image.astype(int) - (0, 255, 0)) < 30).all(axis=2)
    kept = read_raw(bird_mask)[:512, :512] == BIRD  # videos have even sides
    assert green[~kept].mean() > 0.9
    assert green[kept].mean() < 0.2  # parts of the bird that the network misses


@pytest.mark.parametrize("text", [None, "I am no model."])
def test_a_file_that_is_not_a_model_is_one_line(tmp_path, text, error_line, capfd):
    path = tmp_path / "x.tflite"
    if text:
        path.write_text(text, encoding="utf-8")
    assert error_line(path, "--source", "shapes").startswith(f"{path}: ")
    assert output_before(capfd) == []


# Interruption


@contextmanager
def started(*arguments):
    """The command as a process that can be interrupted; it ends with the block."""
    # With a shell's `&` SIGINT is ignored, and children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *map(str, arguments)],
            env=NO_DISPLAY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(folder: Path, source, number: signal.Signals, deeplab):
    """Send a signal after the third mask: (status, statistics, frames)."""
    stats, video, masks = folder / "stats.json", folder / "seen.mp4", folder / "masks"
    options = ("--headless", "--stats", stats, "--record", video, "--masks", masks)
    with started(deeplab, "--source", source, *options) as process:
        deadline = time.monotonic() + LONG
        while not (masks / "000002.png").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, log = process.communicate(timeout=LONG)
    assert "Traceback" not in log
    return (
        process.returncode,
        json.loads(stats.read_text(encoding="utf-8")),
        frames_of(video),
    )


@needs_posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_stopping_a_live_source_exits_with_0(deeplab, tmp_path, name):
    number = signal.Signals[name]
    status, stats, recorded = interrupted(tmp_path, "shapes", number, deeplab)
    assert status == 0
    assert stats["frames"] >= 2
    assert recorded - stats["frames"] in (0, 1)  # the last was not finished
    assert not list(tmp_path.glob(".*"))


@needs_posix
def test_a_killed_process_leaves_only_a_part_file(deeplab, tmp_path):
    """As at a power failure: no incomplete recording has its final name."""
    masks, lines = tmp_path / "masks", tmp_path / "frames.jsonl"
    options = ("--record", tmp_path / "seen.mp4", "--stats", tmp_path / "stats.json")
    with started(
        *(deeplab, "--source", "shapes", "--headless", *options),
        *("--masks", masks, "--frames-json", lines),
    ) as process:
        deadline = time.monotonic() + LONG
        while not (masks / "000002.png").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    assert {file.name for file in tmp_path.iterdir()} == {
        *(".seen.part.mp4", "masks", "frames.jsonl")
    }
    frames = [
        json.loads(line)["frame"]
        for line in lines.read_text(encoding="utf-8").splitlines()
    ]
    assert frames == list(range(len(frames)))
    assert len(frames) >= 2


@needs_posix
def test_interrupting_a_file_exits_with_130(deeplab, tmp_path):
    source = tmp_path / "long.avi"
    writer = cv2.VideoWriter(
        str(source), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48)
    )
    for index in range(5000):
        writer.write(np.full((48, 64, 3), index % 256, np.uint8))
    writer.release()
    status, stats, recorded = interrupted(tmp_path, source, signal.SIGINT, deeplab)
    assert status == 130
    assert 2 <= stats["frames"] < 5000
    assert recorded - stats["frames"] in (0, 1)


# Start


@pytest.mark.parametrize("start", [[str(SCRIPT)], ["-m", "edge.camera_demo"]])
def test_help(start):
    done = subprocess.run(
        [sys.executable, *start, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--source" in done.stdout
    assert "python edge/camera_demo.py" in done.stdout


def test_a_run_does_not_import_kseg_or_tensorflow(deeplab, bird):
    code = (
        "import json, runpy, sys\n"
        f"sys.argv = ['camera_demo.py', {str(deeplab)!r}, '--source', {str(bird)!r}, "
        "'--headless']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG
    )
    assert done.returncode == 0, done.stderr
    roots = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"edge", "cv2", "numpy"} <= roots
    unwanted = {"tensorflow", "keras", "tf_keras", "kseg", "PIL", "matplotlib"}
    assert not roots & unwanted


def test_a_folder_in_place_of_a_model_names_its_file(tmp_path):
    with pytest.raises(InputError, match="is a folder; kseg export writes"):
        camera.check_model(tmp_path)
    for name in ("float32.tflite", "int8.tflite", "a.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is a folder; give its file .*int8.tflite$"):
        camera.check_model(tmp_path)
