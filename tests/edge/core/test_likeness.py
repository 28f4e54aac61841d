"""Which images look alike: copies do, other moments of a scene do not."""

import cv2
import numpy as np
import pytest

from edge.core.likeness import BITS, SIMILAR, Seen, appearance
from edge.video.scenes import scene


def picture(index: int = 0, time: int = 0) -> np.ndarray:
    """A scene of `shapes`, as a camera gives it."""
    return cv2.cvtColor(scene(3, index, (240, 320), time)[0], cv2.COLOR_RGB2BGR)


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    seen = Seen()
    seen.add(appearance(one))
    return appearance(other) in seen


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(content, cv2.IMREAD_COLOR)


@pytest.mark.parametrize("quality", (40, 85))
def test_a_compressed_image_looks_the_same(quality):
    assert alike(picture(), as_jpeg(picture(), quality))


def test_another_size_looks_the_same():
    assert alike(picture(), cv2.resize(picture(), (160, 120), None, 0, 0, 3))


def test_another_scene_looks_different():
    assert not alike(picture(), picture(index=1))


def test_the_hashes_of_two_scenes_differ_in_many_bits():
    one, other = appearance(picture()), appearance(picture(index=1))
    assert BITS[one.hash ^ other.hash].sum() > 2 * SIMILAR


def test_an_object_that_enters_a_fixed_scene_looks_different():
    """A sixteenth of the sides, 60 grey levels brighter."""
    entered = np.full((240, 320, 3), 90, np.uint8)
    cv2.randn(entered, 90, 3)
    still = entered.copy()
    entered[100:115, 200:220] += 60
    assert not alike(still, entered)


def test_the_same_scene_with_new_noise_looks_the_same():
    """Noise is averaged out: 20x15 pixels are one of the thumbnail."""
    frames = [picture().astype(np.int16) for _ in range(2)]
    for seed, frame in enumerate(frames):
        frame += np.random.RandomState(seed).randint(-8, 9, frame.shape)
    one, other = (np.clip(frame, 0, 255).astype(np.uint8) for frame in frames)
    assert alike(one, other)


def test_images_of_one_colour_are_told_apart_by_it():
    """They have no hash; 7 grey levels are the same, 8 are not."""
    grey = np.full((48, 64, 3), 100, np.uint8)
    assert not appearance(grey).hash.any()
    assert alike(grey, grey + 7) and not alike(grey, grey + 8)


def test_nothing_was_seen_at_first():
    assert appearance(picture()) not in Seen()
