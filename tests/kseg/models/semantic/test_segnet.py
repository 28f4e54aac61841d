"""SegNet: the decoder gets only the positions of the encoder's maxima."""

import numpy as np
from keras import layers

from kseg.models import build_model
from kseg.models.layers.upsampling import MaxUnpool


def test_positions_are_those_of_each_stage():
    model = build_model("segnet", 3, "vgg16")
    for number, stride in enumerate((1, 2, 4, 8, 16), 1):
        layer = model.get_layer(f"up{stride}_enlarge")
        assert isinstance(layer, MaxUnpool)
        _, before, after = layer.input
        pool = model.get_layer(f"encoder_block{number}_pool")
        assert before is pool.input and after is pool.output


def test_decoder_has_the_encoders_convolutions_mirrored():
    model = build_model("segnet", 3, "vgg16")
    decoder = [
        layer.filters
        for layer in model.layers
        if isinstance(layer, layers.Conv2D) and layer.name.startswith("up")
    ]
    # The encoder's 64 64 128 128 256 256 256 512 512 512 512 512 512 reversed; the last
    # convolution of a stage has the width of the next stage.
    assert decoder == [512] * 5 + [256] * 3 + [128] * 2 + [64] * 3
    assert len(decoder) == 13


def test_there_are_no_skip_connections():
    """Only unpooling and the coarsest features connect encoder and decoder."""
    model = build_model("segnet", 3, width=4)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not kinds & {"Concatenate", "Add"}


def test_other_upsamplings_need_no_poolings():
    model = build_model("segnet", 3, "mobilenetv2", alpha=0.35, upsampling="bilinear")
    logits = model(np.zeros((1, 40, 72, 3), "float32"), training=False)
    assert logits.shape == (1, 40, 72, 3)
