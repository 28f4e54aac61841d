"""Options of `kseg.load` for model files of others."""

import pytest

import kseg
from tests.support.tflite import largest_channel


def test_load_takes_the_options_of_predict(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(largest_channel((8, 8)))
    found = kseg.load(path, classes="red,green,blue", order="BGR")
    assert found.info.class_names == ("red", "green", "blue")
    assert kseg.load(path).engine.image.order == "BGR"
    with pytest.raises(kseg.InputError, match="--layout X: is not NHWC or NCHW"):
        kseg.load(path, layout="X")
    with pytest.raises(TypeError, match="'size' is not an option of load"):
        kseg.load(path, size=3)
