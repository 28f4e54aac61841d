"""Pyramid pooling and output stride 16 in exported files."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge.engines.select import open_engine
from kseg.deploy.conversion.tflite import convert
from kseg.deploy.heads import HEADS
from kseg.deploy.lint.devices import GPU
from kseg.models import build_model
from kseg.models.keras_engine import KerasEngine
from tests.kseg.deploy.conversion.test_tflite import assert_builtin_and_static
from tests.support.engines import only

SIZE = (160, 224)  # 10x14 cells at stride 16, which 4 does not divide
SLOW = pytest.mark.slow
DENSE = {"output_stride": 16}


def operators(path) -> set[str]:
    found = {each["op_name"] for each in Interpreter(str(path))._get_ops_details()}
    return found - {"DELEGATE"}


@pytest.mark.parametrize(
    "encoder, options",
    [
        ("plain", {"width": 4, "deepest": 4}),
        pytest.param("mobilenetv2", {"alpha": 0.35, **DENSE}, marks=SLOW),
        pytest.param("resnet50", DENSE, marks=pytest.mark.full),
        pytest.param("mobilenetv3", DENSE, marks=pytest.mark.full),
        pytest.param("efficientnetv2b0", DENSE, marks=pytest.mark.full),
    ],
)
def test_files_equal_keras(encoder, options, tmp_path):
    model = build_model("unet", 3, encoder, **options, context="pyramid")
    head = HEADS["semantic"]["logits"]
    random = np.random.RandomState(0)
    images = [random.randint(0, 256, (*SIZE, 3), np.uint8) for _ in range(3)]
    expected = only(KerasEngine(model), images[0])
    for scheme, near in (("float32", 1e-3), ("int8", 0.3)):
        path = tmp_path / f"{scheme}.tflite"
        path.write_bytes(convert(model, scheme, SIZE, head, lambda: images))
        assert_builtin_and_static(path)
        assert operators(path) <= GPU
        found = only(open_engine(str(path)), images[0])
        scale = np.abs(expected).max()
        assert np.abs(found - expected).mean() < near * scale
