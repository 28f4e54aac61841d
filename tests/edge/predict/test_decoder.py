"""Parameters of decoding, and the outputs that a task needs."""

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.decoder import Decoder, decoder_of, output_indices

INFO = ModelInfo(class_names=("cat",), colors=((1, 2, 3),), task="detection")


def info_with(**decoder) -> ModelInfo:
    return ModelInfo(INFO.class_names, INFO.colors, "detection", decoder=decoder)


def outputs(*names: str) -> list[TensorSpec]:
    return [TensorSpec(name, (1, 4, 4), np.dtype(np.float32)) for name in names]


def test_missing_entries_have_defaults_and_unknown_ones_are_ignored():
    assert decoder_of(INFO) == Decoder()
    found = decoder_of(info_with(strides=[8, 16], score=0.5, later=1))
    assert found == Decoder(strides=(8, 16), score=0.5)


@pytest.mark.parametrize(
    "name, value",
    [
        ("strides", [8, 0]),
        ("variances", [0.1, 0.2]),
        ("anchor_scale", 0),
        ("score", 1.5),
        ("nms", "0.5"),
        ("max_detections", 0),
    ],
)
def test_an_invalid_value_is_named(name, value):
    with pytest.raises(InputError, match=f"decoder's {name} is .*; it must be"):
        decoder_of(info_with(**{name: value}))


def test_outputs_are_found_by_role_and_else_by_name():
    named = outputs("boxes", "scores")
    assert output_indices(("scores", "boxes"), INFO, named) == {"scores": 1, "boxes": 0}
    info = ModelInfo(
        INFO.class_names, INFO.colors, "detection", outputs=("scores", "boxes")
    )
    assert output_indices(("boxes",), info, outputs("a", "b")) == {"boxes": 1}


def test_missing_and_superfluous_outputs_are_refused():
    with pytest.raises(InputError, match="no output boxes among its 1"):
        output_indices(("boxes",), INFO, outputs("scores"))
    info = ModelInfo(INFO.class_names, INFO.colors, "detection", outputs=("scores",))
    with pytest.raises(InputError, match="names 1 outputs .*, and it has 2"):
        output_indices(("scores",), info, outputs("a", "b"))
