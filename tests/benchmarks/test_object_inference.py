"""Networks of objects in PyTorch, compared with Keras."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from benchmarks.object_inference import (
    MODULES,
    PUBLISHED,
    ObjectInferenceConfig,
    compare,
    comparison_table,
    main,
    summary,
)
from benchmarks.torchvision_child import NETWORKS
from edge.core.errors import InputError
from kseg.models import build_model

# Two rounds: (wall-clock, processor) milliseconds.
ROUNDS = [
    {"keras": (200.0, 390.0), "constants": (100.0, 195.0), "pytorch": (150.0, 300.0)},
    {"keras": (100.0, 190.0), "constants": (50.0, 95.0), "pytorch": (100.0, 200.0)},
]


def test_ratios_are_computed_within_a_round():
    figures = summary(ROUNDS)
    assert figures["millis"] == {"keras": 150, "constants": 75, "pytorch": 125}
    assert figures["processor_millis"]["keras"] == 290
    # 150 / 200 and 100 / 100; 150 / 100 and 100 / 50.
    assert figures["speed_of_pytorch"] == {"keras": 0.875, "constants": 1.75}


def test_without_pytorch_there_are_no_ratios():
    rounds = [{"keras": x["keras"]} for x in ROUNDS]
    figures = {"model": "detr", "parameters": 1, "size": (64, 64), "threads": 2}
    text = comparison_table(figures | summary(rounds))
    assert "PyTorch, channels" not in text and "150.0" in text


def test_every_network_can_be_made_in_pytorch():
    assert set(MODULES) | set(NETWORKS) == set(PUBLISHED)


@pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is not None, reason="torchvision is here"
)
def test_a_python_without_torchvision_is_refused():
    config = ObjectInferenceConfig(model="faster_rcnn")
    with pytest.raises(InputError, match="torchvision") as error:
        compare(config)
    assert len(str(error.value).splitlines()) == 1


def test_detr_equals_the_modules_of_pytorch():
    """Its attention is torch.nn.MultiheadAttention with the same weights."""
    torch = pytest.importorskip("torch", reason="pip install -e '.[torch]'")
    from benchmarks.torch_detr import torch_detr

    keras.utils.set_random_seed(0)
    small = {"layers": 2, "queries": 7, "attention_width": 64, "strides": (8,)}
    model = build_model("detr", 3, width=4, **small)
    for layer in model.layers:  # their first values are all 0 or 1
        if isinstance(layer, keras.layers.LayerNormalization | keras.layers.Dense):
            *first, last = layer.get_weights()
            last = np.random.RandomState(len(last)).normal(0, 0.1, last.shape)
            layer.set_weights([*first, last])
    random = np.random.RandomState(0)
    image = random.uniform(0, 255, (2, 48, 64, 3)).astype("float32")
    with torch.inference_mode():
        found = torch_detr(model)(torch.from_numpy(image.transpose(0, 3, 1, 2)))
    for role, expected in model(image, training=False).items():
        np.testing.assert_allclose(found[role].numpy(), expected, atol=1e-5)
    assert np.ptp(found["boxes"].numpy()[0], axis=0).max() > 1e-3


@pytest.mark.slow
def test_the_command(tmp_path, monkeypatch, capsys):
    target = tmp_path / "found.json"
    small = {"num_classes": 3, "width": 4, "layers": 1, "strides": (8,)}
    monkeypatch.setitem(PUBLISHED, "detr", small)
    options = ["--size", "32x32", "--images", "1", "--rounds", "1"]
    main([*options, "--json", str(target)])
    figures = json.loads(target.read_text(encoding="utf-8"))
    assert {"keras", "constants"} <= set(figures["millis"])
    assert "weights as constants" in capsys.readouterr().out
