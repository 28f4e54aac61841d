"""The encoders by name."""

from __future__ import annotations

from kseg.models.encoders.alexnet import alexnet
from kseg.models.encoders.applications import (
    efficientnetv2b0,
    mobilenetv2,
    mobilenetv3,
    resnet50,
    vgg16,
)
from kseg.models.encoders.efficientnet_lite import efficientnetlite0
from kseg.models.encoders.googlenet import googlenet
from kseg.models.encoders.plain import plain

ENCODERS = {
    "plain": plain,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "googlenet": googlenet,
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "mobilenetv3": mobilenetv3,
    "efficientnetv2b0": efficientnetv2b0,
    "efficientnetlite0": efficientnetlite0,
}
