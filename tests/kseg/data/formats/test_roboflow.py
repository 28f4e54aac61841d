import pytest

from edge.core.constants import palette

CLASSES = "Pixel Value, Class\n0, background\n1, cat\n2, dog\n"
IDS = [[0, 1, 2], [2, 1, 0]]


@pytest.fixture
def roboflow(source, save, write):
    for split in ("train", "valid", "test"):
        stem = f"{split}_jpg.rf.0ab1"
        write(source / split / "_classes.csv", CLASSES)
        save(source / split / f"{stem}.jpg", size=(2, 3))
        save(source / split / f"{stem}_mask.png", IDS)
    return source


def test_roboflow(roboflow, prepared):
    data = prepared()
    assert data.class_names == ("background", "cat", "dog")
    assert data.colors == palette(3)
    assert list(data.splits) == ["train", "val", "test"]
    assert data.split("val").names == ["valid_jpg.rf.0ab1.jpg"]
    for split in data.splits.values():
        assert split.read(0)[1].tolist() == IDS


def test_values_with_gaps_become_consecutive_classes(roboflow, save, write, prepared):
    for path in roboflow.glob("*/_classes.csv"):
        write(path, CLASSES.replace("2, dog", "7,dog"))
    for path in roboflow.glob("*/*_mask.png"):
        save(path, [[0, 1, 7], [7, 1, 0]])
    assert prepared().split("train").read(0)[1].tolist() == IDS


def test_the_header_may_be_missing(roboflow, write, prepared):
    for path in roboflow.glob("*/_classes.csv"):
        write(path, CLASSES.partition("\n")[2])
    assert prepared().class_names == ("background", "cat", "dog")


def test_image_without_a_mask_is_left_out(roboflow, save, prepared, capsys):
    save(roboflow / "train/alone.jpg")
    assert len(prepared().split("train").names) == 1
    assert "left out without labels: 1" in capsys.readouterr().err


def test_mask_without_a_image(roboflow, save, error_message, prepared):
    path = save(roboflow / "train/alone_mask.png", IDS)
    assert str(path) in error_message()
    assert len(prepared("--skip-missing").split("train").names) == 1


def test_value_without_a_class(roboflow, save, error_message):
    path = next(roboflow.glob("valid/*_mask.png"))
    save(path, [[0, 1, 3], [2, 1, 0]])
    message = error_message()
    assert f"{path}: id 3 at row 0, column 2" in message
    assert "_classes.csv" in message


@pytest.mark.parametrize("line", ("3", "x, cow", "256, cow", "2, cow"))
def test_invalid_line_of_classes(roboflow, write, error_message, line):
    path = write(roboflow / "test/_classes.csv", f"{CLASSES}{line}\n")
    message = error_message()
    assert str(path) in message
    assert repr(line) in message


def test_splits_that_disagree(roboflow, write, error_message):
    path = write(roboflow / "test/_classes.csv", CLASSES.replace("dog", "cow"))
    message = error_message()
    assert "the classes differ from those in" in message
    assert str(path) in message or str(roboflow / "train/_classes.csv") in message


def test_two_images_with_the_same_stem(roboflow, save, error_message):
    save(roboflow / "train/train_jpg.rf.0ab1.png", size=(2, 3))
    message = error_message()
    assert message.startswith(f"{roboflow / 'train'}: 2 files have the stem train_jpg")
