"""Exported files give the same labels in every program that runs them.

Each program runs in its own environment, installed from its package.
"""

import json
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.core.images import read_image
from edge.engines.select import open_engine
from edge.engines.tflite import TFLite
from edge.model_file.metadata import read_info
from edge.predict.semantic import SemanticPredictor
from edge.video import scenes
from tests.support.environments import python_with, run

ROOT = Path(__file__).resolve().parents[3]
CAMVID = ROOT.parent / "shared" / "data" / "camvid" / "val" / "images"
IMAGES = 8
SCHEMES = ("float32", "int8")
slow, full = pytest.mark.slow, pytest.mark.full
HEADS = [pytest.param("labels", marks=slow), pytest.param("probabilities", marks=full)]

IN_TFLITE_RUNTIME = """
import sys
import numpy as np
from edge.engines.select import open_engine
from pathlib import Path
from edge.model_file.metadata import info_of
from edge.predict.semantic import SemanticPredictor

path, images, output = sys.argv[1:]
predictor = SemanticPredictor(open_engine(path, "tflite-runtime"), info_of(Path(path)))
np.save(output, [predictor.predict(image).labels for image in np.load(images)])
"""
IN_MEDIAPIPE = """
import json, sys
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

path, images, output = sys.argv[1:]
options = vision.ImageSegmenterOptions(
    base_options=BaseOptions(model_asset_path=path), output_category_mask=True
)
with vision.ImageSegmenter.create_from_options(options) as predictor:
    print(json.dumps(predictor.labels))
    masks = []
    for image in np.load(images):
        wrapped = mediapipe.Image(mediapipe.ImageFormat.SRGB, image)
        mask = predictor.segment(wrapped).category_mask.numpy_view()
        masks.append(mask.reshape(image.shape[:2]).copy())  # MediaPipe reuses it
np.save(output, masks)
"""


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory) -> Path:
    """Exports of one run, labels/ and probabilities/, and their input images.npy."""
    from kseg.cli.export import main

    folder = tmp_path_factory.mktemp("runtimes")
    for head in ("labels", "probabilities"):
        shutil.copytree(trained, folder / head)
        arguments = ["--head", head, "--max-drop", "1", "--calibration-images", "8"]
        main([str(folder / head), *arguments])
    size = open_engine(folder / "labels" / "int8.tflite").size
    np.save(folder / "images.npy", [cv2.resize(p, size[::-1]) for p in images()])
    return folder


def images() -> list[np.ndarray]:
    """Images of CamVid if available, else procedural scenes."""
    if CAMVID.is_dir():
        paths = sorted(CAMVID.iterdir())
        return [read_image(path) for path in paths[:: len(paths) // IMAGES]]
    return [scenes.scene(9, index, (120, 160))[0] for index in range(IMAGES)]


def elsewhere(python: Path, code: str, path: Path, folder: Path):
    """Runs code in another Python; returns the labels and the printed text."""
    output = folder / "labels.npy"
    command = [str(python), "-c", code, path, folder / "images.npy", output]
    done = run([str(part) for part in command], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return np.load(output), done.stdout


def labels_by(engine, path: Path, folder: Path) -> np.ndarray:
    predictor = SemanticPredictor(engine, read_info(path))
    return np.stack(
        [predictor.predict(p).labels for p in np.load(folder / "images.npy")]
    )


@pytest.mark.filterwarnings("ignore:[\\s\\S]*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_tensorflow_gives_the_same_labels(folder, scheme, head):
    import tensorflow as tf

    path = folder / head / f"{scheme}.tflite"
    expected = labels_by(open_engine(path, "litert"), path, folder)
    assert len(np.unique(expected)) > 2
    engine = TFLite(path, "tensorflow", tf.lite, threads=2)
    assert (labels_by(engine, path, folder) == expected).mean() >= 0.999


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_tflite_runtime_gives_the_same_labels(folder, tflite_runtime, scheme, head):
    """Compared with TFLite's own kernels: tflite-runtime has no XNNPACK for integers.

    The network is trained for two epochs, so most pixels are near a tie, and XNNPACK
    rounds differently.
    """
    from ai_edge_litert import interpreter as litert

    path = folder / head / f"{scheme}.tflite"
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = partial(litert.Interpreter, experimental_op_resolver_type=plain)
    module = SimpleNamespace(**{**vars(litert), "Interpreter": interpreter})
    engine = TFLite(path, "litert", module, threads=2)
    expected = labels_by(engine, path, folder)
    labels, _ = elsewhere(tflite_runtime, IN_TFLITE_RUNTIME, path, folder)
    assert (labels == expected).mean() >= 0.999


@pytest.mark.parametrize(
    "scheme",
    [pytest.param("int8", marks=slow), pytest.param("float32", marks=full)],
)
def test_mediapipe_gives_the_same_labels_and_class_names(folder, scheme):
    path = folder / "probabilities" / f"{scheme}.tflite"
    expected = labels_by(open_engine(path), path, folder)
    python = python_with("mediapipe", "mediapipe>=1.2,<2\n")
    labels, printed = elsewhere(python, IN_MEDIAPIPE, path, folder)
    assert tuple(json.loads(printed.splitlines()[-1])) == read_info(path).class_names
    assert (labels == expected).mean() >= 0.99
