import shutil

import numpy as np
import pytest

IDS = [[0, 3, 11], [8, 10, 5]]
VOID_LAST = [[0, 3, 255], [8, 10, 5]]


@pytest.fixture
def segnet(source, save, write):
    for split in ("train", "val", "test"):
        save(source / split / "0001TP_1.png", size=(2, 3))
        save(source / f"{split}annot" / "0001TP_1.png", IDS)
        write(source / f"{split}.txt", f"/SegNet/{split}/0001TP_1.png\n")
    return source


@pytest.fixture
def cvat(segnet, save, write):
    """CVAT's "CamVid 1.0": masks of colours, and a file that lists them."""
    write(segnet / "label_colors.txt", "0 0 0 Void\n10 20 30 Road\n40 50 60 Big Car\n")
    mask = np.array([(0, 0, 0), (10, 20, 30), (40, 50, 60)])[[[1, 0, 2], [2, 2, 1]]]
    for path in segnet.glob("*annot/*.png"):
        save(path, mask)
    return segnet


def test_segnet(segnet, prepared):
    data = prepared()
    assert data.num_classes == 11
    assert (data.class_names[0], data.class_names[8], data.class_names[10]) == (
        "sky",
        "car",
        "bicyclist",
    )
    assert data.colors[3] == (128, 64, 128)
    assert list(data.splits) == ["train", "val", "test"]
    for split in data.splits.values():
        assert split.read(0)[1].tolist() == VOID_LAST


def test_segnet_without_val(segnet, save, prepared):
    for stem in "abcd":
        save(segnet / f"train/{stem}.png", size=(2, 3))
        save(segnet / f"trainannot/{stem}.png", IDS)
    for kind in ("val", "valannot"):
        (segnet / kind / "0001TP_1.png").unlink()
        (segnet / kind).rmdir()
    data = prepared("--val-share", "0.4", "--seed", "3")
    counts = {name: len(split.names) for name, split in data.splits.items()}
    assert counts == {"train": 3, "val": 2, "test": 1}


def test_classes_of_camvid_are_said_to_be_assumed(segnet, save, prepared, capsys):
    prepared()
    assert "are taken for" not in capsys.readouterr().err
    (segnet / "train/0001TP_1.png").rename(segnet / "train/a.png")
    (segnet / "trainannot/0001TP_1.png").rename(segnet / "trainannot/a.png")
    shutil.rmtree(segnet.parent / "data")
    prepared()
    assert "are taken for the 11 classes of CamVid" in capsys.readouterr().err


def test_cvat(cvat, prepared):
    data = prepared()
    assert data.class_names == ("Road", "Big Car")
    assert data.colors == ((10, 20, 30), (40, 50, 60))
    assert data.split("val").read(0)[1].tolist() == [[0, 255, 1], [1, 1, 0]]


def test_cvat_without_colours(cvat, write, save, prepared):
    write(cvat / "label_colors.txt", "background\nRoad\nCar\n")
    mask = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)])[[[1, 0, 2], [2, 2, 1]]]
    for path in cvat.glob("*annot/*.png"):
        save(path, mask)
    data = prepared()
    assert data.class_names == ("background", "Road", "Car")
    assert data.split("val").read(0)[1].tolist() == [[1, 0, 2], [2, 2, 1]]


def test_image_without_a_mask_is_left_out(segnet, save, prepared, capsys):
    save(segnet / "train/alone.png")
    assert prepared().split("train").names == ["0001TP_1.png"]
    assert "left out without labels: 1" in capsys.readouterr().err


def test_mask_without_a_image(segnet, save, error_message, prepared):
    path = save(segnet / "trainannot/alone.png", IDS)
    assert str(path) in error_message()
    assert prepared("--skip-missing").split("train").names == ["0001TP_1.png"]


def test_id_outside_camvid(segnet, save, error_message):
    path = save(segnet / "valannot/0001TP_1.png", [[0, 12, 0], [0, 0, 0]])
    assert f"{path}: id 12 at row 0, column 1" in error_message()


def test_colour_that_is_not_listed(cvat, save, error_message):
    path = save(cvat / "valannot/0001TP_1.png", [[(1, 2, 3)] * 3] * 2)
    message = error_message()
    assert str(path) in message
    assert "[1, 2, 3] at row 0, column 0 is not in label_colors.txt" in message


@pytest.mark.parametrize("line", ("1 2 Car", "1 2 3", "1 2 256 Car"))
def test_invalid_line_of_colours(cvat, write, error_message, line):
    path = write(cvat / "label_colors.txt", f"0 0 0 Void\n{line}\n")
    message = error_message()
    assert str(path) in message
    assert repr(line) in message
