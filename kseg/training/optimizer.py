"""Optimizers and the learning rate's course. Keras alone: any backend."""

from __future__ import annotations

from math import pi
from typing import Any, Optional

import keras
from keras import ops

from kseg.models.layers.norm import ENCODER

MOMENTUM = 0.9  # of SGD
POWER = 0.9  # of the polynomial course


class EncoderRate:
    """Makes an optimizer do a share of its updates to the encoder.

    `encoder_rate` in (0, 1] scales what a step changes, weight decay included. Scaling
    the gradients would change nothing: Adam divides by their running size.

    The running average of the weights, which Keras keeps with `use_ema`, stays beside
    them: Keras would put it in their place at the end of every `fit`, and a run that
    was resumed has more than one.
    """

    def __init__(self, *args: Any, encoder_rate: float = 1.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.encoder_rate = encoder_rate

    def apply(self, grads: Any, trainable_variables: Optional[Any] = None) -> None:
        variables = trainable_variables or self._trainable_variables
        slow = [v for v in variables if v.path.startswith(ENCODER)]
        if self.encoder_rate == 1:
            slow = []
        before = [ops.copy(variable) for variable in slow]
        super().apply(grads, trainable_variables)
        for variable, old in zip(slow, before, strict=True):
            variable.assign(old + self.encoder_rate * (variable - old))

    def finalize_variable_values(self, var_list: Any) -> None:
        """Nothing: see `average_into`."""

    def average_into(self, variables: Any) -> None:
        """Puts the averages into `variables`, which are in the order of the trained."""
        super().finalize_variable_values(variables)
        for variable in variables:  # JAX has them share memory, and frees it in a step
            variable.assign(ops.copy(variable))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoder_rate": self.encoder_rate}


@keras.saving.register_keras_serializable("kseg")
class AdamW(EncoderRate, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""


@keras.saving.register_keras_serializable("kseg")
class SGD(EncoderRate, keras.optimizers.SGD):
    """Stochastic gradient descent with momentum; decay as in AdamW, times the rate."""


OPTIMIZERS = {
    "adamw": (AdamW, {}),
    "sgd": (SGD, {"momentum": MOMENTUM, "nesterov": True}),
}


@keras.saving.register_keras_serializable("kseg")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 to `peak` in a line over `warmup` steps, then down to 0 at step `total`.

    With t the share of the way down, `course` is "cosine", (1 + cos(pi t)) / 2
    (Loshchilov and Hutter, SGDR, 2017), or "polynomial", (1 - t) ** 0.9 (Chen et al.,
    DeepLab, 2017).
    """

    def __init__(self, peak: float, total: int, warmup: int, course: str):
        if course not in COURSES:
            raise ValueError(f"`course` must be one of {COURSES}, got {course!r}.")
        self.peak, self.total, self.warmup = peak, total, warmup
        self.course = course

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        down = (step - self.warmup) / max(1, self.total - self.warmup)
        down = ops.clip(down, 0.0, 1.0)
        if self.course == "cosine":
            rate = (1 + ops.cos(pi * down)) / 2
        else:
            rate = ops.power(1 - down, POWER)
        if self.warmup:
            rate = ops.where(step < self.warmup, step / self.warmup, rate)
        return self.peak * rate

    def get_config(self) -> dict[str, Any]:
        names = ("peak", "total", "warmup", "course")
        return {name: getattr(self, name) for name in names}


COURSES = ("cosine", "polynomial")


def new_optimizer(
    name: str,
    schedule: Schedule,
    weight_decay: float,
    encoder_rate: float = 1.0,
    ema: float = 0.0,
) -> keras.optimizers.Optimizer:
    """One of OPTIMIZERS; with `ema` it averages the weights over 1 / (1 - ema) steps.

    The average is exponential; averaging is Polyak and Juditsky's (1992).
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"`name` must be one of {sorted(OPTIMIZERS)}, got {name!r}.")
    cls, options = OPTIMIZERS[name]
    average = {"use_ema": True, "ema_momentum": ema} if ema else {}
    return cls(
        schedule,
        weight_decay=weight_decay,
        encoder_rate=encoder_rate,
        **options,
        **average,
    )


def average_into(optimizer: Any, variables: Any) -> None:
    """Puts an optimizer's averaged weights, if it has them, into `variables`."""
    # With float16 it is wrapped, for the scaling of the loss.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer.use_ema:
        optimizer.average_into(variables)
