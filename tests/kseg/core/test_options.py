"""Options that would do nothing, and groups of options that commands share."""

from dataclasses import dataclass, fields

import pytest

from edge.core.errors import InputError
from kseg.core.augmentation_options import AugmentationOptions
from kseg.core.configs import (
    DoctorConfig,
    ExportConfig,
    SummaryConfig,
    TrainConfig,
    from_record,
    to_record,
)
from kseg.core.options import (
    ArchitectureOptions,
    CropOptions,
    Use,
    option,
    refuse_unused,
)


@dataclass(frozen=True)
class Paint:
    """Options of a command that paints."""

    color: str = option("", "or none")
    coats: int = option(
        1, "how many", Use(lambda paint: paint.color, "without --color")
    )


def test_an_option_that_does_nothing_is_refused_by_what_it_needs():
    with pytest.raises(InputError, match="^--coats: has no effect without --color$"):
        refuse_unused(Paint(coats=2))
    refuse_unused(Paint(color="red", coats=2))
    refuse_unused(Paint())


def test_an_option_that_was_given_its_default_is_refused_too():
    with pytest.raises(InputError, match="--coats"):
        refuse_unused(Paint(), given={"coats"})
    refuse_unused(Paint(coats=2), given={"color"})


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"sparsity": 0.3}, "--sparsity: has no effect without a scheme that is fine-"),
        ({"seed": 1, "quantize": ("int8",)}, "--seed: has no effect without a scheme"),
        ({"clusters": 8, "quantize": ("pruned",)}, "--clusters: .* clustered, "),
        (
            {"mixed_precision": True, "quantize": ("int16x8",)},
            "--mixed-precision: .* add int8 to --quantize",
        ),
        ({"size": (64, 64), "check": ("a.tflite",)}, "--size: .* with --check"),
    ],
)
def test_options_of_export_that_do_nothing(options, refusal):
    with pytest.raises(InputError, match=refusal) as caught:
        refuse_unused(ExportConfig("RUN", **options))
    assert "\n" not in str(caught.value) and caught.value.status == 2


def test_options_of_export_that_do_something():
    refuse_unused(ExportConfig("RUN", quantize=("pruned-qat",), sparsity=0.3, seed=1))
    refuse_unused(ExportConfig("RUN", explain=True, mixed_precision=True))
    refuse_unused(ExportConfig(check=("a.tflite",), json="-"))


@pytest.mark.parametrize(
    ("group", "others"),
    [
        (AugmentationOptions, (TrainConfig, DoctorConfig)),
        (CropOptions, (TrainConfig, DoctorConfig)),
        (ArchitectureOptions, (TrainConfig, SummaryConfig)),
    ],
)
def test_commands_share_the_options_of_a_group(group, others):
    for cls in others:
        shared = {item.name: item for item in fields(cls)}
        for item in fields(group):
            assert shared[item.name].default == item.default
            assert shared[item.name].metadata == item.metadata


def test_the_doctor_shows_what_a_training_with_its_options_would_do():
    doctor = DoctorConfig("DIR", size=(64, 80), blur=1.5, rare_crops=0.5, flip=False)
    training = from_record(TrainConfig, to_record(doctor))
    assert training.data == "DIR" and training.size == (64, 80)
    names = [
        item.name
        for group in (AugmentationOptions, CropOptions)
        for item in fields(group)
    ]
    assert all(getattr(training, n) == getattr(doctor, n) for n in names)
