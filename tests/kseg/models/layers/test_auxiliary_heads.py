"""The heads that only training has."""

import keras
import numpy as np
import pytest

from kseg.models import build_model

HEADS = ("auxiliary", "boundary")


def built(name="unet", encoder="plain", **options):
    keras.utils.set_random_seed(0)
    return build_model(name, 3, encoder, **options)


def test_the_outputs_of_unet_are_at_their_strides():
    model = built("unet", "mobilenetv2", alpha=0.35, heads=HEADS)
    shapes = model.compute_output_shape((2, 64, 96, 3))
    assert shapes == {
        "logits": (2, 64, 96, 3),
        "auxiliary8": (2, 8, 12, 3),
        "auxiliary16": (2, 4, 6, 3),
        "boundary": (2, 8, 12, 1),
    }
    plain = built("unet", "mobilenetv2", alpha=0.35)
    auxiliary = 2 * (9 * 96 * 64 + 4 * 64 + 64 * 3 + 3)
    boundary = 9 * 48 * 32 + 4 * 32 + 32 + 1
    assert model.count_params() == plain.count_params() + auxiliary + boundary


@pytest.mark.parametrize("name", ("unet", "fcn16s"))
def test_the_network_is_the_same_without_its_heads(name):
    """At the same seed also its weights: the heads are made last."""
    model, plain = built(name, width=2, heads=HEADS), built(name, width=2)
    own = keras.Model(model.input, model.output["logits"])
    assert [x.name for x in own.layers] == [x.name for x in plain.layers]
    for one, other in zip(own.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_heads_of_fcn_read_the_encoder():
    model = built("fcn32s", width=2, fc_width=4, heads=("boundary",))
    assert set(model.output) == {"logits", "boundary"}
    assert model.get_layer("boundary_conv").input.name.startswith("keras_tensor")
    assert model.get_layer("boundary_conv").input.shape[-1] == 2 * 4


def test_heads_are_refused():
    with pytest.raises(ValueError, match="`heads` must be some of .*, got 'other'"):
        built("unet", width=2, heads=("other",))
    with pytest.raises(ValueError, match="dense has no option `heads`"):
        built("dense", width=2, heads=HEADS)
