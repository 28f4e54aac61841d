import numpy as np
import pytest
from PIL import Image

from kseg.data.formats.cityscapes import CLASSES

# A row of labelIds: road, sidewalk, person, bicycle, two void ids, licence plate.
ROW = [7, 8, 24, 33, 0, 6, 255]
TRAIN = [0, 1, 11, 18, 255, 255, 255]


def frame(folder, save, split, name, row=ROW, label="gtFine", kind="labelIds"):
    city = name.partition("_")[0]
    size = (2, len(row))
    save(folder / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", size=size)
    path = folder / f"{label}/{split}/{city}/{name}_{label}_{kind}.png"
    return save(path, [row, row])


@pytest.fixture
def cityscapes(source, save):
    frame(source, save, "train", "bonn_000000_000019")
    frame(source, save, "val", "ulm_000001_000019", ROW[::-1])
    return source


def test_ids_become_the_19_classes(cityscapes, prepared):
    data = prepared()
    assert data.class_names == tuple(CLASSES)
    assert len(data.class_names) == 19
    assert data.colors[0] == (128, 64, 128)
    train, val = data.split("train"), data.split("val")
    assert train.names == ["bonn_000000_000019_leftImg8bit.png"]
    assert train.read(0)[1].tolist() == [TRAIN, TRAIN]
    assert val.read(0)[1].tolist() == [TRAIN[::-1]] * 2


def test_label_train_ids_are_read_without_label_ids(source, save, prepared):
    for split, name in (("train", "bonn_0_1"), ("val", "ulm_0_1")):
        frame(source, save, split, name, [0, 18, 255], kind="labelTrainIds")
    assert prepared().split("val").read(0)[1].tolist() == [[0, 18, 255]] * 2


@pytest.fixture
def of_cvat(source, save, write):
    """CVAT's "Cityscapes 1.0": classes of its own, in label_colors.txt."""
    write(source / "label_colors.txt", "0 0 0 background\n9 0 0 crack\n0 9 0 rust\n")
    colors = np.array([[[0, 0, 0], [9, 0, 0], [0, 9, 0]]])
    for split, name in (("Train", "a"), ("Val", "b")):
        image = f"imgsFine/leftImg8bit/{split}/{name}_leftImg8bit.png"
        save(source / image, size=(1, 3))
        mask = source / f"gtFine/{split}/{name}_gtFine"
        save(mask.with_name(f"{mask.name}_color.png"), colors)
        save(mask.with_name(f"{mask.name}_labelIds.png"), [[0, 1, 2]])
    return source


@pytest.mark.parametrize("colored", [True, False])
def test_classes_of_cvat_are_those_of_its_task(of_cvat, prepared, colored):
    for mask in () if colored else of_cvat.rglob("*_color.png"):
        mask.unlink()
    data = prepared()
    assert data.class_names == ("background", "crack", "rust")
    assert data.split("val").read(0)[1].tolist() == [[0, 1, 2]]


def test_objects_of_classes_of_its_own(of_cvat, error_message):
    path = of_cvat / "label_colors.txt"
    message = error_message("--task", "instance")
    assert message.startswith(f"{path}: names classes of its own")


def test_coarse_masks_are_read_without_fine_ones(source, save, prepared):
    for split, name in (("train_extra", "bonn_0_1"), ("val", "ulm_0_1")):
        frame(source, save, split, name, label="gtCoarse")
    assert prepared().split("train").read(0)[1].tolist() == [TRAIN, TRAIN]


def test_fine_masks_win(cityscapes, save, prepared):
    row = [8] * len(ROW)
    frame(cityscapes, save, "train", "bonn_000000_000019", row, label="gtCoarse")
    assert prepared().split("train").read(0)[1].tolist() == [TRAIN, TRAIN]


def test_objects_and_regions_of_several(cityscapes, save, prepared_objects):
    for split, name, row in (
        ("train", "bonn_000000_000019", [7, 26000, 26000, 26001, 24, 33, 29000]),
        ("val", "ulm_000001_000019", [7, 11, 8, 8, 8, 8, 8]),
    ):
        path = frame(cityscapes, save, split, name)
        path = path.with_name(path.name.replace("labelIds", "instanceIds"))
        Image.fromarray(np.array([row, row], np.uint16)).save(path)
    found = prepared_objects("--task", "instance")
    assert found["val"] == {"ulm_000001_000019_leftImg8bit.png": []}
    (objects,) = found["train"].values()
    assert [(one.name, one.box, one.crowd) for one in objects] == [
        ("person", (4, 0, 5, 2), True),
        ("bicycle", (5, 0, 6, 2), True),
        ("car", (1, 0, 3, 2), False),
        ("car", (3, 0, 4, 2), False),
    ]


def test_without_objects(cityscapes, error_message):
    assert "no *_instanceIds.png" in error_message("--task", "instance")


def test_an_id_that_is_none(cityscapes, save, error_message):
    path = frame(cityscapes, save, "train", "bonn_000000_000019", [34, 7])
    message = error_message()
    assert message.startswith(f"{path}: id 34 at row 0, column 0")
    assert "Cityscapes' labelIds" in message


def test_images_and_masks_alone(cityscapes, save, counts_of, error_message):
    save(cityscapes / "leftImg8bit/train/bonn/bonn_9_9_leftImg8bit.png")
    path = frame(cityscapes, save, "train", "bonn_000002_000019")
    image = "leftImg8bit/train/bonn/bonn_000002_000019_leftImg8bit.png"
    (cityscapes / image).unlink()
    assert error_message().startswith(f"{path}: its image")
    counts = counts_of("--skip-missing")
    assert (counts["unlabelled"], counts["missing"]) == (1, 1)


def test_a_split_of_void_alone_is_said(cityscapes, save, counts_of, capsys):
    """The test split has no labels to the public."""
    frame(cityscapes, save, "test", "berlin_000000_000019", [1, 2, 3])
    counts = counts_of()
    assert len(counts["masks"]["only_void"]) == 1
    assert (
        "masks without any labelled pixel: 1, the first of" in capsys.readouterr().err
    )
