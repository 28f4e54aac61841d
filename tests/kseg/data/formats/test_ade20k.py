import pytest

from kseg.data.formats.ade20k import NAMES


@pytest.fixture
def ade20k(source, save):
    for part, split in (("training", "train"), ("validation", "val")):
        save(source / f"images/{part}/ADE_{split}_00000001.jpg", size=(2, 3))
        path = source / f"annotations/{part}/ADE_{split}_00000001.png"
        save(path, [[0, 1, 2], [150, 13, 0]])
    return source


def test_zero_is_void_and_the_rest_move_down(ade20k, prepared):
    data = prepared()
    assert len(data.class_names) == 150
    assert data.class_names[:2] == ("wall", "building")
    assert data.class_names[12] == "person" and data.class_names[-1] == "flag"
    for split in ("train", "val"):
        mask = data.split(split).read(0)[1].tolist()
        assert mask == [[255, 0, 1], [149, 12, 255]]


def test_150_different_names():
    assert len(set(NAMES)) == len(NAMES) == 150


def test_an_id_above_150(ade20k, save, error_message):
    path = save(ade20k / "annotations/training/ADE_train_00000001.png", [[151] * 3] * 2)
    assert error_message().startswith(f"{path}: id 151 at row 0, column 0")


def test_the_same_layout_of_other_data_is_not_taken_for_it(source, save, error_message):
    for kind in ("images", "annotations"):
        save(source / kind / "training/street1.png")
    assert "not a known export format" in error_message()


def test_images_without_masks_are_counted(ade20k, save, counts_of):
    save(ade20k / "images/training/ADE_train_00000002.jpg")
    assert counts_of()["unlabelled"] == 1
