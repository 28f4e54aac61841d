"""Fast R-CNN: its published size, its two parts, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from edge.model_file.info import ModelInfo
from kseg.models import build_model, geometry
from kseg.models.detection.fast_rcnn import JOINED, parts
from kseg.models.layers.norm import as_float32
from kseg.models.saving import load_model, save_model

CLASSES = 3
BOXES = np.float32([[[0, 0, 30, 30], [10, 5, 50, 48], [3, 3, 4, 4]]])


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_model("fast_rcnn", CLASSES, width=4, strides=(8,), fc_width=16)


def inputs(boxes=BOXES):
    random = np.random.default_rng(0)
    image = random.uniform(0, 255, (1, 48, 64, 3)).astype(np.float32)
    return {"image": image, "proposals": boxes}


def values(outputs):
    return {role: ops.convert_to_numpy(x) for role, x in outputs.items()}


def test_outputs_are_scores_and_boxes_of_each_class_and_the_background(network):
    found = values(network(inputs()))
    assert {role: x.shape for role, x in found.items()} == {
        "scores": (1, 3, CLASSES + 1),
        "boxes": (1, 3, 4 * (CLASSES + 1)),
    }
    assert geometry(network).minimum == 8


def test_a_proposal_does_not_depend_on_the_others(network):
    every, one = values(network(inputs())), values(network(inputs(BOXES[:, 1:2])))
    for role in every:
        assert one[role][0, 0] == pytest.approx(every[role][0, 1], abs=1e-6)


def test_the_two_parts_give_the_same_and_leave_the_network_as_it_is(network, tmp_path):
    given = inputs()
    backbone, heads = parts(network)
    expected = values(network(given))
    boxes = ops.convert_to_tensor(given["proposals"])
    found = values(heads(backbone(given["image"]), boxes))
    path = tmp_path / "model.keras"
    save_model(network, path, ModelInfo(("a",), ((0, 0, 0),)))
    again = values(load_model(path)(given))
    copied = values(as_float32(network)(given))
    for role, value in expected.items():
        assert np.array_equal(found[role], value)
        assert again[role] == pytest.approx(value, abs=1e-6)
        assert copied[role] == pytest.approx(value, abs=1e-6)


def test_of_several_strides_the_finest_is_pooled_and_sees_the_coarser_ones():
    model = build_model("fast_rcnn", 2, width=4, strides=(4, 8, 16), fc_width=16)
    features, _ = model.get_layer("roi_pool").input
    assert features.shape[-1] == JOINED and model.get_layer("roi_pool").stride == 4
    image = np.zeros((1, 64, 64, 3), np.float32)
    changed = image.copy()
    changed[:, 48:] = 255  # more than the 22 pixels that stride 4 alone sees
    backbone, _ = parts(model)
    before, after = (ops.convert_to_numpy(backbone(x)) for x in (image, changed))
    assert not np.array_equal(before[:, :4], after[:, :4])


def test_a_stride_that_the_encoder_does_not_have_is_refused():
    with pytest.raises(ValueError, match="no features at stride 64"):
        build_model("fast_rcnn", 2, "mobilenetv2", alpha=0.35, strides=(64,))


@pytest.mark.slow
def test_vgg16_has_the_published_number_of_parameters():
    """VGG16's 13 convolutions, two layers of 4096, 21 classes, 84 moves.

    14,714,688 + (25,088 + 1) 4,096 + (4,096 + 1) 4,096 + (4,096 + 1) (21 + 84)
    """
    model = build_model("fast_rcnn", 20, "vgg16")
    assert model.count_params() == 134_690_729
