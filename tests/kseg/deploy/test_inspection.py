"""What `kseg check` shows of a model file, and the picture that it writes."""

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.images import read_image, write_image
from edge.model_file.reading import Reading
from kseg.deploy.inspection import inspect, picture_path, write_picture
from tests.support.tflite import largest_channel

RED = np.zeros((128, 128, 3), np.uint8) + np.uint8([200, 0, 50])


@pytest.fixture
def net(tmp_path):
    """Labels: the largest channel."""
    path = tmp_path / "net.tflite"
    path.write_bytes(largest_channel((8, 8)))
    return path


def test_tensors_with_their_numbers_and_the_labelled_picture(net, tmp_path):
    write_image(tmp_path / "red.png", RED)
    given = Reading(classes=("red", "green", "blue"), colors=((9, 9, 9),) * 3)
    found = inspect(net, given, str(tmp_path / "red.png"))
    image, labels = found.tensors
    assert (image.kind, image.dtype, image.shape) == ("input", "uint8", (1, 8, 8, 3))
    assert (image.low, image.high, image.quantization) == (0, 200, "")
    assert (labels.kind, labels.dtype, labels.low, labels.high) == (
        *("output", "int32"),
        *(0, 0),
    )
    assert found.found == {"shares": {"red": 1.0}}
    target = write_picture(found, net)
    assert target == picture_path(net) == tmp_path / "net.tflite.png"
    # Half of the image and half of the class's colour; the legend is above.
    assert abs(read_image(target)[120, 120].astype(int) - (104, 4, 29)).max() <= 2


def test_without_an_image_it_is_a_generated_scene(net):
    assert inspect(net).picture.shape == (480, 640, 3)


def test_a_given_folder_must_be_writable_and_the_files_own_need_not(net, tmp_path):
    found = inspect(net)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot be created .*it is a file"):
        write_picture(found, net, str(tmp_path / "file"))
    picture_path(net).mkdir()
    assert write_picture(found, net) is None
