"""The targets of networks of regions, by hand."""

import numpy as np
import pytest
from keras import ops

from kseg.core.configs import TrainConfig
from kseg.core.task_defaults import for_task
from kseg.data.loading.region_targets import (
    ANCHORS,
    BETWEEN,
    CELLS,
    MASK_SIDE,
    NO_OBJECT,
    RegionTargets,
    mask_cells,
    match_anchors,
    region_form,
    region_targets,
)
from kseg.data.objects import no_objects
from kseg.data.open import open_data
from kseg.data.sample import Objects
from kseg.models.boxes.roi_align import roi_align

NONE = np.zeros((0, 4), np.float32)


def squares(*corners, crowd=(), side=8, masks=False):
    """Squares of `side` pixels at x, y; those at the places `crowd` are crowds."""
    boxes = np.float32([[x, y, x + side, y + side] for x, y in corners]).reshape(-1, 4)
    flags = np.isin(np.arange(len(boxes)), crowd)
    full = tuple(np.ones((side, side), bool) for _ in boxes) if masks else None
    return Objects(boxes, np.arange(len(boxes), dtype=np.int32), flags, full)


def test_anchors_belong_to_objects_by_their_overlap():
    """An object of 10 x 10 and anchors inside it: IoU is their area / 100."""
    anchors = np.float32([[0, 0, w, 10] for w in (8, 7, 6, 3, 2)])
    owner = match_anchors(anchors, np.float32([[0, 0, 10, 10]]), NONE)
    assert owner.tolist() == [0, 0, BETWEEN, BETWEEN, NO_OBJECT]


def test_the_best_anchor_of_an_object_is_its_own_below_the_threshold():
    """Also several that are equally good, but none that does not touch it."""
    anchors = np.float32([[0, 0, 2, 10], [8, 0, 10, 10], [0, 0, 1, 10]])
    owner = match_anchors(anchors, np.float32([[0, 0, 10, 10]]), NONE)
    assert owner.tolist() == [0, 0, NO_OBJECT]
    far = match_anchors(anchors, np.float32([[50, 50, 60, 60]]), NONE)
    assert far.tolist() == [NO_OBJECT] * 3


def test_anchors_in_a_crowd_do_not_count():
    """Half of the first and all of the second are inside; the third is an object's."""
    anchors = np.float32([[6, 0, 10, 4], [0, 0, 4, 4], [20, 0, 24, 4], [7, 0, 11, 4]])
    crowd = np.float32([[0, 0, 8, 8], [20, 0, 40, 8]])
    owner = match_anchors(anchors, np.float32([[20, 0, 24, 4]]), crowd)
    assert owner.tolist() == [BETWEEN, BETWEEN, 0, NO_OBJECT]


def test_half_of_the_sampled_anchors_are_of_objects_at_most():
    """64 x 64 pixels have 16 x 16 cells of stride 4: 768 anchors, some of objects."""
    targets = RegionTargets((64, 64), (4,), 2.0)
    found = targets.of(squares((10, 10), (40, 20)), np.random.default_rng(0))
    anchors, labels = found["anchors"], found["anchor_labels"]
    assert (anchors >= 0).all() and len(set(anchors.tolist())) == ANCHORS
    assert 2 <= labels.sum() <= ANCHORS // 2
    owner = match_anchors(targets.grid, found["boxes"][:2], NONE)
    assert (owner[anchors[labels == 1]] >= 0).all()
    assert (owner[anchors[labels == 0]] == NO_OBJECT).all()
    assert not found["anchor_deltas"][labels == 0].any()


def test_deltas_lead_from_the_anchor_to_its_object():
    """The square anchor of cell 3, 3 is 8, 8 to 16, 16; the object 1 pixel further."""
    targets = RegionTargets((32, 32), (4,), 2.0)
    found = targets.of(squares((9, 8)), np.random.default_rng(0))
    (place,) = np.flatnonzero(
        (targets.grid[found["anchors"]] == [8, 8, 16, 16]).all(axis=1)
    )
    assert found["anchor_labels"][place] == 1
    assert found["anchor_deltas"][place].tolist() == pytest.approx([1 / 8, 0, 0, 0])


def test_few_anchors_leave_places_empty():
    """4 cells, 3 anchors each."""
    found = RegionTargets((8, 8), (4,), 2.0).of(no_objects(), np.random.default_rng(0))
    assert np.sort(found["anchors"])[-12:].tolist() == list(range(12))
    assert (found["anchors"] == -1).sum() == ANCHORS - 12
    assert not found["anchor_labels"].any()


def test_the_choice_depends_on_the_generator_alone():
    targets = RegionTargets((32, 32), (4, 8), 2.0, noise=7, masks=True)
    objects = squares((3, 4), (20, 8), masks=True)
    first, again, other = (
        targets.of(objects, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["noise"] != other["noise"]).all()
    assert {name: x.shape for name, x in targets.blank().items()} == {
        name: x.shape for name, x in first.items()
    }
    assert all(x.dtype == targets.blank()[name].dtype for name, x in first.items())


def full_frame(mask, box, size):
    whole = np.zeros(size, np.float32)
    x0, y0 = np.floor(box[:2]).astype(int)
    whole[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
    return whole[None, :, :, None]


@pytest.mark.parametrize(
    "corner", ((5, 7), (0, 0), (72, 60)), ids=("inside", "first corner", "last corner")
)
def test_a_mask_that_fits_keeps_its_pixels(corner):
    """RoIAlign of the cells equals that of the whole image, at its borders too."""
    random = np.random.RandomState(0)
    size, mask = (100, 100), random.rand(40, 28) > 0.4
    x, y = corner
    box = np.float32([x, y, x + 28, y + 40])
    cells, span = mask_cells(mask, box, size)
    assert cells.shape == (CELLS, CELLS) and cells.dtype == np.uint8
    assert (cells[1:41, 1:29] == mask * 255).all()
    assert span.tolist() == [x - 1, y - 1, x + 57, y + 57]
    for shift in ([0, 0, 0, 0], [4, 5, -3, -6], [-2, -9, 3, 4]):
        region = np.clip(box + np.float32(shift), 0, 100)[None, None]
        frame = roi_align(full_frame(mask, box, size), region, 1, 28, aligned=True)
        inside = region - np.tile(span[:2], 2)
        own = roi_align(
            cells[None, :, :, None] / np.float32(255), inside, 1, 28, aligned=True
        )
        difference = ops.convert_to_numpy(frame) - ops.convert_to_numpy(own)
        assert np.abs(difference).max() < 1e-5


def test_a_large_mask_is_the_mean_of_its_pixels():
    """112 x 56 pixels, the upper quarter inside: 14 of 56 cells of 2 x 1 pixels."""
    mask = np.zeros((112, 56), bool)
    mask[:28] = True
    cells, span = mask_cells(mask, np.float32([10, 20, 66, 132]), (200, 200))
    assert (cells[1:15, 1:57] == 255).all() and not cells[15:].any()
    assert span.tolist() == [9, 18, 9 + 58, 18 + 116]
    assert MASK_SIDE == 56


def config_of(model, task, **options):
    named = {"model": model, "data": "shapes", **options}
    return for_task(TrainConfig(**named), named, task)


def test_the_form_depends_on_the_crop():
    data = open_data("shapes", task="instance")
    small = region_form(config_of("mask_rcnn", "instance"), data)
    assert (small.levels, small.scale, small.sampled) == ((4, 8, 16, 32), 4.0, 64)
    large = config_of("mask_rcnn", "instance", size=(512, 512))
    form = region_form(large, data)
    assert form.training_counts == (2000, 2000) and form.levels[-1] == 64
    own = config_of("mask_rcnn", "instance", strides=(8, 16))
    assert region_form(own, data).strides == (8, 16)


def test_the_numbers_of_a_target_are_one_for_each_proposal_and_object():
    data = open_data("shapes", task="instance")
    targets = region_targets(config_of("mask_rcnn", "instance"), data)
    assert targets.blank()["noise"].shape == (100 + 100,)
    assert len(targets.grid) == 3 * (32**2 + 16**2 + 8**2 + 4**2)
