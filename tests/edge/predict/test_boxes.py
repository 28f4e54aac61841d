"""Anchors, coding and suppression of boxes, with values worked out by hand."""

import cv2
import numpy as np
import pytest

from edge.predict.boxes import (
    anchor_grid,
    cell_count,
    decode_boxes,
    encode_boxes,
    iou_matrix,
    nms,
    padded_size,
)


def random_boxes(count: int, seed: int = 0, side: float = 100) -> np.ndarray:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, side, (count, 2))
    return np.float32(
        np.hstack([corner, corner + random.uniform(2, side / 2, (count, 2))])
    )


# Anchors


def test_anchors_are_finest_level_first_and_row_by_row():
    centers, sides = anchor_grid((32, 64), (16, 32), scale=3)
    assert centers.tolist() == [
        [8, 8], [8, 24], [8, 40], [8, 56],
        [24, 8], [24, 24], [24, 40], [24, 56],
        [16, 16], [16, 48],
    ]  # fmt: skip
    assert sides.tolist() == [48] * 8 + [96] * 2
    assert centers.dtype == sides.dtype == np.float32


@pytest.mark.parametrize(
    ("size", "strides", "count"),
    [
        ((320, 320), (8, 16, 32), 2100),
        ((352, 480), (8, 16, 32), 3465),
        ((128, 128), (4, 8, 16), 1344),
        ((33, 1), (32,), 2),
    ],
)
def test_the_number_of_cells(size, strides, count):
    assert cell_count(size, strides) == count
    assert len(anchor_grid(size, strides)[0]) == count


def test_the_anchors_of_a_size_are_made_once():
    first = anchor_grid((64, 64), [8, 16])[0]
    assert anchor_grid((64, 64), (8, 16))[0] is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


@pytest.mark.parametrize("multiple", [1, 8, 32, 64])
def test_the_padding_of_a_network_follows_from_its_cells(multiple):
    size = (101, 203)
    padded = tuple(-(-side // multiple) * multiple for side in size)
    found = padded_size(size, (8, 16, 32), cell_count(padded, (8, 16, 32)))
    # In whole cells of stride 8: unpadded, a network has 13 x 26 of them.
    assert found == ((104, 208) if multiple == 1 else padded)


def test_a_number_of_cells_that_no_padding_gives():
    assert padded_size((64, 64), (8, 16, 32), 85) is None


def test_a_known_padding_is_the_only_one_that_is_tried():
    """336 cells: 64x64 with strides 4, 8, 16, or 128x128 with 8, 16, 32."""
    assert padded_size((64, 64), (4, 8, 16), 336, multiple=16) == (64, 64)
    assert padded_size((64, 64), (8, 16, 32), 336) == (128, 128)
    assert padded_size((64, 64), (8, 16, 32), 336, multiple=16) is None


# Coding


def test_a_box_is_decoded_by_hand():
    # Side 40 around y 20, x 30: y 20 + 0.1 * 2 * 40 = 28, x 30 - 0.1 * 40 = 26, height
    # 40 * e^0.2, width 40.
    box = decode_boxes(
        np.float32([[2, -1, 1, 0]]), np.float32([[20, 30]]), np.float32([40])
    )
    half = 20 * np.exp(0.2)
    assert box.tolist() == [pytest.approx([6, 28 - half, 46, 28 + half])]
    assert box.dtype == np.float32


def test_a_size_is_limited():
    box = decode_boxes(
        np.float32([[0, 0, 1e6, -1e6]]), np.float32([[0, 0]]), np.float32([2])
    )
    assert box[0, 3] == pytest.approx(np.exp(4)) and box[0, 2] == pytest.approx(
        np.exp(-4)
    )


def test_encoding_is_the_inverse_of_decoding():
    centers, sides = anchor_grid((96, 96), (8, 16, 32))
    boxes = random_boxes(len(sides))
    for variances in ((0.1, 0.1, 0.2, 0.2), (1, 1, 1, 1)):
        deltas = encode_boxes(boxes, centers, sides, variances)
        decoded = decode_boxes(deltas, centers, sides, variances)
        np.testing.assert_allclose(decoded, boxes, atol=1e-4)


# Intersection over union


def test_iou_by_hand():
    a = np.float32([[0, 0, 4, 4], [0, 0, 0, 0], [3, 3, 1, 1]])
    b = np.float32([[0, 0, 4, 4], [2, 2, 6, 6], [4, 0, 8, 4], [1, 1, 2, 3]])
    expected = [[1, 4 / 28, 0, 2 / 16], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(iou_matrix(a, b), expected, rtol=1e-6)


def test_iou_without_boxes():
    none = np.zeros((0, 4), np.float32)
    assert iou_matrix(none, random_boxes(3)).shape == (0, 3)
    assert iou_matrix(random_boxes(2), none).shape == (2, 0)


# Suppression


def slow_nms(boxes, scores, class_ids, iou, limit) -> list[int]:
    """The definition, in pure Python."""

    def common(a, b):
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        if width <= 0 or height <= 0:
            return 0.0
        both = width * height
        area = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
        return both / (area - both)

    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda k: (-scores[k], k)):
        rivals = [k for k in kept if class_ids[k] == class_ids[index]]
        if all(common(boxes[index], boxes[k]) <= iou for k in rivals):
            kept.append(index)
    return kept[:limit]


@pytest.mark.parametrize("limit", [1000, 20])
@pytest.mark.parametrize("iou", [0.2, 0.6])
def test_nms_equals_the_definition(iou, limit):
    random = np.random.default_rng(2)
    boxes = random_boxes(200, seed=2)
    # Many equal scores, as in int8 files.
    scores = random.integers(0, 20, 200).astype(np.float32) / 20
    class_ids = random.integers(0, 3, 200).astype(np.int32)
    expected = slow_nms(boxes.tolist(), scores, class_ids, iou, limit)
    assert nms(boxes, scores, class_ids, iou, limit).tolist() == expected


def test_nms_equals_opencv():
    batched = getattr(cv2.dnn, "NMSBoxesBatched", None)
    if batched is None:
        pytest.skip("this OpenCV has no NMSBoxesBatched")
    random = np.random.default_rng(3)
    boxes, scores = random_boxes(300, seed=3), np.float32(random.uniform(0, 1, 300))
    class_ids = random.integers(0, 4, 300).astype(np.int32)
    sides = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    expected = batched(sides.astype(float), scores, class_ids, 0.0, 0.5)
    found = nms(boxes, scores, class_ids, 0.5, 300)
    assert sorted(found.tolist()) == sorted(np.ravel(expected).tolist())


def test_boxes_of_different_classes_do_not_suppress_each_other():
    boxes = np.float32([[0, 0, 4, 4]] * 3)
    found = nms(boxes, np.float32([0.3, 0.9, 0.5]), np.int32([0, 1, 1]))
    assert found.tolist() == [1, 0]


def test_nms_of_nothing():
    empty = np.zeros(0, np.float32)
    assert nms(np.zeros((0, 4), np.float32), empty, empty.astype(np.int32)).size == 0
