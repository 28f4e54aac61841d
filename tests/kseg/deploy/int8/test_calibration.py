import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from kseg.data.open import open_data
from kseg.data.sample import Dataset
from kseg.deploy.int8.calibration import ImageClasses, balanced, choose


class Pictures:
    """A split in memory: masks of one class each, images of noise or of nothing."""

    def __init__(self, classes: list[int], blank: set[int] = frozenset()):
        self.classes, self.blank = classes, blank
        self.names = [f"p{index}" for index in range(len(classes))]
        self.sizes = [(8, 8)] * len(classes)
        self.files = []

    def read(self, index: int):
        image = np.random.RandomState(index).randint(0, 256, (8, 8, 3), np.uint8)
        if index in self.blank:
            image[:] = 90
        return image, np.full((8, 8), self.classes[index], np.uint8)


def data_of(split: Pictures) -> Dataset:
    return Dataset("memory", ("a", "b", "c"), palette(3), {"train": split})


def test_a_rare_class_is_found_and_the_rest_is_spread():
    """One picture of 40 shows b: spread evenly, ten pictures would miss it."""
    split = Pictures([0] * 23 + [1] + [0] * 16)
    coverage = choose(data_of(split), 10)
    assert len(coverage.indices) == 10 and 23 in coverage.indices
    assert coverage.classes == {"a": 9, "b": 1, "c": 0}
    assert max(np.diff(coverage.indices)) <= 10
    assert coverage.pictures[0] == "p0"


def test_classes_are_shown_as_evenly_as_can_be():
    looks = [
        ImageClasses(i, np.eye(3, dtype=bool)[min(i // 10, 2)], False)
        for i in range(40)
    ]
    shown = sum(look.shows.astype(int) for look in balanced(looks, 12))
    assert shown.tolist() == [4, 3, 5]  # two of each, and six spread over 10, 10, 20


def test_a_class_that_is_nowhere_is_said(capsys):
    choose(data_of(Pictures([0, 1, 0])), 3)
    assert "no calibration picture shows c" in capsys.readouterr().err


def test_blank_pictures_set_no_ranges(capsys):
    coverage = choose(data_of(Pictures([0, 1, 2, 0], blank={0, 2})), 4)
    assert coverage.indices == (1, 3) and coverage.blank == 2
    assert "2 of 4 training pictures are blank" in capsys.readouterr().err
    with pytest.raises(InputError, match="all 2 training pictures .* are blank"):
        choose(data_of(Pictures([0, 1], blank={0, 1})), 4)


def test_the_record_says_what_was_covered(data_folder):
    data = open_data(str(data_folder))
    split = data.split("train")
    coverage = choose(data, 5)
    record = coverage.record()
    assert record["images"] == len(record["pictures"]) == 5 and record["blank"] == 0
    masks = [split.read(index)[1] for index in coverage.indices]
    for index, name in enumerate(data.class_names):
        assert record["classes"][name] == sum((mask == index).any() for mask in masks)
