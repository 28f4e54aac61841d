"""Encoders at output stride 16 compared with the same weights at 32."""

import keras
import numpy as np
import pytest
from keras import ops

from kseg.models import build_model, geometry
from kseg.models.encoders import ENCODERS
from kseg.models.encoders.features import features_of

SLOW = pytest.mark.slow
# The first row that an encoder's last stride reads; None with squeeze-and-excitation.
OFFSETS = [
    ("mobilenetv2", 1),
    pytest.param("resnet50", 0, marks=SLOW),
    pytest.param("mobilenetv3", None, marks=SLOW),
    pytest.param("efficientnetv2b0", None, marks=SLOW),
]
SIZE = (64, 96)


def encoded(name: str, weights: str, stride: int):
    image = keras.Input((None, None, 3), name="image")
    small = {"alpha": 0.35} if name == "mobilenetv2" else {}
    keras.utils.set_random_seed(0)
    network = ENCODERS[name](image, weights=weights, output_stride=stride, **small)
    return network, features_of(network, name)


@pytest.mark.parametrize("name, offset", OFFSETS)
def test_equal_weights_give_equal_features(name, offset, tmp_path):
    """At stride 16, the last ones are those of stride 32 at every second cell."""
    coarse, expected = encoded(name, "none", 32)
    path = tmp_path / "own.weights.h5"
    coarse.save_weights(path)
    dense, found = encoded(name, "none", 16)
    dense.load_weights(path)
    assert sorted(found.taps) == [2, 4, 8, 16] and dense.count_params() == (
        coarse.count_params()
    )
    image = np.random.RandomState(0).uniform(0, 255, (1, *SIZE, 3)).astype("float32")

    def values(network, features):
        outputs = [features.tap(2), features.tap(4), features.tap(8), network.output]
        run = keras.Model(network.inputs[0], outputs)
        return [ops.convert_to_numpy(x) for x in run(image, training=False)]

    *early, last = values(coarse, expected)
    *also, deep = values(dense, found)
    for one, other in zip(early, also, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert deep.shape[1:3] == (4, 6) and last.shape[1:3] == (2, 3)
    if offset is not None:
        scale = np.abs(last).max()
        same = deep[:, offset::2, offset::2]
        np.testing.assert_allclose(same, last, atol=1e-5 * scale)


def test_the_last_stage_is_dilated():
    dense, _ = encoded("mobilenetv2", "none", 16)
    names = [f"block_{n}_depthwise" for n in range(12, 17)]
    layers = [dense.get_layer(name) for name in names]
    rates = [layer.dilation_rate for layer in layers]
    assert rates == [(1, 1), (1, 1), (2, 2), (2, 2), (2, 2)]
    assert [layer.strides for layer in layers] == [(1, 1)] * 5
    assert "block_13_pad" not in {layer.name for layer in dense.layers}


def test_a_network_at_stride_16_pads_to_multiples_of_16():
    options = {"alpha": 0.35, "output_stride": 16}
    model = build_model("unet", 3, "mobilenetv2", **options)
    assert geometry(model).minimum == 16
    assert model.compute_output_shape((1, 40, 72, 3)) == (1, 40, 72, 3)
    names = {layer.name for layer in model.layers}
    assert "up8_1_conv" in names and "up16_1_conv" not in names


@pytest.mark.parametrize("name, stride", [("fcn32s", 16), ("fcn8s", 8)])
def test_fcn_has_no_scores_at_stride_32(name, stride):
    options = {"alpha": 0.35, "fc_width": 8, "output_stride": 16}
    model = build_model(name, 3, "mobilenetv2", **options)
    scores = sorted(x.name for x in model.layers if x.name.startswith("score"))
    expected = {16: ["score16", "score_up"], 8: ["score16", "score8", "score_up"]}
    assert scores == expected[stride]
    assert model.get_layer("score_up").strides == (stride, stride)


def test_strides_are_refused():
    with pytest.raises(ValueError, match="`output_stride` must be one of .*, got 8"):
        encoded("mobilenetv2", "none", 8)
    with pytest.raises(ValueError, match="unet on plain has no option `output_stride`"):
        build_model("unet", 3, width=2, output_stride=16)
