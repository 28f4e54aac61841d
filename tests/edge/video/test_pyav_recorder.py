"""Recordings by PyAV: true times, encoders, and files that play after any end."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from edge.video.recorder import LONGEST_GAP, Recorder, keep_unfinished
from edge.video.recording import open_recorder
from edge.video.sources import open_source
from tests.edge.video.conftest import needs_pyav
from tests.edge.video.test_recorder import frame, largest_file, noise
from tests.support.posix import needs_linux, needs_posix

pytestmark = needs_pyav


@pytest.fixture(autouse=True)
def pyav(monkeypatch):
    monkeypatch.setenv("KSEG_READER", "pyav")


def recorded(path: Path, times: list[float]) -> list[tuple[int, float]]:
    """The number and the time of each frame in a recording of frames at `times`."""
    video = open_recorder(path, 25.0)
    for index, seconds in enumerate(times):
        video.write(frame(20 * index % 240), 1000 + seconds)
    video.close()
    with open_source(str(path)) as source:
        return [(round(f.image.mean() / 20), f.seconds) for f in source.frames]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_have_their_own_times(tmp_path, suffix):
    """Matroska has milliseconds."""
    times = [0.0, 0.0334, 0.5, 0.508, 3.7, 3.7333]
    found = recorded(tmp_path / f"seen{suffix}", times)
    assert [number for number, _ in found] == list(range(6))
    assert [seconds for _, seconds in found] == pytest.approx(times, abs=0.0006)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_last_image_of_a_folder_is_shown_as_long_as_the_others(tmp_path, suffix):
    """Five images, one a second: 5 s, not 4.04."""
    path = tmp_path / f"seen{suffix}"
    video = open_recorder(path, 1.0)
    for index in range(5):
        video.write(frame(20 * index), float(index))
    video.close()
    assert video.written == 5
    import av

    with av.open(str(path)) as container:
        times = [f.time for f in container.decode(video=0)]
        assert container.duration / av.time_base == pytest.approx(5, abs=0.03)
    assert times == pytest.approx([0, 1, 2, 3, 4], abs=0.001)


def test_frames_at_the_same_time_follow_each_other(tmp_path):
    """Two frames of a source without a clock; a clock that was set back."""
    found = recorded(tmp_path / "seen.mp4", [0.0, 0.0, 1.0, 0.5])
    assert [number for number, _ in found] == [0, 1, 2, 3]
    seconds = [seconds for _, seconds in found]
    assert seconds == pytest.approx([0, 0, 1, 1], abs=0.001)
    assert sorted(set(seconds)) == seconds


def test_a_long_gap_is_shortened(tmp_path):
    found = recorded(tmp_path / "seen.mp4", [0.0, 3600.0, 3600.1])
    assert [s for _, s in found] == pytest.approx([0, LONGEST_GAP, LONGEST_GAP + 0.1])


def test_odd_sizes_get_a_row_and_a_column(tmp_path):
    path = tmp_path / "seen.mp4"
    video = open_recorder(path, 25.0)
    image = np.random.RandomState(0).randint(0, 256, (5, 7), np.uint8)
    image = cv2.resize(image, (61, 47), interpolation=cv2.INTER_LINEAR)
    image = np.stack([image] * 3, axis=2)
    for index in range(3):
        video.write(image[:20] if index == 1 else image, index / 25)
    video.close()
    with open_source(str(path)) as source:
        images = [f.image for f in source.frames]
    assert [i.shape for i in images] == [(48, 62, 3)] * 3
    assert np.abs(images[0][:47, :61].astype(int) - image).mean() < 3
    assert images[1][:10].max() < 9  # a frame of another shape has bars


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 99, 200)])
def test_colors_are_kept(tmp_path, color):
    path = tmp_path / "seen.mp4"
    video = open_recorder(path, 25.0)
    video.write(np.full((48, 64, 3), color, np.uint8), 0.0)
    video.close()
    for capture in (path, cv2.VideoCapture(str(path))):
        if capture is path:
            with open_source(str(path)) as source:
                image = next(source.frames).image
        else:
            image = capture.read()[1]
        assert image.mean(axis=(0, 1)) == pytest.approx(color, abs=4)


# Encoders


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_the_first_encoder_that_opens_is_taken(tmp_path, monkeypatch, caplog, encoder):
    from edge.video import encoders

    known = {"no_such": {}, "h264_v4l2m2m": {}, encoder: encoders.ENCODERS[encoder]}
    monkeypatch.setattr("edge.video.encoders.ENCODERS", known)
    caplog.set_level("INFO")
    path = tmp_path / "seen.mp4"
    assert len(recorded(path, [0.0, 0.04, 0.08])) == 3
    if "h264_v4l2m2m" in caplog.messages[0]:
        pytest.skip("this machine has an encoder of V4L2 M2M")
    assert caplog.messages[0] == f"--record {path}: encoded by {encoder}"


def test_without_an_encoder_there_is_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.video.encoders.ENCODERS", {"no_such": {}})
    with pytest.raises(InputError, match="PyAV has none of the encoders no_such"):
        recorded(tmp_path / "seen.mp4", [0.0])
    assert list(tmp_path.iterdir()) == []


def test_an_avi_is_written_by_opencv(tmp_path):
    assert type(open_recorder(tmp_path / "seen.avi", 25.0)) is Recorder
    assert type(open_recorder(tmp_path / "seen.MP4", 25.0)) is not Recorder


# Ends

WRITE_FOR_EVER = """
import sys
import numpy as np
from pathlib import Path
from edge.video.recording import open_recorder

video, image = open_recorder(Path(sys.argv[1]), 25.0), np.zeros((48, 64, 3), np.uint8)
for index in range(10**9):
    video.write(image + np.uint8(index % 200), index / 25)
    print(index, flush=True)
"""


@needs_posix
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_of_a_process_that_was_killed_plays(tmp_path, suffix, caplog):
    """All but the last two seconds; the next recording does not replace it."""
    path = tmp_path / f"seen{suffix}"
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 240:
                process.send_signal(signal.SIGKILL)
        written = int(line) + 1
    assert not path.exists()
    (part,) = tmp_path.iterdir()
    keep_unfinished(part, path)
    kept = tmp_path / f"seen-1{suffix}"
    assert list(tmp_path.iterdir()) == [kept]
    assert caplog.messages == [
        f"the recording of a run that was stopped is kept as {kept}"
    ]
    capture, count = cv2.VideoCapture(str(kept)), 0
    while capture.read()[0]:
        count += 1
    assert written - 2 * 25 - 1 <= count <= written
    if shutil.which("ffprobe"):
        probe = ["ffprobe", "-v", "error", "-count_frames", "-of", "csv=p=0"]
        probe += ["-show_entries", "stream=codec_name,nb_read_frames", str(kept)]
        found = subprocess.run(probe, check=True, capture_output=True, text=True)
        assert found.stdout.split() == [f"h264,{count}"]


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / ".seen.part.mp4").mkdir()
    with pytest.raises(InputError, match="cannot be written .Is a directory"):
        open_recorder(tmp_path / "seen.mp4", 25.0).write(noise(0), 0.0)


def test_what_does_not_play_is_not_kept(tmp_path):
    part, target = tmp_path / ".seen.part.mp4", tmp_path / "seen.mp4"
    keep_unfinished(part, target)
    part.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0")
    keep_unfinished(part, target)
    assert list(tmp_path.iterdir()) == [part]


@needs_linux
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disk_that_others_fill_leaves_a_video_that_plays(
    tmp_path, monkeypatch, suffix
):
    path, written = tmp_path / f"seen{suffix}", 0
    monkeypatch.setattr("edge.video.recorder.room_for", lambda path: 10**9)
    video = open_recorder(path, 25.0)
    with largest_file(2_000_000), pytest.raises(GateFailed) as error:
        for written in range(400):
            video.write(noise(written), written / 25)
        video.close()
    assert str(error.value).startswith(f"--record {path}: ")
    assert "File too large" in str(error.value) and "\n" not in str(error.value)
    video.close()
    assert list(tmp_path.iterdir()) == [path]
    with open_source(str(path)) as source:
        count = len(list(source.frames))
    assert written - 2 * 2 * 25 <= count <= written and count > 50


@needs_linux
def test_a_video_is_an_ordinary_mp4_once_it_is_closed(tmp_path):
    """One index at its end with all frames, and no parts."""
    path = tmp_path / "seen.mp4"
    recorded(path, [index / 25 for index in range(120)])
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 120
    data, kinds, at = path.read_bytes(), [], 0
    while at < len(data):
        kinds.append(data[at + 4 : at + 8])
        size = int.from_bytes(data[at : at + 4], "big")
        at += size if size != 1 else int.from_bytes(data[at + 8 : at + 16], "big")
    assert kinds[0] == b"ftyp" and kinds.count(b"moov") == 1 and b"moof" not in kinds
