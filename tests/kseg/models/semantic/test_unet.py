"""`unet` and `unet_paper`."""

import numpy as np
import pytest
from keras import ops

from kseg.models import build_model, geometry


def test_unet_paper_is_the_network_of_the_paper():
    model = build_model("unet_paper", 2, channels=1)
    assert model.count_params() == 31_030_658
    assert model.compute_output_shape((1, 572, 572, 1)) == (1, 388, 388, 2)
    crops = [model.get_layer(f"up{stage}_crop").cropping[0][0] for stage in range(4)]
    assert crops == [88, 40, 16, 4]  # 568 -> 392, 280 -> 200, 136 -> 104, 64 -> 56
    shape = geometry(model)
    assert (shape.min_input, shape.input_step, shape.valid_border) == (188, 16, 92)


@pytest.mark.parametrize("upsampling", ("transposed", "nearest"))
def test_tiles_of_unet_paper_agree(upsampling):
    """With valid convolutions, the output does not depend on the tile."""
    model = build_model("unet_paper", 3, width=2, upsampling=upsampling)
    image = np.random.RandomState(0).uniform(0, 255, (1, 236, 252, 3))
    image = image.astype("float32")
    whole = ops.convert_to_numpy(model(image, training=False))
    part = ops.convert_to_numpy(model(image[:, 16:220, 32:252], training=False))
    np.testing.assert_allclose(whole[:, 16:36, 32:68], part, atol=1e-5)


def test_width_doubles_with_each_stage():
    model = build_model("unet", 3, width=4)
    stages = (1, 2, 4, 8, 16)
    down = [model.get_layer(f"encoder_down{s}_1_conv").filters for s in stages]
    up = [model.get_layer(f"up{s}_1_conv").filters for s in stages[:-1]]
    assert down == [4, 8, 16, 32, 64]
    assert up == [4, 8, 16, 32]


def test_decoder_of_a_classification_encoder_is_narrow():
    model = build_model("unet", 3, "mobilenetv2", alpha=0.35)
    assert model.get_layer("neck_conv").filters == 96
    assert [model.get_layer(f"up{s}_1_conv").filters for s in (16, 8, 4, 2)] == [
        96,
        96,
        64,
        32,
    ]


@pytest.mark.parametrize(
    "upsampling, kind",
    (
        ("nearest", "Enlarge"),
        ("bilinear", "Enlarge"),
        ("transposed", "Conv2DTranspose"),
        ("resize-conv", "Conv2D"),
        ("unpool", "MaxUnpool"),
    ),
)
def test_upsampling_is_used_in_all_stages(upsampling, kind):
    model = build_model("unet", 3, width=4, upsampling=upsampling)
    for stride in (1, 2, 4, 8):
        layer = model.get_layer(f"up{stride}_enlarge")
        assert type(layer).__name__ == kind
        if kind == "Enlarge":
            assert layer.interpolation == upsampling
