import io

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.video import scenes
from kseg.data.checks.duplicates import (
    BLOCK,
    COPIED,
    FAR,
    SAME,
    SIMILAR,
    digest,
    distances,
    nearest,
    perceptual_hashes,
    thumbnail,
)


def scene(index: int) -> np.ndarray:
    return scenes.scene(3, index, (96, 128))[0]


def as_jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


CHANGES = {
    "jpeg": as_jpeg,
    "half": lambda i: cv2.resize(i, (64, 48), interpolation=cv2.INTER_AREA),
    "mirrored": lambda i: np.ascontiguousarray(i[:, ::-1]),
    "grey": lambda i: cv2.cvtColor(i, cv2.COLOR_RGB2GRAY)[..., None],
}


def test_digest_depends_on_values_shape_and_dtype():
    array = np.arange(6, dtype=np.uint8)
    others = array + 1, array.reshape(2, 3), array.astype(np.int8)
    assert len({digest(array), *map(digest, others)}) == 4
    assert digest(array) == digest(np.arange(12, dtype=np.uint8)[:6])
    assert len(digest(array)) == 16


def fingerprints(images) -> tuple[np.ndarray, np.ndarray]:
    images = list(images)
    hashes = np.array([perceptual_hashes(image) for image in images])
    return hashes, np.array([thumbnail(image) for image in images])


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_found_among_others(change):
    images = [scene(index) for index in range(12)]
    changed = [CHANGES[change](image) for image in images]
    found = nearest(*fingerprints(images + changed), np.repeat([0, 1], 12))
    assert (found[1].distance[:12] == COPIED).all()
    assert found[1].index[:12].tolist() == list(range(12, 24))
    assert (found[0].distance[12:] == COPIED).all()
    assert (found[0].distance[:12] > SIMILAR).all()


def test_the_next_frame_is_similar_but_not_a_copy():
    frames = [scenes.scene(3, 1, (96, 128), time)[0] for time in (0, 4)]
    found = nearest(*fingerprints(frames), np.array([0, 0]))
    assert (found[0].distance > COPIED).all()
    assert (found[0].distance <= SIMILAR).all()


def test_thumbnails_decide_where_hashes_are_equal():
    """A difference of SAME is still a copy, one more is not, and then counts 1 bit."""
    hashes = np.ones((3, 2, 4), np.uint64)
    thumbnails = np.zeros((3, 16, 16), np.uint8)
    thumbnails[1, 2, 3] = SAME
    thumbnails[2, 2, 12] = 2 * SAME + 1  # where [2, 3] is when mirrored
    found = nearest(hashes, thumbnails, np.arange(3))
    assert found[1].distance.tolist() == [COPIED, FAR, 1]
    assert found[2].distance.tolist() == [1, 1, FAR]
    thumbnails[2, 2, 12] -= 1
    assert nearest(hashes, thumbnails, np.arange(3))[2].distance[1] == COPIED


def test_hash_is_the_signs_of_low_frequencies():
    """Of a vertical cosine of three half waves, only that frequency is positive."""
    wave = np.cos(np.pi * 3 * (np.arange(64) + 0.5) / 64)
    image = np.tile((128 + 100 * wave)[:, None, None], (1, 64, 1)).astype(np.uint8)
    bits = np.unpackbits(perceptual_hashes(image)[0].view(np.uint8)).reshape(16, 16)
    assert bits[0, 0] and bits[3, 0]  # the mean, and row frequency 3
    upside_down = perceptual_hashes(np.ascontiguousarray(image[::-1]))[0]
    flipped = np.unpackbits(upside_down.view(np.uint8)).reshape(16, 16)
    assert flipped[0, 0] and not flipped[3, 0]


def test_flat_images_have_no_hash():
    hashes = perceptual_hashes(np.full((40, 50, 3), 7, np.uint8))
    assert hashes.shape == (2, 4)
    assert hashes.dtype == np.uint64
    assert not hashes.any()


def test_distances_by_hand():
    """0b1011 differs from 0b0110 in three bits, and from its mirror 0b1010 in one."""
    one = np.zeros((1, 2, 4), np.uint64)
    two = one.copy()
    one[0, :, 0] = 0b1011, 0
    two[0, :, 0] = 0b0110, 0b1010
    assert distances(one, two).tolist() == [[1]]
    assert distances(one[:, [0, 0]], two[:, [0, 0]]).tolist() == [[3]]


def test_nearest_is_another_image_of_the_group():
    hashes = np.zeros((4, 2, 4), np.uint64)
    hashes[:, :, 0] = np.array([0b1111, 0b0111, 0b1, 0])[:, None]
    thumbnails = 50 * np.arange(4, dtype=np.uint8)[:, None, None].repeat(16, 1)
    found = nearest(hashes, thumbnails.repeat(16, 2), np.array([0, 0, 1, 1]))
    # Image 3 has no hash, so image 2 is the only one in its group.
    assert found[0].index[:3].tolist() == [1, 0, 1]
    assert found[0].distance.tolist() == [1, 1, 2, FAR]
    assert found[1].index[:2].tolist() == [2, 2]
    assert found[1].distance.tolist() == [3, 2, FAR, FAR]


def test_nearest_in_blocks():
    count = 2 * BLOCK + 7
    random = np.random.RandomState(0)
    hashes = random.randint(1, 2**63, (count, 2, 4), dtype=np.uint64)
    groups = random.randint(0, 2, count)
    found = nearest(hashes, np.zeros((count, 16, 16), np.uint8), groups)
    bits = np.unpackbits(hashes.view(np.uint8).reshape(count, 2, -1), axis=2)
    for index in range(0, count, 20):
        different = (bits[index, 0] != bits).sum(2).min(1)
        different[index] = FAR
        for group in (0, 1):
            inside = different[groups == group]
            assert found[group].distance[index] == inside.min()
