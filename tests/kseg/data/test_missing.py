import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.open import open_data
from tests.kseg.conftest import write_pair

IMAGE = np.full((4, 4, 3), 90, np.uint8)


def error_of(folder) -> str:
    with pytest.raises(InputError) as caught:
        open_data(str(folder))
    assert "no images found in train/images or images" in str(caught.value)
    return str(caught.value)


def test_what_is_expected(tmp_path):
    assert f"expected {tmp_path}/train/images/NAME.jpg with" in error_of(tmp_path)


def test_splits_inside_images(tmp_path):
    write_pair(tmp_path, "a", IMAGE, np.eye(4, dtype=np.uint8))
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir()
        for path in (tmp_path / kind).glob("*.png"):
            path.rename(tmp_path / kind / "train" / path.name)
    assert "move images/train to train/images, and masks/train" in error_of(tmp_path)


@pytest.mark.parametrize("folder", ["Train", "IMAGES"])
def test_capitals(tmp_path, folder):
    write_pair(tmp_path / folder, "a", IMAGE, np.eye(4, dtype=np.uint8))
    assert f"rename {tmp_path / folder} to {folder.lower()}" in error_of(tmp_path)
