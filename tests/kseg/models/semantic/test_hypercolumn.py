"""Hypercolumns: each pixel's column contains every depth."""

import pytest

from kseg.models import build_model
from kseg.models.semantic.hypercolumn import WIDTH


@pytest.mark.parametrize(
    "encoder, strides, options",
    (
        ("plain", (1, 2, 4, 8, 16), {"width": 4}),
        ("mobilenetv2", (2, 4, 8, 16, 32), {"alpha": 0.35}),
        ("alexnet", (4, 8, 16, 32), {}),
    ),
)
def test_column_has_every_depth(encoder, strides, options):
    model = build_model("hypercolumn", 3, encoder, **options)
    column = model.get_layer("column")
    assert column.output.shape[-1] == WIDTH * len(strides)
    finest = strides[0]
    for stride in strides[1:]:
        assert model.get_layer(f"up{stride}").factor == stride // finest
    for name in ("classify_conv", "score"):
        assert model.get_layer(name).kernel_size == (1, 1)
