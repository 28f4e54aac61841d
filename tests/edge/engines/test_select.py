"""Real model files in the real interpreter, complete and damaged."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.core.images import read_image, read_raw
from edge.engines.select import open_engine
from edge.engines.tflite import INTERPRETERS, find_interpreter
from edge.model_file.info import ModelInfo, unknown_model
from edge.model_file.metadata import read_info
from edge.predict.semantic import SemanticPredictor

ROOT = Path(__file__).resolve().parents[3]
BIRD = 3


def iou(truth: np.ndarray, prediction: np.ndarray) -> float:
    return (truth & prediction).sum() / (truth | prediction).sum()


def test_the_attributes_of_an_engine(deeplab):
    engine = open_engine(deeplab, threads=1)
    assert engine.name in INTERPRETERS
    assert (engine.threads, engine.size, engine.channels) == (1, (513, 513), 3)
    assert engine.input.dtype == np.uint8


def test_auto_uses_all_processors(deeplab):
    assert open_engine(deeplab).threads >= 1


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_the_bird_is_segmented(deeplab, bird, bird_mask, order):
    """An interpreter used directly gave 0.815."""
    image, truth = read_image(bird), read_raw(bird_mask) == BIRD
    if order == "BGR":
        image = np.ascontiguousarray(image[..., ::-1])
    labels = (
        SemanticPredictor(open_engine(deeplab), unknown_model())
        .predict(image, order)
        .labels
    )
    assert (labels.shape, labels.dtype) == ((513, 513), np.uint8)
    assert iou(truth, labels == BIRD) >= 0.80


@pytest.mark.parametrize("size", [(300, 400), (700, 513)])
def test_labels_have_the_size_of_the_image(deeplab, size):
    predictor = SemanticPredictor(open_engine(deeplab), unknown_model())
    labels = predictor.predict(np.zeros((*size, 3), np.uint8)).labels
    assert labels.shape == size


def test_labels_do_not_depend_on_the_number_of_threads(deeplab, bird):
    image = read_image(bird)
    one, two = (
        SemanticPredictor(open_engine(deeplab, threads=n), unknown_model())
        .predict(image)
        .labels
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_a_model_with_files_attached_runs_as_before(deeplab, bird, tmp_path):
    copy, image = tmp_path / "described.tflite", read_image(bird)
    shutil.copyfile(deeplab, copy)
    info = ModelInfo(class_names=("a",) * 21, colors=palette(21), resize="stretch")
    info.attach(copy)
    assert read_info(deeplab) is None
    assert read_info(copy) == info
    np.testing.assert_array_equal(
        SemanticPredictor(open_engine(copy), info).predict(image).labels,
        SemanticPredictor(open_engine(deeplab), info).predict(image).labels,
    )


def error_message(path, name: str = "auto") -> str:
    """The message for a model that cannot be opened."""
    with pytest.raises(InputError) as error:
        open_engine(path, name)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_model_that_the_interpreter_rejects(shared):
    path = shared / "models" / "broken_zero_point.tflite"
    assert error_message(path).startswith(f"{path}: ")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_model(deeplab, tmp_path, part):
    """In its own process: an interpreter would crash if it loaded the file."""
    path, data = tmp_path / "half.tflite", deeplab.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    code = (
        "from edge.core.arguments import run\n"
        "from edge.engines.select import open_engine\n"
        f"run('tool', lambda argv: open_engine({str(path)!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"tool: {path}: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["", "TFL3", "I am no model."])
def test_a_text_file_named_tflite(tmp_path, text):
    path = tmp_path / "x.tflite"
    path.write_text(text, encoding="utf-8")
    assert error_message(path).startswith(f"{path}: not a TFLite model")


def test_a_missing_file_and_a_folder(tmp_path):
    path = tmp_path / "gone.tflite"
    assert error_message(path) == f"{path}: no such model file"
    assert error_message(tmp_path) == f"{tmp_path}: no such model file"


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("auto", "ai-edge-litert"),
        ("cpu", "ai-edge-litert"),
        ("litert", "ai-edge-litert"),
        ("tflite-runtime", "tflite-runtime"),
    ],
)
def test_a_missing_interpreter_names_its_package(monkeypatch, name, package):
    for module in INTERPRETERS.values():
        monkeypatch.setitem(sys.modules, module, None)  # makes the import fail
    with pytest.raises(InputError) as error:
        find_interpreter(name)
    message = str(error.value)
    assert message.endswith(f"pip install {package}")
    assert "\n" not in message


def test_a_broken_interpreter_is_not_said_to_be_missing(monkeypatch, tmp_path):
    """As LiteRT on a system with an older C library."""
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    said = "libc.so.6: version `GLIBC_2.99' not found (required by a.so)"
    (package / "interpreter.py").write_text(
        f"raise ImportError({said!r})\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("tflite_runtime", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)  # what is imported is removed
        del sys.modules[name]
    with pytest.raises(InputError, match="needs GLIBC_2.99 of the C library"):
        find_interpreter("tflite-runtime")
    assert find_interpreter("cpu")[0] == "litert"  # the other one works


@pytest.mark.parametrize("name", INTERPRETERS)
def test_an_interpreter_by_name(deeplab, name):
    pytest.importorskip(INTERPRETERS[name].partition(".")[0])
    assert open_engine(deeplab, name).name == name


@pytest.mark.slow
@pytest.mark.parametrize("require", [False, True])
def test_the_camera_reports_the_fallback_engine(deeplab, tmp_path, require):
    """With --require it exits with 3."""
    command = [sys.executable, "edge/camera_demo.py", deeplab, "--source", "shapes"]
    command += ["--headless", "--max-frames", 2, "--delegate", tmp_path / "gone.so"]
    done = subprocess.run(
        [*map(str, command), *(["--require"] if require else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (3 if require else 0), done.stderr
    assert "gone.so: cannot be loaded" in done.stderr
    assert ("using litert on the CPU instead" in done.stderr) is not require
    assert ("engine litert, XNNPACK runs 97% of the operators" in done.stderr) is not (
        require
    )
