"""Training of the networks on each backend of Keras, in separate processes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}

# Fits one batch for a few steps with kseg's loss, metric and optimizer, and prints the
# first and the last loss of each network.
SCRIPT = """
import sys
import keras, numpy as np
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.models.keras_engine import KerasEngine
from kseg.training.losses.segmentation import SegmentationLoss
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.models import MODELS, build_model, geometry, has_encoder
from kseg.training.optimizer import AdamW

assert keras.backend.backend() == sys.argv[1]
if sys.argv[2] == "sample":  # skips, unpooling, valid convolutions
    names = ("unet", "segnet", "unet_paper")
else:
    names = MODELS
cases = [(name, "plain", {"width": 4}) for name in names]
if names is MODELS:
    cases += [("unet", "mobilenetv2", {"alpha": 0.35})]
    cases += [("fcn8s", "alexnet", {"fc_width": 8})]
for name, encoder, options in cases:
    keras.utils.set_random_seed(0)
    model = build_model(name, 3, encoder, **options)
    shape = geometry(model)
    info = ModelInfo(("a", "b", "c"), ((0, 0, 0),) * 3, geometry=shape)
    height, width = info.geometry.smallest_input((48, 64))
    random = np.random.RandomState(0)
    image = random.uniform(0, 255, (2, height, width, 3)).astype("float32")
    edge = shape.valid_border
    inside = image[:, edge : height - edge, edge : width - edge, 0]
    mask = (inside > 128).astype("uint8")
    mask[:, :8] = 255
    rate = 0.5 if has_encoder(name) else 1.0
    optimizer = AdamW(1e-3, encoder_rate=rate)
    model.compile(optimizer, SegmentationLoss(), metrics=[MeanIoU(3)])
    losses = model.fit(image, mask, batch_size=2, epochs=8, verbose=0).history["loss"]
    image = random.randint(0, 256, (50, 70, 3)).astype("uint8")
    labels = SemanticPredictor(KerasEngine(model), info).predict(image).labels
    assert labels.shape == (50, 70)
    print(name, encoder, losses[0], min(losses[4:]))
"""


@pytest.mark.parametrize(
    ("which", "count"),
    [
        pytest.param("sample", 3, marks=pytest.mark.slow),
        pytest.param("all", 11, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("name", PACKAGES)
def test_every_network_learns(name, which, count):
    if importlib.util.find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{name} is not installed: pip install -e '.[{name}]'")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, which],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == count
    for line in lines:
        *_, first, last = line.split()
        assert float(last) < float(first), line
