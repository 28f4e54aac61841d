import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from kseg.data.open import open_data
from kseg.data.sample import Dataset, Objects
from kseg.deploy.int8.calibration import (
    ImageClasses,
    choose_images,
    present_classes,
    select_balanced,
)


class MemorySplit:
    """A split in memory: each mask has one class; images are noise or blank."""

    def __init__(self, classes: list[int], blank: set[int] = frozenset()):
        self.classes, self.blank = classes, blank
        self.names = [f"p{index}" for index in range(len(classes))]
        self.sizes = [(8, 8)] * len(classes)
        self.files = []

    def image(self, index: int) -> np.ndarray:
        image = np.random.RandomState(index).randint(0, 256, (8, 8, 3), np.uint8)
        if index in self.blank:
            image[:] = 90
        return image

    def read(self, index: int):
        return self.image(index), np.full((8, 8), self.classes[index], np.uint8)


def data_of(split: MemorySplit) -> Dataset:
    return Dataset("memory", ("a", "b", "c"), palette(3), {"train": split})


def test_an_image_of_a_rare_class_is_chosen_and_the_others_are_spaced_evenly():
    """One image of 40 contains b; ten evenly spaced images would miss it."""
    split = MemorySplit([0] * 23 + [1] + [0] * 16)
    chosen = choose_images(data_of(split), 10)
    assert len(chosen.indices) == 10 and 23 in chosen.indices
    assert chosen.classes == {"a": 9, "b": 1, "c": 0}
    assert max(np.diff(chosen.indices)) <= 10
    assert chosen.names[0] == "p0"


def test_classes_are_balanced():
    candidates = [
        ImageClasses(i, np.eye(3, dtype=bool)[min(i // 10, 2)], False)
        for i in range(40)
    ]
    shown = sum(each.present.astype(int) for each in select_balanced(candidates, 12))
    assert shown.tolist() == [4, 3, 5]  # two of each, and six spaced over 10, 10, 20


def test_missing_classes_are_logged(capsys):
    choose_images(data_of(MemorySplit([0, 1, 0])), 3)
    assert "no calibration image contains c" in capsys.readouterr().err


def test_blank_images_are_not_used(capsys):
    chosen = choose_images(data_of(MemorySplit([0, 1, 2, 0], blank={0, 2})), 4)
    assert chosen.indices == (1, 3) and chosen.blank == 2
    assert "2 of 4 training images are blank" in capsys.readouterr().err
    with pytest.raises(InputError, match="all 2 training images .* are blank"):
        choose_images(data_of(MemorySplit([0, 1], blank={0, 1})), 4)


def objects(*class_ids: int) -> Objects:
    count = len(class_ids)
    boxes = np.float32([[0, 0, 4, 4]] * count).reshape(-1, 4)
    return Objects(boxes, np.int32(class_ids), np.zeros(count, bool))


class ObjectSplit(MemorySplit):
    """Images with objects of one class each; -1 for an image without any."""

    def read(self, index: int):
        known = [self.classes[index]] if self.classes[index] >= 0 else []
        return self.image(index), objects(*known)


def test_classes_of_objects_and_of_pixels():
    assert present_classes(objects(2, 0, 2), 3).tolist() == [True, False, True]
    assert present_classes(objects(), 3).tolist() == [False] * 3
    mask = np.full((200, 200), 255, np.uint8)
    mask[0, :5] = 1  # more than 4 of 40,000 pixels
    mask[1, :4] = 0
    assert present_classes(mask, 3).tolist() == [False, True, False]


def test_images_without_objects_are_not_chosen():
    chosen = choose_images(data_of(ObjectSplit([-1, 0, -1, 1, 2, -1])), 3)
    assert chosen.indices == (1, 3, 4)
    assert chosen.classes == {"a": 1, "b": 1, "c": 1}


def test_images_without_objects_are_chosen_if_there_are_too_few_others(capsys):
    chosen = choose_images(data_of(ObjectSplit([-1, 0, -1, 1, 2, -1])), 5)
    assert chosen.indices == (0, 1, 3, 4, 5)  # the first and the last of three
    said = "only 3 of 6 training images considered for calibration show a class"
    assert said in capsys.readouterr().err


def test_the_record_counts_the_images_of_each_class(data_folder):
    data = open_data(str(data_folder))
    split = data.split("train")
    chosen = choose_images(data, 5)
    record = chosen.record()
    assert record["images"] == len(record["pictures"]) == 5 and record["blank"] == 0
    masks = [split.read(index)[1] for index in chosen.indices]
    for index, name in enumerate(data.class_names):
        assert record["classes"][name] == sum((mask == index).any() for mask in masks)
