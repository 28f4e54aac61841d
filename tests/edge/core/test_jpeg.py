"""Images as JPEG, read back."""

import cv2
import numpy as np
import pytest

from edge.core.jpeg import encode_jpeg


@pytest.mark.parametrize("longest, shape", [(1280, (500, 1280, 3)), (9999, None)])
def test_large_images_are_scaled_down_to_their_longer_side(longest, shape):
    view = np.full((1000, 2560, 3), 80, np.uint8)
    data = np.frombuffer(encode_jpeg(view, longest=longest), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image.shape == (shape or view.shape)
    assert (abs(image.astype(int) - 80) <= 1).all()
