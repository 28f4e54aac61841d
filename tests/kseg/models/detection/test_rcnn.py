"""R-CNN: the network of a crop."""

import numpy as np
import pytest
from keras import ops

from kseg.models import build_model, geometry


def test_outputs_of_a_crop():
    model = build_model("rcnn", 3, width=4, fc_width=16)
    outputs = model(np.zeros((2, 32, 32, 3), np.float32))
    found = {role: ops.convert_to_numpy(x) for role, x in outputs.items()}
    assert {role: x.shape for role, x in found.items()} == {
        "scores": (2, 4),
        "margins": (2, 3),
        "boxes": (2, 16),
    }
    # Only trained after the network: no object has moved yet.
    assert not found["margins"].any() and not found["boxes"].any()
    fixed = {w.path.split("/")[0] for w in model.non_trainable_weights}
    assert {"score_margin", "score_box"} < fixed
    assert geometry(model).minimum == 16


def test_a_crop_of_one_cell_of_features_is_refused():
    with pytest.raises(ValueError, match="`crop` must be over 16 pixels, got 16"):
        build_model("rcnn", 3, crop=16)


def test_the_features_of_alexnet_are_pooled():
    """224 pixels give 14x14 cells at stride 16, and 7x7 after pooling."""
    model = build_model("rcnn", 3, "alexnet", crop=224, fc_width=8)
    assert model.get_layer("pooled_rows").output.shape[1] == 7 * 7 * 256
