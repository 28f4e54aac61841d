"""Networks of regions: exact sizes, outputs, layers by hand, saving, frozen layers."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.models import build_model, encoder_layers, geometry
from kseg.models.analysis.graph import trace
from kseg.models.detection.region_layers import (
    OwnClass,
    Proposals,
    RegionObjects,
)
from kseg.models.layers.norm import as_float32

CLASSES = 3
SMALL = {"width": 4, "strides": (4, 8), "fc_width": 16, "anchor_scale": 4.0}
COUNTS = {"counts": (30, 10), "training_counts": (30, 12)}


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build_model("mask_rcnn", CLASSES, **SMALL, **COUNTS)


def random_image(height, width, batch=1):
    random = np.random.RandomState(0)
    return random.uniform(0, 255, (batch, height, width, 3)).astype("float32")


def outputs_of(model, image):
    given = [image] if isinstance(model.input, list) else image
    return {k: ops.convert_to_numpy(v) for k, v in model(given).items()}


@pytest.mark.parametrize("size", ((32, 48), (37, 50)), ids=str)
def test_outputs_have_100_places(network, size):
    found = outputs_of(network, random_image(*size, batch=2))
    assert {role: x.shape for role, x in found.items()} == {
        "boxes": (2, 100, 4),
        "scores": (2, 100),
        "class_ids": (2, 100),
        "masks": (2, 100, 28, 28),
    }
    assert found["class_ids"].dtype == np.int32
    assert found["class_ids"].max() < CLASSES
    boxes, scores = found["boxes"], found["scores"]
    assert (np.diff(scores) <= 0).all() and 0 < scores.max() < 1
    assert boxes.min() >= 0 and (boxes.max(axis=(0, 1)) <= np.tile(size[::-1], 2)).all()
    assert not boxes[scores == 0].any() and (scores == 0).any()


def test_boxes_alone_and_proposals():
    detector = build_model("faster_rcnn", CLASSES, **SMALL, **COUNTS)
    found = outputs_of(detector, random_image(32, 32))
    assert set(found) == {"boxes", "scores", "class_ids"}
    proposer = build_model("rpn", 1, **SMALL, before=40)
    found = outputs_of(proposer, random_image(32, 32))
    assert {role: x.shape for role, x in found.items()} == {
        "boxes": (1, 100, 4),
        "scores": (1, 100),
        "class_ids": (1, 100),
    }
    assert not found["class_ids"].any()


def test_the_size_is_a_multiple_of_the_coarsest_stride_of_the_encoder(network):
    assert geometry(network).minimum == 8
    assert encoder_layers(network)


def test_strides_with_a_gap_are_refused():
    with pytest.raises(ValueError, match="must each be twice the one before"):
        build_model("rpn", 1, **{**SMALL, "strides": (4, 16)})


def test_saved_copied_and_loaded_gives_equal_outputs(network, tmp_path):
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    image = random_image(32, 32)
    expected = outputs_of(network, image)
    for other in (loaded, as_float32(network)):
        assert other.count_params() == network.count_params()
        found = outputs_of(other, image)
        assert all((expected[role] == found[role]).all() for role in expected)


def test_the_graph_of_a_size_has_known_shapes(network):
    """For the summary: masks are computed for 100 boxes."""
    graph = trace(network, (32, 32))
    shapes = {x.name: x.shape for x in graph.tensors}
    assert shapes["masks"] == (1, 100, 28, 28)
    assert shapes["mask_join"] == (100, 14, 14, 4)
    assert shapes["score_class"] == (1, 10, CLASSES + 1)


def test_training_has_its_own_number_of_proposals(network):
    backbone = keras.Model(network.input, network.get_layer("proposals").output)
    image = random_image(32, 32)
    for training, count in ((False, 10), (True, 12)):
        boxes, scores = backbone(image, training=training)
        assert tuple(boxes.shape) == (1, count, 4) and scores.shape[1] == count


# --- a pretrained encoder ---


def test_frozen_leaves_the_first_stage_and_batch_norm_as_they_are():
    model = build_model("rpn", 1, **SMALL, frozen=True)
    trained = {
        layer.name: layer.trainable for layer in encoder_layers(model) if layer.weights
    }
    assert not trained["encoder_down1_1_conv"] and not trained["encoder_down4_2_conv"]
    assert trained["encoder_down8_1_conv"] and not trained["encoder_down8_1_bn"]
    copy = as_float32(model)
    assert len(copy.trainable_variables) == len(model.trainable_variables)
    free = build_model("rpn", 1, **SMALL)
    assert all(layer.trainable for layer in free.layers)


# --- layers, by hand ---


def test_proposals_by_hand():
    """One level of 1 x 2 cells of stride 8, square anchors of 8 pixels.

    They are -4 to 4 around x = 0 and 8; the deltas move them to the right and down by
    half a side, so that they are 0 to 8 and 8 to 16. The image ends at x = 12.
    """
    layer = Proposals((8,), (2, 3), (2, 3), scale=1.0, ratios=(1.0,))
    image = np.zeros((1, 8, 12, 3), np.float32)
    level = np.zeros((1, 1, 2, 4), np.float32)
    deltas = np.float32([[[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]]])
    boxes, scores = layer(image, np.float32([[0, 1]]), deltas, [level])
    expected = [[8, 0, 12, 8], [0, 0, 8, 8], [0, 0, 0, 0]]
    assert ops.convert_to_numpy(boxes)[0].tolist() == expected
    sigmoid = 1 / (1 + np.exp(-1))
    assert ops.convert_to_numpy(scores)[0].tolist() == pytest.approx([sigmoid, 0.5, 0])


def test_proposals_of_a_level_suppress_each_other_but_not_those_of_another():
    layer = Proposals((4, 8), (4, 4), (4, 4), scale=1.0, ratios=(1.0, 1.0))
    image = np.zeros((1, 8, 8, 3), np.float32)
    grids = [np.zeros((1, 1, 1, 2), np.float32)] * 2
    # The anchors of both levels are moved to the same box, 0 to 4.
    half = np.log(0.5)
    deltas = [[0.5, 0.5, 0, 0]] * 2 + [[0.25, 0.25, half, half]] * 2
    logits = np.float32([[1, 2, 3, 4]])
    _, scores = layer(image, logits, np.float32([deltas]), grids)
    found = ops.convert_to_numpy(scores)[0]
    assert found.tolist() == pytest.approx([*1 / (1 + np.exp([-4.0, -2.0])), 0, 0])


def test_objects_by_hand():
    """Two proposals, two classes: of the first both are over 0.05, of the second one.

    Both boxes of class 0 are the same, so that the worse is left out.
    """
    layer = RegionObjects(4)
    image = np.zeros((1, 32, 32, 3), np.float32)
    logits = np.log(np.float32([[[0.1, 0.6, 0.3], [0.48, 0.5, 0.02]]]))
    deltas = np.zeros((1, 2, 12), np.float32)
    deltas[0, 0, 8] = 10  # dx of class 1 is one width
    proposals = np.float32([[[0, 0, 8, 8], [0, 0, 8, 8]]])
    given = (image, logits, deltas, proposals, np.float32([[0.9, 0.8]]))
    boxes, scores, ids = (ops.convert_to_numpy(x)[0] for x in layer(*given))
    assert scores.tolist() == pytest.approx([0.6, 0.3, 0, 0])
    assert ids.tolist() == [0, 1, 0, 0]
    assert boxes.tolist()[:2] == [[0, 0, 8, 8], [8, 0, 16, 8]] and not boxes[2:].any()


def test_a_place_without_a_proposal_is_no_object():
    layer, image = RegionObjects(2), np.zeros((1, 32, 32, 3), np.float32)
    logits, deltas = np.float32([[[0, 9]]]), np.zeros((1, 1, 8), np.float32)
    box = np.float32([[[0, 0, 8, 8]]])
    for quality, count in ((0.1, 1), (0, 0)):
        found = layer(image, logits, deltas, box, np.float32([[quality]]))
        assert (ops.convert_to_numpy(found[1]) > 0).sum() == count


def test_the_mask_of_an_object_is_that_of_its_class():
    masks = np.arange(3, dtype=np.float32) * np.ones((1, 2, 4, 4, 1), np.float32)
    found = ops.convert_to_numpy(OwnClass()(masks, np.int32([[1, 0]])))
    assert (found[0, 0] == 2).all() and (found[0, 1] == 1).all()


# --- sizes of the papers ---

# torchvision's own numbers of its R-CNN networks on ResNet50 with 90 classes and the
# background. Its batch normalizations are constants there; those of Keras's ResNet50
# have weights, and its convolutions have biases.
TORCHVISION = {"faster_rcnn": 41_755_286, "mask_rcnn": 44_401_393}
CONV_BIASES, SCALES, STATISTICS = 26_560, 53_120, 53_120


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"), [("faster_rcnn", 41_888_086), ("mask_rcnn", 44_534_193)]
)
def test_the_parameters_are_those_of_torchvision(name, expected):
    assert CONV_BIASES + SCALES + STATISTICS == 132_800
    assert expected == TORCHVISION[name] + 132_800
    model = build_model(name, 90, "resnet50")
    assert model.count_params() == expected
    backbone = [layer for layer in encoder_layers(model) if layer.weights]
    norms = [x for x in backbone if isinstance(x, layers.BatchNormalization)]
    convolutions = [x for x in backbone if isinstance(x, layers.Conv2D)]
    assert sum(x.bias.shape[0] for x in convolutions) == CONV_BIASES
    assert sum(2 * x.gamma.shape[0] for x in norms) == SCALES == STATISTICS
