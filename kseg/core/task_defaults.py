"""What a task changes in the options of a training: defaults and unused options."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Callable, Collection

from edge.core.errors import InputError
from kseg.core.configs import ExportConfig, TrainConfig
from kseg.core.options import flag
from kseg.core.time_options import limited_by_time

OBJECTS: dict[str, Any] = {
    "model": "instances",
    "batch_size": 16,
    "weight_decay": 0.05,
    "weight_decay_of": "kernels",
    "clip_norm": 10.0,
    "final_rate": 0.02,
    "warmup_steps": 200,
    "ema": 0.999,
    "scale": 1.5,
}
# Task -> option -> its default, where it differs from that of TrainConfig.
DEFAULTS: dict[str, dict[str, Any]] = {
    "semantic": {},
    "instance": OBJECTS,
    "detection": OBJECTS,
}
# Network -> option -> its default, where it differs from that of its task.
MODEL_DEFAULTS: dict[str, dict[str, Any]] = {
    "localize": {"scale": 1.2},  # larger crops would often lose the only object
    "fast_rcnn": {"learning_rate": 1e-3},
    "rcnn": {"learning_rate": 1e-3, "batch_size": 4},  # as many as the paper's crops
    "detr": {
        "weight_decay": 1e-4,
        "weight_decay_of": "all",
        "clip_norm": 0.1,
        "ema": 0.0,
    },
}
# Task -> the largest drop of the headline metric that an export accepts by default.
MAX_DROP = 0.02
MAX_DROPS: dict[str, float] = {"instance": 0.01, "detection": 0.01}
OF_PIXELS = (
    *("auxiliary", "boundary", "context", "output_stride"),
    *("loss", "class_weights", "border_weight", "loss_share"),
    *("hard_probability", "hard_share", "elastic", "rare_crops", "paste_classes"),
    "teacher",
)
# Task -> options that have no effect on it.
UNUSED: dict[str, tuple[str, ...]] = {
    "semantic": ("strides", "mosaic", "objects"),
    "instance": OF_PIXELS,
    "detection": (*OF_PIXELS, "paste"),
}

# Network -> options that have no effect on it, though its task has them.
UNUSED_BY_MODEL: dict[str, tuple[str, ...]] = {
    "instances": ("fc_width",),
    "localize": ("strides", "mosaic", "paste", "fc_width"),
    "yolo": ("upsampling", "fc_width"),
    "fast_rcnn": ("mosaic", "rotate"),
    # Its last stages are not planned.
    "rcnn": ("mosaic", "rotate", "strides", "hours"),
}


FRESH_RATE = 4e-3  # of networks of objects from scratch
# Smaller where heads have no normalization.
FRESH_RATES = {"rpn": 2e-3, "faster_rcnn": 2e-3, "mask_rcnn": 2e-3}


def pixel_rates(config: TrainConfig) -> dict[str, Any]:
    """The rates and schedule of `unet` with a pretrained encoder: the decoder is new.

    Chosen on three data sets at equal time, see docs/defaults.md. A training that
    starts from a run has good weights in all layers.
    """
    if config.model != "unet" or config.weights == "none" or config.init_from:
        return {}
    rates: dict[str, Any] = {"encoder_rate": 0.3, "schedule": "polynomial"}
    if config.optimizer != "sgd":
        rates["learning_rate"] = 4e-3
    return rates


def rates_of(config: TrainConfig) -> dict[str, Any]:
    """The learning rates of objects: smaller ones for weights that are already good.

    That of SGD is its usual one.
    """
    fresh = config.weights == "none" and not config.init_from
    rates = {} if fresh else {"encoder_rate": 0.3}
    if config.optimizer != "sgd":
        first = FRESH_RATES.get(config.model, FRESH_RATE)
        rates["learning_rate"] = first if fresh else 1e-3
    return rates


# Task -> function of a configuration that gives more defaults.
RATES: dict[str, Callable[[TrainConfig], dict[str, Any]]] = {
    "semantic": pixel_rates,
    "instance": rates_of,
    "detection": rates_of,
}


def detr_rates(config: TrainConfig) -> dict[str, Any]:
    """The learning rates of the paper, and a larger one for an encoder from scratch."""
    fresh = config.weights == "none" and not config.init_from
    rates = {} if fresh else {"encoder_rate": 0.1}
    if config.optimizer != "sgd":
        rates["learning_rate"] = 1e-3 if fresh else 1e-4
    return rates


# Network -> such a function, where it differs from that of its task.
MODEL_RATES: dict[str, Callable[[TrainConfig], dict[str, Any]]] = {
    "detr": detr_rates,
}


def for_task(config: TrainConfig, given: Collection[str], task: str) -> TrainConfig:
    """The configuration with the defaults of a task, where no value was given.

    `given` names the options that were. Raises InputError for one that has no effect
    on the task; those of a resumed run are compared with the options it has.
    """
    refuse(UNUSED.get(task, ()), given, config, f"the task {task}")
    model = model_of(config, given, task)
    refuse(UNUSED_BY_MODEL.get(model, ()), given, config, f"--model {model}")
    if 2 in config.strides and model != "fast_rcnn":
        raise InputError(
            f"--strides {','.join(map(str, config.strides))}: only fast_rcnn has "
            "features at stride 2; start with 4 or more"
        )
    return with_defaults(config, given, task)


def model_of(config: TrainConfig, given: Collection[str], task: str) -> str:
    """The network: that which was given, or the default of a task."""
    usual = DEFAULTS.get(task, {}).get("model", config.model)
    return config.model if "model" in given else usual


def with_defaults(
    config: TrainConfig, given: Collection[str], task: str
) -> TrainConfig:
    """As `for_task`, of options that have passed its checks."""
    rates = RATES[task](config) if task in RATES else {}
    model = model_of(config, given, task)
    defaults = DEFAULTS.get(task, {}) | rates | MODEL_DEFAULTS.get(model, {})
    defaults |= MODEL_RATES[model](config) if model in MODEL_RATES else {}
    changes = {name: value for name, value in defaults.items() if name not in given}
    return limited_by_time(replace(config, **changes, task=task), given)


def asked_options(config: TrainConfig) -> dict[str, Any]:
    """The options with which this training can be asked for again, by name.

    A value that is the default of both TrainConfig and the task is left out.
    """
    if config.hours and config.fold is not None and config.folds:
        config = replace(config, hours=config.hours * config.folds)  # of all folds
    values = {n.name: getattr(config, n.name) for n in fields(TrainConfig)}
    given = {n: x for n, x in values.items() if x != getattr(TrainConfig, n)}
    usual = with_defaults(TrainConfig(**given), given, config.task)
    # None cannot be asked for.
    others = {n: x for n, x in values.items() if x not in (getattr(usual, n), None)}
    # Runs from before `pixel_rates` have None, which meant another rate.
    of_pixels = RATES.get(config.task) is pixel_rates
    if of_pixels and config.peak_rate != usual.peak_rate:
        values["learning_rate"] = others["learning_rate"] = config.peak_rate
    return {n: x for n, x in values.items() if n in given | others}


def refuse(
    names: Collection[str], given: Collection[str], config: TrainConfig, what: str
) -> None:
    """Raises InputError for a given option of `names`, which has no effect there."""
    for name in names:
        if name in given and not config.resume:
            typed = flag(name, getattr(config, name))
            raise InputError(f"{typed}: has no effect on {what}; leave it out")


def max_drop_of(config: ExportConfig, task: str) -> float:
    """The largest accepted drop: --max-drop, or the default of a task.

    >>> max_drop_of(ExportConfig(), "instance")
    0.01
    """
    if config.max_drop is None:
        return MAX_DROPS.get(task, MAX_DROP)
    return config.max_drop
