"""Training of `localize`: data that fit, decoding, options."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.task_defaults import for_task
from kseg.data.open import open_data
from kseg.data.sample import Dataset, Objects, Sample
from kseg.training.detection.one_object import check_one_object, decoder, loss

CONFIG = TrainConfig(model="localize", size=(64, 64))


@dataclass(frozen=True)
class Counted:
    """Images with numbers of objects and of crowds."""

    counts: tuple[tuple[int, int], ...]

    @property
    def names(self) -> list[str]:
        return [f"{index}.png" for index in range(len(self.counts))]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(64, 64)] * len(self.counts)

    @property
    def files(self) -> list[Path]:
        return [Path(name) for name in self.names]

    def read(self, index: int) -> Sample:
        objects, crowds = self.counts[index]
        total = objects + crowds
        boxes = np.tile(np.float32([0, 0, 8, 8]), (total, 1))
        crowd = np.arange(total) >= objects
        target = Objects(boxes, np.zeros(total, np.int32), crowd)
        return Sample(np.zeros((64, 64, 3), np.uint8), target)


def data_of(train, val) -> Dataset:
    splits = {"train": Counted(tuple(train)), "val": Counted(tuple(val))}
    shapes = open_data("shapes", task="detection")
    return replace(shapes, name="photos", splits=splits)


def test_one_object_in_every_image_is_accepted():
    check_one_object(data_of([(1, 0), (1, 2)], [(1, 0)]))


@pytest.mark.parametrize(
    ("train", "val", "found"),
    [
        ([(1, 0), (0, 0), (3, 0)], [(1, 0)], "split train: 1.png has 0 objects"),
        ([(1, 0)], [(1, 0), (2, 0)], "split val: 1.png has 2 objects"),
        ([(0, 1)], [(1, 0)], "split train: 0.png has 0 objects"),
    ],
)
def test_the_first_other_image_is_named(train, val, found):
    with pytest.raises(InputError, match=f"photos, {found}, .* use --model yolo or"):
        loss(CONFIG, data_of(train, val))
    assert loss(replace(CONFIG, resume=True), data_of(train, val)).size == (64, 64)


def test_scenes_need_the_option_that_makes_one_object():
    with pytest.raises(InputError, match="scene 0 has .* give --objects 1 for shapes"):
        check_one_object(open_data("shapes", task="detection"))
    check_one_object(open_data("shapes", task="detection", objects=1))


def test_its_one_box_is_always_kept():
    assert decoder(CONFIG, data_of([], [])) == {
        "kind": "boxes",
        "score": 0.0,
        "nms": 1.0,
        "max_detections": 1,
    }


def test_options_of_levels_and_of_combined_images_are_refused():
    for name, value in {"strides": (8,), "mosaic": 0.5, "paste": 0.5}.items():
        with pytest.raises(InputError, match=f"--{name}: has no effect on"):
            config = TrainConfig(model="localize", **{name: value})
            for_task(config, {"model", name}, "detection")
    assert for_task(CONFIG, {"model", "size"}, "detection").scale == 1.2
