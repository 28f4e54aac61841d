"""Pasting an object into another image, by hand."""

import numpy as np
import pytest

from kseg.data.transforms.paste import (
    Patch,
    covered_by,
    cut_out,
    mirrored_patch,
    paste_object,
    resized_patch,
)

# Shares of classes 0 to 3: 2 is rare, 3 is rarer.
SHARES = np.array([0.6, 0.3, 0.08, 0.02])
INSIDE = np.array([[1, 0], [1, 1], [1, 0]], bool)
PATCH = Patch(np.arange(18, dtype=np.uint8).reshape(3, 2, 3) + 100, INSIDE)


def pasted(mask, top=1, patch=PATCH, seed=0):
    """Whether class 2 was pasted, and the image of zeros and the mask after it."""
    image, mask = np.zeros((*mask.shape, 3), np.float32), mask.copy()
    random = np.random.default_rng(seed)
    done = paste_object(random, image, mask, patch, top, 2, covered_by(2, SHARES))
    return done, image, mask


def test_more_frequent_classes_and_void_are_covered():
    covered = covered_by(2, SHARES)
    assert np.flatnonzero(covered).tolist() == [0, 1, 255]


def test_an_object_is_pasted_into_image_and_mask_alike():
    done, image, mask = pasted(np.zeros((6, 2), np.uint8))
    assert done
    assert mask.tolist() == [[0, 0], [2, 0], [2, 2], [2, 0], [0, 0], [0, 0]]
    inside = mask == 2
    np.testing.assert_array_equal(image[inside], PATCH.image[INSIDE])
    assert not image[~inside].any()


def test_the_column_is_random_and_the_row_stays():
    found = set()
    for seed in range(40):
        _, _, mask = pasted(np.zeros((6, 9), np.uint8), seed=seed)
        rows, columns = np.nonzero(mask)
        assert (rows.min(), rows.max()) == (1, 3)
        found.add(int(columns.min()))
    assert found == set(range(8))


@pytest.mark.parametrize("top, rows", ((-1, [0, 1]), (4, [4, 5])))
def test_what_is_outside_of_the_window_is_cut_off(top, rows):
    done, _, mask = pasted(np.zeros((6, 2), np.uint8), top)
    assert done and np.flatnonzero(mask.any(1)).tolist() == rows


@pytest.mark.parametrize("class_id", (2, 3))
def test_objects_of_the_class_and_of_rarer_ones_stay_in_front(class_id):
    mask = np.zeros((6, 2), np.uint8)
    mask[1] = class_id  # one of the object's four pixels
    done, image, after = pasted(mask)
    assert done
    assert after.tolist() == [[0, 0], [class_id] * 2, [2, 2], [2, 0], [0, 0], [0, 0]]
    assert not image[1].any()


@pytest.mark.parametrize("top", (-3, -2, 6))
def test_an_object_that_would_hardly_be_seen_is_not_pasted(top):
    assert not pasted(np.zeros((6, 2), np.uint8), top)[0]
    mask = np.full((6, 2), 3, np.uint8)
    done, image, after = pasted(mask)
    assert not done and not image.any() and (after == 3).all()


def test_an_object_wider_than_the_window_is_not_pasted():
    assert not pasted(np.zeros((6, 1), np.uint8))[0]


def test_cut_out_takes_the_component_alone():
    mask = np.array(
        [[0, 1, 0, 1], [0, 1, 255, 0], [0, 1, 1, 1], [0, 0, 0, 0]], np.uint8
    )
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    patch = cut_out(image, mask, np.array([1, 0, 1 / 4, 3 / 4, 1]))
    assert patch is not None
    assert patch.inside.astype(int).tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 1]]
    np.testing.assert_array_equal(patch.image, image[:3, 1:])
    assert cut_out(image, mask, np.array([2, 0, 0, 1, 1])) is None


def test_a_patch_is_scaled_and_mirrored():
    doubled = resized_patch(PATCH, 2)
    np.testing.assert_array_equal(doubled.inside, np.kron(INSIDE, np.ones((2, 2))) > 0)
    assert doubled.image.shape == (6, 4, 3)
    assert resized_patch(Patch(PATCH.image[..., :1], INSIDE), 0.1).image.shape == (
        1,
        1,
        1,
    )
    assert mirrored_patch(PATCH).inside.tolist() == INSIDE[:, ::-1].tolist()
