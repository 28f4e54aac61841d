"""Checks of options that the type of one value cannot make."""

from __future__ import annotations

from dataclasses import fields

from edge.core.errors import InputError
from kseg.core.configs import DoctorConfig, SummaryConfig, TrainConfig
from kseg.core.names import MODEL_NAMES
from kseg.core.options import flag

LEAST_LOSS_SHARE = 0.01
LEAST_SIDE = 16  # pixels; smaller images show nothing


def check_train(config: TrainConfig) -> None:
    """Raises InputError for options outside their range, or that exclude each other."""
    check_scale(config.scale)
    if not config.data:
        raise InputError("--data: is empty; give a data folder or shapes")
    if config.max_side < LEAST_SIDE:
        raise InputError(f"--max-side {config.max_side}: must be at least {LEAST_SIDE}")
    if config.learning_rate == 0:
        raise InputError("--learning-rate 0: must be over 0")
    if config.hours == 0:
        raise InputError("--hours 0: must be over 0; a minute is 0.017")
    if 0 < config.loss_share < LEAST_LOSS_SHARE:
        raise InputError(
            f"--loss-share {config.loss_share:g}: must be at least {LEAST_LOSS_SHARE}: "
            "a step reads 1 / LOSS_SHARE times as many images"
        )
    if config.color > 1:
        raise InputError(f"--color {config.color}: must be from 0 to 1")
    if config.border_weight and config.class_weights != "none":
        raise InputError(
            "--border-weight and --class-weights cannot be combined: U-Net's formula "
            "adds the first to a class's weight; give one of them"
        )
    if config.folds == 1:
        raise InputError("--folds 1: must be at least 2; one part is left for each run")
    if config.teacher:
        check_teacher(config)
    if config.encoder_rate > 1:
        raise InputError(f"--encoder-rate {config.encoder_rate}: must be from 0 to 1")


def check_teacher(config: TrainConfig) -> None:
    """Raises InputError for options that do not go with those of teachers."""
    if config.border_weight:
        raise InputError(
            "--border-weight and --teacher cannot be combined: the weights are for "
            "masks, and soft labels take their place; give one of them"
        )
    for name in ("teacher_weight", "teacher_temperature"):
        if not getattr(config, name):
            raise InputError(f"{flag(name)} 0: must be over 0")


def check_summary(config: SummaryConfig) -> None:
    """Raises InputError for options of a network given with a trained one."""
    if config.model in ("", *MODEL_NAMES):
        return
    for item in fields(config):
        built = item.name not in ("model", "size", "json")
        if built and getattr(config, item.name) != item.default:
            raise InputError(
                f"{flag(item.name)}: has no effect on {config.model}, whose network is "
                "already built; leave it out"
            )


def check_doctor(config: DoctorConfig) -> None:
    """Raises InputError for options that do not go together."""
    if config.show_augmentation and not config.output:
        raise InputError("--show-augmentation: give a folder for the figure: --output")
    check_scale(config.scale)


def check_scale(scale: float) -> None:
    """Raises InputError for a largest factor under 1."""
    if scale < 1:
        raise InputError(
            f"--scale {scale}: must be 1 or more; it is the largest factor"
        )
