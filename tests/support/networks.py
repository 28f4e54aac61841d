"""Networks of every kind, for tests that all of them must pass."""

from dataclasses import dataclass, field
from typing import Any

import pytest

CLASSES = 3


@dataclass(frozen=True)
class Case:
    """One network and its options."""

    model: str
    encoder: str = "plain"
    upsampling: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join(filter(None, (self.model, self.encoder, self.upsampling)))

    def build(self, **more: Any) -> Any:
        import keras

        from kseg.models import build_model

        keras.utils.set_random_seed(0)
        options = {**self.options, "upsampling": self.upsampling, **more}
        return build_model(self.model, CLASSES, self.encoder, **options)


WIDTH = {"width": 4}
FC = {"fc_width": 64}
SLIM = {"alpha": 0.35}
TWO = {
    "fcn32s": ("transposed", "bilinear"),
    "fcn16s": ("transposed", "nearest"),
    "fcn8s": ("transposed", "resize-conv"),
    "unet": ("bilinear", "unpool"),
    "unet_paper": ("transposed", "nearest"),
    "segnet": ("unpool", "bilinear"),
    "hypercolumn": ("bilinear", "transposed"),
    "patch": ("nearest", "bilinear"),
    "dense": (None,),  # it has no upsampling
}
ON_PLAIN = [
    Case(model, "plain", how, {**WIDTH, **(FC if model.startswith("fcn") else {})})
    for model, ways in TWO.items()
    for how in ways
]
LIGHT = [
    Case("unet", "mobilenetv2", "bilinear", SLIM),
    Case("fcn8s", "alexnet", "transposed", FC),
]
HEAVY = [
    Case("fcn8s", "mobilenetv2", "transposed", {**SLIM, **FC}),
    Case("unet", "vgg16", "unpool"),
    Case("unet", "googlenet", "transposed"),
    Case("unet", "resnet50", "resize-conv"),
    Case("unet", "mobilenetv3", "nearest"),
    Case("unet", "efficientnetv2b0", "bilinear"),
    Case("unet", "efficientnetlite0", "bilinear"),
]
# Their network and their encoder are each in another case.
REPEATED = [
    Case("unet", "alexnet", "bilinear"),
    Case("fcn8s", "vgg16", "transposed", FC),
    Case("segnet", "vgg16", "unpool"),
    Case("fcn32s", "googlenet", "transposed"),
]
ALL = [*ON_PLAIN, *LIGHT, *HEAVY, *REPEATED]
slow, full = pytest.mark.slow, pytest.mark.full
CASES = [
    *ON_PLAIN,
    *LIGHT,
    *(pytest.param(case, marks=slow) for case in HEAVY),
    *(pytest.param(case, marks=full) for case in REPEATED),
]


def sampled(*names: str) -> list[Any]:
    """All cases for slow tests: those named are marked slow, the others full."""
    assert set(names) <= {str(case) for case in ALL}, names
    return [
        pytest.param(case, id=str(case), marks=slow if str(case) in names else full)
        for case in ALL
    ]
