from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.core.configs import EvaluateConfig, ExportConfig, PredictConfig, TrainConfig
from kseg.core.values import config_of


def test_values_become_those_of_the_command_line():
    config = config_of(
        TrainConfig,
        {"data": Path("my/photos"), "size": (360, 480), "learning_rate": 1e-3},
    )
    assert config == TrainConfig(
        data=str(Path("my/photos")), size=(360, 480), learning_rate=0.001
    )
    assert config_of(TrainConfig, {"size": "360x480", "flip": False}) == TrainConfig(
        size=(360, 480), flip=False
    )


def test_lists():
    config = config_of(ExportConfig, {"run": "RUN", "quantize": ["int8", "float16"]})
    assert config.quantize == ("int8", "float16")
    one = config_of(ExportConfig, {"run": "RUN", "quantize": "int8"})
    assert one.quantize == ("int8",)
    images = config_of(PredictConfig, {"model": "RUN", "images": [Path("a.jpg"), "b"]})
    assert images.images == ("a.jpg", "b")
    scales = config_of(EvaluateConfig, {"model": "RUN", "scales": (0.75, 1)})
    assert scales.scales == (0.75, 1.0)


def test_none_is_the_default():
    assert config_of(TrainConfig, {"epochs": None, "size": None}) == TrainConfig()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("epochs", 0, "^epochs: '0' "),
        ("epochs", 1.5, "^epochs: '1.5' "),
        ("epochs", True, "^epochs: 'True' "),
        ("learning_rate", float("nan"), "^learning_rate: 'nan' "),
        ("cutout", 1.5, "^cutout: '1.5' "),
        ("size", (0, 5), "^size: '0x5' .* such as 360x480"),
        ("size", (5,), "^size: '5' "),
        ("encoder", "resnet", "^encoder: 'resnet' is not one of .*resnet50"),
        ("flip", "yes", "^flip: 'yes' is not true or false"),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(name, value, reason):
    with pytest.raises(InputError, match=reason) as caught:
        config_of(TrainConfig, {name: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_a_type_error_with_the_one_meant():
    with pytest.raises(TypeError, match="'epoch' is not .* did you mean epochs"):
        config_of(TrainConfig, {"epoch": 3})


def test_a_number_is_no_list_of_files():
    with pytest.raises(InputError, match="^check: '5' is not text"):
        config_of(ExportConfig, {"run": "RUN", "check": 5})
    files = config_of(ExportConfig, {"run": "RUN", "check": Path("a.tflite")}).check
    assert files == ("a.tflite",)
