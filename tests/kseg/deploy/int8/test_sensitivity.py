import keras
import numpy as np
import pytest
from keras import layers

from kseg.deploy.int8.sensitivity import (
    FusedOp,
    LayerSensitivity,
    Rounding,
    Sensitivity,
    SensitivityProbe,
    changed,
    draw,
    errors_of,
    find_fused_ops,
    rounded_weights,
    sensitivity,
    table,
    worst_first,
)
from kseg.models import build_model
from kseg.models.analysis.graph import trace

SIZE = (32, 48)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_model("unet", 3, width=4)


def images(count=2):
    random = np.random.RandomState(0)
    return [random.randint(0, 256, (*SIZE, 3), np.uint8) for _ in range(count)]


def scale_channels(network, norm, conv):
    """Scales a layer's channels over four orders of magnitude, and back in the next.

    The ReLU between them keeps the scales, so the float network is unchanged.
    """
    by_name = {layer.name: layer for layer in network.layers}
    norm, conv = by_name[norm], by_name[conv]
    spread = np.logspace(-2, 2, norm.gamma.shape[0], dtype=np.float32)
    norm.gamma.assign(norm.gamma * spread)
    norm.beta.assign(norm.beta * spread)
    conv.kernel.assign(conv.kernel / spread[None, None, :, None])


def test_layers_that_are_fused_are_one_operator(network):
    ops = {op.name: op.layers for op in find_fused_ops(trace(network, SIZE))}
    assert ops["encoder_down1_1_conv"] == (
        "encoder_down1_1_conv",
        "encoder_down1_1_bn",
        "encoder_down1_1_relu",
    )
    assert ops["score"] == ("score",) and ops["rescale"] == ("rescale",)
    assert not {"pad", "encoder_down1_pool", "logits"} & set(ops)


def test_batch_norm_of_a_sum_is_not_folded_into_one_of_its_parts():
    """The convolution has two readers, so its output remains a tensor."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    y = layers.Add(name="add")([layers.BatchNormalization(name="bn")(x), x])
    ops = find_fused_ops(trace(keras.Model(image, layers.ReLU(name="relu")(y)), (8, 8)))
    assert [op.layers for op in ops] == [("conv",), ("bn",), ("add", "relu")]


def test_outputs_are_rounded_to_256_levels():
    layer = Rounding()
    x = np.float32([-1.0, 0.0, 0.3, 1.0, 7.0])
    np.testing.assert_array_equal(np.asarray(layer(x)), x)
    layer.low.assign(0.0)
    layer.high.assign(2.55)  # steps of 0.01
    layer.on.assign(1.0)
    expected = [0.0, 0.0, 0.3, 1.0, 2.55]
    np.testing.assert_allclose(np.asarray(layer(x)), expected, atol=1e-6)


def test_weights_are_rounded_by_output_channel():
    random = np.random.RandomState(0)
    kernel = random.normal(size=(3, 3, 5, 4)) * [1.0, 10.0, 100.0, 0.01]
    rounded = rounded_weights(kernel, (-1,))
    steps = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    levels = rounded / steps
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-6)
    assert (np.abs(rounded - kernel) <= steps / 2 + 1e-12).all()
    # Transposed: (kh, kw, out, in). Depthwise: the last two axes.
    swapped = rounded_weights(kernel.transpose(0, 1, 3, 2), (2,))
    np.testing.assert_allclose(swapped.transpose(0, 1, 3, 2), rounded)
    depthwise = rounded_weights(kernel, (2, 3))
    assert (depthwise - kernel).std() < (rounded - kernel).std()


def test_error_by_hand():
    exact = [[np.float32([[[1.0, -1.0]]])]]  # one image, one output: deviation 1
    found = [[np.float32([[[1.5, -1.0]]])]]
    assert errors_of(found, exact) == [pytest.approx(0.5**0.5 / 2)]
    assert errors_of([], exact) == [0]


def test_errors_are_summed_by_output():
    layers_found = [
        LayerSensitivity(FusedOp((n,)), a, 0, 0, 0, {"boxes": a, "scores": b})
        for n, a, b in (("first", 0.25, 0.5), ("second", 0.125, 0.0625))
    ]
    measured = Sensitivity(layers_found)
    assert measured.outputs == {"scores": 0.5625, "boxes": 0.375}
    assert measured.record()["outputs"] == measured.outputs
    last = measured.table().splitlines()[-1]
    assert last.endswith("scores 56%, boxes 38%; worst is scores")


def test_labels_of_several_outputs_are_those_of_the_scores():
    """The largest box coordinate changes in both cells, the class in one."""
    boxes, scores = np.float32([[1, 2], [1, 2]]), np.float32([[1, 0], [1, 0]])
    exact = [[boxes, scores]]
    found = [[boxes[:, ::-1], np.float32([[1, 0], [0, 1]])]]
    assert changed(found, exact, ["boxes", "scores"]) == 0.5
    assert changed(found, exact, ["boxes", "others"]) == 1
    assert changed([], exact, ["boxes", "scores"]) == 0


def test_the_probe_without_rounding_equals_the_network(network):
    probe = SensitivityProbe(network, SIZE)
    image = images(1)[0]
    expected = np.asarray(network(image[None].astype(np.float32), training=False))[0]
    np.testing.assert_allclose(probe.scores(image)[0], expected, atol=1e-5)
    weights = [np.array(w) for w in network.weights]
    probe.calibrate([image])
    for op in probe.ops[:6]:
        probe.with_weights_rounded(op, [image])
        probe.with_output_rounded(op, [image])
    np.testing.assert_allclose(probe.scores(image)[0], expected, atol=1e-5)
    for before, after in zip(weights, network.weights, strict=True):
        np.testing.assert_array_equal(before, np.asarray(after))


@pytest.mark.slow
def test_the_layers_that_quantize_badly_have_the_largest_error(tmp_path):
    keras.utils.set_random_seed(0)
    network = build_model("unet", 3, width=16)
    before = sensitivity(network, SIZE, images()).layers
    scale_channels(network, "encoder_down2_1_bn", "encoder_down2_2_conv")
    measured = sensitivity(network, SIZE, images())
    layers_found = measured.layers
    assert [f.op for f in layers_found] == [f.op for f in before]
    first, second = worst_first(layers_found)[:2]
    expected = {"encoder_down2_1_conv", "encoder_down2_2_conv"}
    assert {first.op.name, second.op.name} == expected
    by_name = {finding.op.name: finding for finding in layers_found}
    spread, reader = (by_name[f"encoder_down2_{turn}_conv"] for turn in (1, 2))
    # Small channels of the first's output are lost, and small weights of the second.
    assert spread.output > 10 * spread.weights and spread.lost > 0.3
    assert reader.weights > 10 * reader.output and reader.lost < 0.1
    worst_before = worst_first(before)[0].error
    assert second.error > 5 * worst_before
    text = table(layers_found, most=3)
    assert text.splitlines()[2].startswith(first.op.name)
    assert len(text.splitlines()) == 5
    assert measured.table() == table(layers_found)  # there is one output
    assert list(measured.record()) == ["layers"]
    draw(tmp_path / "explain.png", layers_found)
    assert (tmp_path / "explain.png").stat().st_size > 10_000
