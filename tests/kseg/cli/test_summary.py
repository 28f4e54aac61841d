import json

import keras
import pytest
from keras import layers

from edge.core.errors import InputError
from kseg.cli.summary import main, report
from kseg.core.names import MODEL_NAMES
from kseg.models import MODELS, build_model
from kseg.models.analysis.graph import trace
from kseg.models.analysis.summary import input_size, message_of, summary_of


def figures(capsys, *argv):
    """What the command writes as JSON."""
    main([*argv, "--json", "-"])
    return json.loads(capsys.readouterr().out)


def refusal(*argv):
    with pytest.raises(InputError) as caught:
        main(list(argv))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- one model ---


def test_fcn8s_on_vgg16_has_the_published_figures(capsys):
    found = figures(capsys, "fcn8s", "--encoder", "vgg16", "--fc-width", "8")
    assert found["parts"]["encoder"] == {
        "parameters": 14_714_688,
        "multiply_adds": 15_346_630_656,
    }
    assert found["deepest"]["receptive_field"] == [404, 404]
    assert found["deepest"]["stride"] == [32, 32]
    assert [
        (tap["layer"], tap["stride"][0], tap["size"], tap["receptive_field"][0])
        for tap in found["taps"]
    ] == [
        ("encoder_block3_pool", 8, [28, 28], 44),
        ("encoder_block4_pool", 16, [14, 14], 100),
        ("encoder_block5_pool", 32, [7, 7], 212),
    ]


def test_parts_add_up_and_the_most_expensive_come_first(capsys):
    found = figures(capsys, "unet", "--width", "4", "--size", "64x48")
    assert found["input"] == [64, 48, 3] and found["output"] == [64, 48, 21]
    for kind in ("parameters", "multiply_adds"):
        assert sum(part[kind] for part in found["parts"].values()) == found[kind]
    costs = [layer["multiply_adds"] for layer in found["expensive"]]
    assert costs == sorted(costs, reverse=True) and len(costs) == 5
    assert found["trainable"] < found["parameters"]  # batch norm's running statistics
    assert found["inference_bytes"] < found["training_bytes"]
    assert found["not_counted"] == []


def test_the_dense_baseline_worked_by_hand(capsys):
    """Eight 3x3 convolutions of 16 channels, 1x1 scores; 17 pixels, stride 1."""
    found = figures(capsys, "dense", "--width", "4", "--size", "10x10")
    per_pixel = 9 * (3 * 16 + 7 * 16 * 16) + 16 * 21
    assert found["multiply_adds"] == 100 * per_pixel
    assert found["parameters"] == per_pixel + 8 * 4 * 16 + 21  # batch norms, biases
    assert found["deepest"]["receptive_field"] == [17, 17]
    assert found["taps"] == []
    # The image, two tensors each of rescaling and padding, conv, norm and ReLU
    # eight times, then scores and the cropped scores.
    assert found["training_bytes"] == 4 * 100 * (3 * 3 + 8 * 3 * 16 + 2 * 21)


def test_options_reach_the_network(capsys):
    found = figures(
        capsys,
        *("unet", "--encoder", "mobilenetv2", "--alpha", "0.35", "--channels", "1"),
        *("--num-classes", "2", "--size", "64x64", "--upsampling", "nearest"),
    )
    assert found["input"] == [64, 64, 1] and found["output"] == [64, 64, 2]
    assert found["parts"]["encoder"]["parameters"] == 410_208  # MobileNetV2 0.35


def test_squeeze_and_excite_sees_the_whole_image(capsys):
    main(["unet", "--encoder", "mobilenetv3", "--size", "64x64"])
    text = capsys.readouterr().out
    assert "whole (" in text
    assert "7x7" in next(line for line in text.splitlines() if "re_lu_2" in line)


def test_report_names_what_it_could_not_count():
    image = keras.Input((16, 16, 3))
    x = layers.EinsumDense("bhwc,cd->bhwd", (16, 16, 4), name="mix")(image)
    model = keras.Model(image, x)
    text = report(summary_of(model, trace(model, (16, 16))))
    assert "not in the multiply-adds: mix" in text


# --- sizes ---


def test_valid_convolutions_get_the_nearest_size_unless_one_is_asked():
    model = build_model("unet_paper", 2, width=1)
    assert input_size(model, None, (224, 300)) == (220, 300)
    assert input_size(model, (572, 572), (224, 224)) == (572, 572)
    with pytest.raises(ValueError, match="the nearest size is 220x220"):
        input_size(model, (224, 224), (224, 224))


def test_a_network_of_one_size_has_that_one():
    image = keras.Input((16, 20, 3))
    model = keras.Model(image, layers.Conv2D(2, 3)(image))
    assert input_size(model, None, (224, 224)) == (16, 20)
    with pytest.raises(ValueError, match="only input size is 16x20"):
        input_size(model, (20, 16), (224, 224))


# --- files ---


def test_a_run_is_seen_at_its_own_size(trained, capsys):
    found = figures(capsys, str(trained))
    assert found["input"] == [64, 80, 3]
    assert found == figures(capsys, str(trained / "model.keras"))
    assert figures(capsys, str(trained), "--size", "32x32")["input"] == [32, 32, 3]


def test_another_keras_file(tmp_path, capsys):
    stack = [layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(name="pooled")]
    model = keras.Sequential([keras.Input((16, 16, 3)), *stack])
    model.save(tmp_path / "classifier.keras")
    main([str(tmp_path / "classifier.keras")])
    text = capsys.readouterr().out
    assert "16x16x3 -> 4" in text and "whole at pooled" in text


def test_what_is_no_network_is_one_line(tmp_path):
    message = refusal("nosuch")
    assert all(name in message for name in MODEL_NAMES)
    (tmp_path / "int8.tflite").touch()
    assert "no Keras graph" in refusal(str(tmp_path / "int8.tflite"))
    (tmp_path / "empty").mkdir()
    assert "model.keras" in refusal(str(tmp_path / "empty"))
    image = keras.Input((7,))
    keras.Model(image, layers.Dense(2)(image)).save(tmp_path / "vector.keras")
    assert "one image" in refusal(str(tmp_path / "vector.keras"))


def test_what_does_not_go_together_is_one_line():
    assert "188 + k * 16" in refusal("unet_paper", "--size", "100x100")
    assert "does not use an encoder" in refusal("dense", "--encoder", "vgg16")
    assert "num_classes" in refusal("unet", "--num-classes", "1")


def test_reason_is_one_line_without_keras_wrapping():
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError) as caught:
        layers.Conv2D(2, 9)(image)
    assert "\n" not in message_of(caught.value) and "\x1b" not in message_of(
        caught.value
    )
    wrapped = (
        "Exception encountered when calling A.call().\n\n\x1b[1mToo small\x1b[0m\n"
    )
    assert message_of(ValueError(wrapped)) == "Too small"


# --- all of them ---


@pytest.mark.slow
def test_the_table_has_a_row_for_each_architecture(capsys):
    main(["--width", "2", "--upsampling", "bilinear", "--size", "64x64"])
    text = capsys.readouterr().out
    lines = {line.split()[0].rstrip(":"): line for line in text.splitlines()}
    assert set(MODELS) <= set(lines)
    assert "64x64x3" in lines["unet"]
    assert "pixels outside the tile" in lines["unet_paper"]  # the error
    assert "has no option `upsampling`" in lines["dense"]
    assert "62 + k * 8; the nearest size is 62x62" in lines["patch"]


@pytest.mark.slow
def test_a_table_of_refusals_alone(capsys):
    main(["--alpha", "0.5"])  # an option of encoders that the plain one does not have
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(MODELS)
    assert all("has no option `alpha`" in line for line in lines)


@pytest.mark.slow
def test_the_table_as_json(capsys):
    found = figures(capsys, "--width", "2", "--channels", "1")
    assert found["encoder"] == "plain" and list(found["models"]) == list(MODELS)
    assert not any("refused" in model for model in found["models"].values())
    assert found["models"]["unet_paper"]["input"] == [220, 220, 1]
    assert found["models"]["patch"]["deepest"]["receptive_field"] == [46, 46]


def test_options_of_a_network_do_not_go_with_a_trained_one(trained):
    with pytest.raises(InputError, match="^--encoder: has no effect on .* leave it"):
        main([str(trained), "--encoder", "vgg16"])
