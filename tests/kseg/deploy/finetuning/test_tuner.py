"""Fine-tuned files: their weights are pruned, clustered or quantized as requested."""

import json
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge.model_file.metadata import info_of
from edge.predict.open import predictor_of
from edge.video import scenes
from kseg.core.configs import ExportConfig, TrainConfig, to_record
from kseg.core.names import FINETUNED_SCHEMES
from kseg.core.runs import BEST, CONFIG, METRICS, read_record
from kseg.data.open import open_data
from kseg.deploy.conversion.tflite import convert as convert_plain
from kseg.deploy.finetuning.fake_quant import (
    PerChannel,
    convert_quantized,
    range_groups,
    shared_ranges,
)
from kseg.deploy.finetuning.pruning import sparsities
from kseg.deploy.finetuning.step import training_step
from kseg.deploy.finetuning.tf_keras_model import rebuild
from kseg.deploy.finetuning.toolkit import LEGACY
from kseg.deploy.finetuning.tuner import RECIPES, FineTuner, check_options
from kseg.deploy.heads import HEADS
from kseg.deploy.parity import value_of_file
from kseg.evaluation import EVALUATORS
from kseg.models import build_model
from kseg.models.keras_engine import KerasEngine
from kseg.models.saving import load_model, save_model
from kseg.training.losses.joint import JointLoss

if not find_spec("tensorflow_model_optimization"):
    pytest.skip("tensorflow-model-optimization is absent", allow_module_level=True)

slow, full = pytest.mark.slow, pytest.mark.full
SIZE = (64, 80)
LABELS = HEADS["semantic"]["labels"]
OPTIONS = ExportConfig("", fine_tune_epochs=1, sparsity=0.5, clusters=6)


def images():
    return [scenes.scene(0, index, SIZE)[0] for index in range(4)]


def interpreter(content: bytes) -> Interpreter:
    """An interpreter without delegates, so the operators are those of the file."""
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(model_content=content, experimental_op_resolver_type=plain)


def kernels(content: bytes, *kinds: str) -> list[np.ndarray]:
    """The kernels of the convolutions, output channels first."""
    model = interpreter(content)
    kinds = kinds or ("CONV_2D", "TRANSPOSE_CONV")
    ops = [x for x in model._get_ops_details() if x["op_name"] in kinds]
    return [model.get_tensor(op["inputs"][1]) for op in ops]


def assert_int8_throughout(content: bytes) -> None:
    """Checks that the file has no float tensor and converts only input and output."""
    model = interpreter(content)
    kinds = {tensor["dtype"] for tensor in model.get_tensor_details()}
    assert np.float32 not in kinds
    scale, zero_point = model.get_input_details()[0]["quantization"]
    # uint8, or x - 128 if the normalization is folded into the first biases.
    expected = (1 / 127.5, 128) if zero_point else (1.0, 0)
    assert (scale, zero_point) == pytest.approx(expected)
    assert model.get_output_details()[0]["dtype"] == np.uint8
    names = Counter(x["op_name"] for x in model._get_ops_details())
    assert names["QUANTIZE"] <= 2 and not names["DEQUANTIZE"]


@pytest.fixture(scope="module")
def tuner(trained) -> FineTuner:
    record = read_record(trained)
    data = open_data(record["data"]["name"])
    model = load_model(trained / BEST)
    return FineTuner(model, data, record, OPTIONS)


def convert(tuner, scheme: str) -> bytes:
    return tuner.convert(scheme, SIZE, "labels", images)


def test_every_name_has_a_recipe():
    assert tuple(RECIPES) == FINETUNED_SCHEMES


def test_keras_3_is_not_affected(tuner):
    import os

    import tf_keras

    assert keras.version().startswith("3.") and tf_keras.__version__.startswith("2.")
    assert LEGACY not in os.environ
    assert type(tuner.networks[()]).__module__.startswith("keras.")


@pytest.mark.slow
def test_pruned_files_have_zeros_and_int8_files_keep_them(tuner):
    for scheme in ("pruned", "pruned-int8"):
        found = kernels(convert(tuner, scheme))
        # Half of all weights; int8 rounds more to zero. The share differs by kernel.
        assert share_of_zeros(found) >= 0.49, scheme
        shares = [(k == 0).mean() for k in found]
        assert min(shares) < 0.4 and max(shares) < 1
    before = kernels_of(tuner.networks[()])
    assert max((k == 0).mean() for k in before) < 0.1


def share_of_zeros(found: list[np.ndarray]) -> float:
    return sum((k == 0).sum() for k in found) / sum(k.size for k in found)


def test_sparsity_is_the_share_of_all_weights():
    draw = np.random.RandomState(0).standard_normal
    found = {"few": draw((3, 3, 3, 8)), "many": draw((3, 3, 64, 64))}
    shares = sparsities(found, 0.7)
    assert shares["few"] < shares["many"] < 1
    pruned = sum(shares[name] * kernel.size for name, kernel in found.items())
    assert pruned / sum(k.size for k in found.values()) == pytest.approx(0.7, abs=1e-3)


def kernels_of(model) -> list[np.ndarray]:
    return [w[0] for w in rebuild(model, SIZE).weights().values()]


@pytest.mark.slow
def test_qat_is_int8_throughout(tuner):
    assert_int8_throughout(convert(tuner, "qat"))


@pytest.mark.slow
def test_qat_is_at_least_as_accurate_as_plain_int8(tuner, trained):
    """The file from before the first epoch is one of the candidates."""
    info = replace(info_of(trained / BEST), head="labels")
    reference = predictor_of(KerasEngine(tuner.networks[()], SIZE, LABELS), info)

    def new():
        return EVALUATORS["semantic"](tuner.data)

    plain, found = (
        value_of_file(content, reference, tuner.data.split("val"), new)
        for content in (
            convert_plain(tuner.networks[()], "int8", SIZE, LABELS, images),
            convert(tuner, "qat"),
        )
    )
    assert found > plain - 0.01


@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param("clustered", marks=slow),
        pytest.param("clustered-int8", marks=full),
        pytest.param("clustered-qat", marks=full),
    ],
)
def test_clustered_files_have_few_values(tuner, scheme):
    content = convert(tuner, scheme)
    if scheme != "clustered":
        assert_int8_throughout(content)
    # In int8 each output channel has its own scale, and so its own values.
    for kernel in kernels(content, "CONV_2D"):
        assert max(len(np.unique(channel)) for channel in kernel) <= OPTIONS.clusters


@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param("pruned-qat", marks=full),
        pytest.param("pruned-clustered-int8", marks=full),
        pytest.param("pruned-clustered-qat", marks=slow),
    ],
)
def test_combinations_keep_zeros_and_clusters(tuner, scheme):
    content = convert(tuner, scheme)
    assert_int8_throughout(content)
    assert share_of_zeros(kernels(content)) >= 0.45
    for kernel in kernels(content, "CONV_2D"):
        if "clustered" in scheme:
            values = max(len(np.unique(channel)) for channel in kernel)
            assert values <= OPTIONS.clusters


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("logits", marks=full),
        pytest.param("probabilities", marks=slow),
    ],
)
def test_other_heads(tuner, head):
    content = tuner.convert("qat", SIZE, head, images)
    assert_int8_throughout(content)


@pytest.mark.parametrize(
    "name, encoder, upsampling",
    [
        pytest.param("unet", "plain", "transposed", marks=slow),
        pytest.param("fcn8s", "mobilenetv2", "transposed", marks=slow),
        pytest.param("unet", "googlenet", "transposed", marks=slow),
        pytest.param("unet", "mobilenetv2", "bilinear", marks=full),
        pytest.param("fcn16s", "plain", "bilinear", marks=full),
        pytest.param("fcn32s", "mobilenetv2", "bilinear", marks=full),
        pytest.param("unet", "resnet50", "bilinear", marks=full),
    ],
)
def test_the_qat_graph_has_no_unfused_operators(name, encoder, upsampling):
    options = {"width": 4} if encoder == "plain" else {}
    options |= {"alpha": 0.35} if encoder == "mobilenetv2" else {}
    model = build_model(name, 3, encoder, upsampling=upsampling, **options)
    source = rebuild(model, SIZE)
    ranges = shared_ranges(source.model, images())
    content = convert_quantized(rebuild(model, SIZE), ranges, SIZE, LABELS)
    assert_int8_throughout(content)


@pytest.mark.slow
def test_the_qat_graph_of_pyramid_pooling_has_no_unfused_operators():
    options = {"width": 4, "context": "pyramid", "deepest": 4}
    model = build_model("unet", 3, "plain", **options)
    ranges = shared_ranges(rebuild(model, SIZE).model, images())
    content = convert_quantized(rebuild(model, SIZE), ranges, SIZE, LABELS)
    assert_int8_throughout(content)


def test_inputs_and_outputs_of_pass_through_layers_share_a_range():
    """U-Net's skip connection, its pooling, its concatenation and the other input."""
    model = build_model("unet", 3, "plain", width=4, upsampling="bilinear")
    source = rebuild(model, SIZE)
    groups = range_groups(source.model.layers)
    (one,) = [x for x in groups if "up4_join" in x]
    assert one == {
        "encoder_down4_2_conv",
        "encoder_down4_pool",
        "up8_2_conv",
        "up4_enlarge",
        "up4_join",
    }
    ranges = shared_ranges(source.model, images())
    assert ranges["encoder_down4_2_conv"] == ranges["up8_2_conv"]
    assert "up4_join" not in ranges and ranges["image_identity"] == (0.0, 255.0)


def test_levels_of_objects_share_a_range_and_tanh_has_a_fixed_one():
    """int8 has steps of 1/128 for the result of a tanh, whatever its range."""
    model = build_model("instances", 3, width=4, strides=(4, 8, 16))
    source = rebuild(model, SIZE)
    (one,) = [x for x in range_groups(source.model.layers) if "boxes_join" in x]
    levels = (4, 8, 16)
    assert one == {"boxes_join", *(f"box{level}" for level in levels)} | {
        f"box{level}_rows" for level in levels
    }
    ranges = shared_ranges(source.model, images()[:1])
    assert ranges["coefficients"] == (-1.0, 127 / 128)
    assert ranges["box4"] == ranges["box8"] == ranges["box16"]
    assert not {"boxes_join", "box4_rows", "scores"} & set(ranges)


class Squares(JointLoss):
    """The sum of the squares of all differences."""

    def __call__(self, target, outputs):
        return sum(tf.reduce_sum((outputs[x] - target[x]) ** 2) for x in target)


def test_a_step_with_a_joint_loss_takes_all_outputs():
    """y = w x with w = 0: (2 - 0)^2 + (1 - 0)^2; the gradient of w is -4 - 2."""
    import tf_keras

    x = tf_keras.Input((1,))
    y = tf_keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(x)
    model = tf_keras.Model(x, {"a": y, "b": y})
    step = training_step(model, Squares(), tf_keras.optimizers.SGD(0.5))
    one = tf.ones((1, 1))
    assert float(step(one, {"a": 2 * one, "b": one})) == 5
    assert model.trainable_variables[0].numpy().item() == 3


def test_each_channel_is_quantized_with_its_own_range():
    """1 and 0.5 with a limit of 1 are 127 and 63.5 steps; the other limit is 1e-3."""
    kernel = np.array([1.0, 0.5, 1e-3, -1e-3], np.float32).reshape(1, 2, 2, 1)
    kernel = kernel.transpose(0, 2, 1, 3)  # (1, 2, C, 1): channel 0 has 1 and 0.5
    found = PerChannel(axis=2)(kernel, training=True, weights=None).numpy()
    np.testing.assert_allclose(found[0, :, 1, 0], [1e-3, -1e-3], rtol=1e-6)
    assert found[0, 0, 0, 0] == pytest.approx(1.0)
    assert abs(found[0, 1, 0, 0] - 0.5) <= 0.5 / 127 + 1e-6


def test_the_command_rejects_an_unsupported_network(trained, tmp_path, data_folder):
    import shutil

    from edge.core.errors import InputError
    from kseg.cli.export import main

    folder = tmp_path / "run"
    folder.mkdir()
    for name in (BEST, CONFIG, METRICS):
        shutil.copy(trained / name, folder / name)
    model = build_model("unet", 5, "plain", width=4, upsampling="unpool")
    config = TrainConfig(data=str(data_folder), upsampling="unpool", width=4)
    record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    record["config"] = {**to_record(config), "size": [64, 64]}
    (folder / CONFIG).write_text(json.dumps(record), encoding="utf-8")
    info = replace(info_of(trained / BEST))
    save_model(model, folder / BEST, info)
    with pytest.raises(InputError, match="MaxUnpool"):
        main([str(folder), "--quantize", "qat"])
    assert not (folder / "qat.tflite").exists()


@pytest.mark.parametrize("options", [{"clusters": 2}, {"sparsity": 1.0}])
def test_values_out_of_range_are_rejected(options):
    from edge.core.errors import InputError

    with pytest.raises(InputError, match=f"--{next(iter(options))}"):
        check_options(ExportConfig("", **options))
