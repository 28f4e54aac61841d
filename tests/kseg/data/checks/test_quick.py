import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.checks.quick import check_before_training, require_labels
from kseg.data.open import open_data
from tests.kseg.data.test_folder import CLASSES, QUARTERS, SIZE, declare, save_pair
from tests.support.object_folders import write_file

VOID = np.full(SIZE, 255, np.uint8)


@pytest.mark.parametrize("unlabelled", ["train", "val"])
def test_a_split_of_void_alone_is_refused(tmp_path, unlabelled):
    """A mean IoU of it would be 0 in every epoch, with status 0."""
    declare(tmp_path, CLASSES)
    for split in ("train", "val"):
        save_pair(tmp_path / split, "a", VOID if split == unlabelled else QUARTERS)
        save_pair(tmp_path / split, "b", VOID)
    data = open_data(str(tmp_path))
    with pytest.raises(InputError, match=f"in the 2 images of {unlabelled}: they are"):
        check_before_training(data, report=False)


def test_one_label_is_enough(tmp_path):
    declare(tmp_path, CLASSES)
    for split in ("train", "val"):
        save_pair(tmp_path / split, "a", VOID)
        save_pair(tmp_path / split, "b", QUARTERS)
    check_before_training(open_data(str(tmp_path)), report=False)


def test_objects_are_labels(tmp_path):
    data = open_data(str(write_file(tmp_path, {"train": 2, "val": 1})))
    require_labels(data, "train")


def test_the_command_that_is_printed_can_be_pasted(tmp_path, caplog):
    folder = tmp_path / "my photos"
    declare(folder, CLASSES)
    for split in ("train", "val"):
        save_pair(folder / split, "a", QUARTERS)
    check_before_training(open_data(str(folder)))
    assert f"(kseg doctor '{folder}' checks everything)" in caplog.text
