"""The kernel of bilinear upsampling."""

import numpy as np

from kseg.models.layers.bilinear import bilinear_kernel


def test_bilinear_kernel_by_hand():
    line = np.array([1, 3, 3, 1]) / 4
    kernel = bilinear_kernel(2, 4, 2)
    np.testing.assert_allclose(kernel[:, :, 0, 0], np.outer(line, line))
    np.testing.assert_allclose(kernel[:, :, 1, 1], np.outer(line, line))
    assert not kernel[:, :, 0, 1].any() and not kernel[:, :, 1, 0].any()
