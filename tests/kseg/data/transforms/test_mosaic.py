"""Four images in one crop, and pasted objects."""

import numpy as np

from kseg.data.objects import label_map, mask_window, objects_of_map
from kseg.data.sample import Objects, Sample
from kseg.data.transforms.mosaic import mosaic, paste, without


def grey(size, value, *boxes):
    """A crop of one grey, with square objects x0, y0, x1, y1."""
    instances = np.zeros(size, np.uint16)
    for number, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        instances[y0:y1, x0:x1] = number
    image = np.full((*size, 3), value, np.uint8)
    return Sample(image, objects_of_map(instances, [value] * len(boxes)))


def test_each_quarter_is_a_crop_with_its_objects():
    values = iter((10, 20, 30, 40))
    whole = mosaic(
        np.random.default_rng(0),
        (100, 120),
        3,
        lambda size: grey(size, next(values), (1, 2, 9, 8)),
    )
    assert whole.image.shape == (100, 120, 3)
    assert whole.target.class_ids.tolist() == [10, 20, 30, 40]
    for box, mask, value in zip(
        whole.target.boxes, whole.target.masks, whole.target.class_ids, strict=True
    ):
        top, bottom, left, right = mask_window(box)
        assert mask.shape == (6, 8) == (bottom - top, right - left)
        assert (whole.image[top:bottom, left:right] == value).all()
    corner = whole.image[0, 0, 0], whole.image[0, -1, 0], whole.image[-1, 0, 0]
    assert corner == (10, 20, 30) and whole.image[-1, -1, 0] == 40


def test_pasted_objects_hide_what_is_behind_them():
    below = grey((40, 40), 1, (0, 0, 20, 20), (30, 30, 38, 38))
    above = grey((40, 40), 2, (10, 0, 30, 20))

    class Always:
        def random(self, count):
            return np.zeros(count)

    found = paste(Always(), below, above)
    assert found.target.class_ids.tolist() == [1, 1, 2]
    assert found.target.boxes.tolist() == [
        [0, 0, 10, 20],
        [30, 30, 38, 38],
        [10, 0, 30, 20],
    ]
    assert (found.image[:20, 10:30] == 2).all() and (found.image[:20, :10] == 1).all()
    assert label_map(found.target, (40, 40)).max() == 3
    assert not found.target.crowd.any()


def test_what_is_nearly_hidden_becomes_a_crowd_and_what_is_hidden_goes():
    below = grey((40, 40), 1, (0, 0, 20, 20), (25, 25, 30, 30))
    covered = np.zeros((40, 40), bool)
    covered[:20, 4:20] = True  # 80 of 400 pixels are left: a fifth
    covered[25:30, 25:30] = True
    left = without(below.target, covered)
    assert left.crowd.tolist() == [True] and left.boxes.tolist() == [[0, 0, 4, 20]]


def test_crowds_are_not_pasted():
    crowd = grey((40, 40), 2, (0, 0, 9, 9)).target
    crowd = Objects(crowd.boxes, crowd.class_ids, np.array([True]), crowd.masks)
    below = grey((40, 40), 1, (0, 0, 20, 20))
    above = Sample(np.zeros((40, 40, 3), np.uint8), crowd)
    assert paste(np.random.default_rng(0), below, above) is below
