"""The baseline `dense`: full resolution and a receptive field of 17x17 pixels."""

import numpy as np
from keras import layers, ops

from kseg.models import build_model, geometry


def test_resolution_does_not_change():
    model = build_model("dense", 3, width=4)
    kinds = (layers.MaxPooling2D, layers.Conv2DTranspose, layers.AveragePooling2D)
    assert not any(isinstance(layer, kinds) for layer in model.layers)
    convolutions = [x for x in model.layers if isinstance(x, layers.Conv2D)]
    assert {layer.strides for layer in convolutions} == {(1, 1)}
    assert geometry(model).minimum == 1


def test_a_pixel_affects_eight_pixels_around_it():
    model = build_model("dense", 3, width=4)
    image = np.full((1, 31, 31, 3), 100, "float32")
    changed = image.copy()
    changed[0, 15, 15] = 255
    difference = ops.convert_to_numpy(model(changed) - model(image))[0].any(-1)
    rows, columns = np.nonzero(difference)
    assert (rows.min(), rows.max()) == (7, 23)
    assert (columns.min(), columns.max()) == (7, 23)
