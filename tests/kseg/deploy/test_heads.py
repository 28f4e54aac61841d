import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.deploy.conversion.tflite import convert
from kseg.deploy.heads import (
    at_low_resolution,
    boxes,
    head_name,
    info_with_head,
    labels,
    logits,
    part_for_head,
)
from kseg.models import build_model
from kseg.models.keras_engine import KerasEngine
from tests.support.engines import only

SIZE = (48, 80)
INFO = ModelInfo(tuple("abc"), palette(3))


@pytest.fixture(scope="module")
def network():
    """Scores at stride 8 with bilinear upsampling; the input is padded to 64x96."""
    return build_model("fcn8s", 3, width=4, upsampling="bilinear", fc_width=16)


def give_scores(network):
    """Sets random score weights: in untrained FCNs, those of the skips are zero."""
    random = np.random.RandomState(1)
    for weight in network.trainable_weights:
        if weight.path.startswith("score"):
            weight.assign(random.normal(0, 0.3, weight.shape))


@pytest.mark.slow
def test_the_predictor_replaces_the_last_upsampling(network, tmp_path):
    give_scores(network)
    image = np.random.RandomState(0).randint(0, 256, (*SIZE, 3), np.uint8)
    exact = SemanticPredictor(KerasEngine(network, SIZE), INFO).predict(image).labels
    path = tmp_path / "small.tflite"
    small = at_low_resolution(network, SIZE)
    path.write_bytes(convert(small, "float32", SIZE, logits, list))
    engine = open_engine(path)
    assert only(engine, image).shape == (6, 10, 3)
    # Bilinear in the graph and in OpenCV are equal, except in the last row and column
    # of cells, which border on padding in the graph and on nothing in OpenCV.
    found = SemanticPredictor(engine, INFO).predict(image).labels
    assert (found == exact)[:-4, :-4].mean() > 0.999

    path.write_bytes(convert(small, "float32", SIZE, labels, list))
    found = SemanticPredictor(open_engine(path), INFO).predict(image).labels
    blocks = found.reshape(6, 8, 10, 8)
    assert (blocks == blocks[:, :1, :, :1]).all()  # one label per cell


def test_sizes_that_are_not_a_multiple_of_the_stride_are_rejected(network):
    with pytest.raises(InputError, match="50x80 is not a multiple of 8.*--size 48x80"):
        at_low_resolution(network, (50, 80))


@pytest.mark.parametrize("model", ["unet", "unet_paper", "patch"])
def test_networks_without_a_final_upsampling_are_rejected(model):
    network = build_model(model, 3, width=4)
    with pytest.raises(InputError, match="does not end in an upsampling.*; leave out"):
        at_low_resolution(network, SIZE)


def test_the_head_boxes_makes_a_detection_file_of_stretched_images():
    info = ModelInfo(tuple("abc"), palette(3), task="instance")
    changed = info_with_head(info, head_name(info, "boxes"))
    assert (changed.task, changed.head, changed.resize) == (
        *("detection", "boxes", "stretch"),
    )
    raw = info_with_head(info, head_name(info, ""))
    assert (raw.task, raw.head, raw.resize) == ("instance", "raw", "fit")


def test_boxes_of_other_kinds_of_decoders_are_refused():
    info = ModelInfo(("a",), palette(1), task="detection", decoder={"kind": "other"})
    with pytest.raises(InputError, match="--head boxes: not known for detection; use"):
        head_name(info, "boxes")


def test_the_part_of_boxes_has_no_masks():
    network = build_model("instances", 2, width=4)
    part = part_for_head(network, "boxes")
    assert set(part.output) == {"scores", "boxes"}
    assert part.count_params() < network.count_params()
    assert part_for_head(network, "raw") is network
    images = np.random.RandomState(0).randint(0, 256, (1, 64, 64, 3)).astype(np.float32)
    expected, found = boxes(network(images)), boxes(part(images))
    assert list(found) == ["scores", "boxes"]
    for role, value in found.items():
        np.testing.assert_allclose(value, expected[role], atol=1e-6)
