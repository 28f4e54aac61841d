"""The window, on a screen of Xvfb that is stored in a file."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app.camera import has_windows
from edge.display.draw import draw_semantic
from edge.display.view import View
from edge.predict.open import open_predictor
from edge.predict.results import SemanticMap

SCRIPT = Path(__file__).resolve().parents[3] / "edge" / "camera_demo.py"
LONG = 300  # seconds, the time limit of tests that may hang

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("Xvfb"), reason="Xvfb is missing: apt-get install xvfb"
    ),
    pytest.mark.skipif(not has_windows(), reason="this OpenCV has no window support"),
]


@contextmanager
def screen(folder: Path):
    """(display name, screen file)."""
    reads, writes = os.pipe()
    command = ["Xvfb", "-displayfd", str(writes), "-screen", "0", "800x700x24"]
    command += ["-fbdir", str(folder), "-nolisten", "tcp"]
    with subprocess.Popen(
        command, pass_fds=[writes], stderr=subprocess.DEVNULL
    ) as process:
        os.close(writes)
        with os.fdopen(reads) as log:
            number = log.readline().strip()
        try:
            yield f":{number}", folder / "Xvfb_screen0"
        finally:
            process.terminate()


def image_of(file: Path) -> np.ndarray:
    """The screen (H, W, 3) BGR. The file is an X window dump (XWDFile.h)."""
    data = file.read_bytes()
    header = np.frombuffer(data[:100], ">u4")
    start, width, height, colors = header[[0, 4, 5, 19]]
    pixels = np.frombuffer(data, np.uint8, offset=start + 12 * colors)
    return pixels[: height * width * 4].reshape(height, width, 4)[..., :3]


def test_the_window_shows_the_view(deeplab, bird, tmp_path):
    frame = cv2.imread(str(bird))
    predictor = open_predictor(deeplab, threads=2)
    labels = predictor.predict(frame, "BGR").labels
    view = View(keys=True)
    expected = draw_semantic(frame, SemanticMap(labels), predictor.info, "", view)
    with screen(tmp_path) as (display, file):
        environment = {**os.environ, "DISPLAY": display}
        command = [sys.executable, str(SCRIPT), str(deeplab), "--source", str(bird)]
        with subprocess.Popen(
            [*command, "--threads", "2"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            deadline = time.monotonic() + LONG
            shown = np.zeros_like(expected)
            # Except for the mouse pointer.
            while (shown != expected).mean() > 0.01 and time.monotonic() < deadline:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.5)
                shown = image_of(file)[: frame.shape[0], : frame.shape[1]]
            process.send_signal(signal.SIGTERM)  # it waits for the next image
            _, log = process.communicate(timeout=LONG)
    assert (shown != expected).mean() <= 0.01
    assert process.returncode == 130
    assert "headless" not in log
    assert "Traceback" not in log
