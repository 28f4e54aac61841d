"""Optimizers and learning rate schedules. Only Keras: runs on every backend."""

from __future__ import annotations

from math import pi
from typing import Any, Optional

import keras
from keras import ops

from kseg.models.layers.fused import adam_step, on_processor
from kseg.models.layers.norm import ENCODER
from kseg.training.losses.replicas import one_replica, sum_over_replicas

MOMENTUM = 0.9  # of SGD
POWER = 0.9  # of the polynomial schedule
NO_KERNELS = ("bias", "beta", "gamma")  # names of biases and batch norm's weights


class EncoderRate:
    """Scales the updates of the encoder by a factor: a mixin for optimizers.

    `encoder_rate` in (0, 1] multiplies each update, weight decay included. Scaling the
    gradients instead would have no effect, because Adam normalizes them.

    With `use_ema` Keras overwrites the weights with their moving average at the end of
    every `fit`. Here the average is kept separate (`average_into`), because a resumed
    run calls `fit` more than once.
    """

    def __init__(self, *args: Any, encoder_rate: float = 1.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.encoder_rate = encoder_rate
        if hasattr(self._learning_rate, "progress"):  # a TimedSchedule
            self.schedule = self._learning_rate
            # Its variable is part of the state of a step, and of a checkpoint.
            self.progress = self.schedule.progress

    def apply(self, grads: Any, trainable_variables: Optional[Any] = None) -> None:
        variables = trainable_variables or self._trainable_variables
        slow = [v for v in variables if v.path.startswith(ENCODER)]
        if self.encoder_rate == 1:
            slow = []
        before = [ops.copy(variable) for variable in slow]
        super().apply(grads, trainable_variables)
        for variable, old in zip(slow, before, strict=True):
            variable.assign(old + self.encoder_rate * (variable - old))

    def _clip_gradients(self, grads: Any) -> Any:
        """Limits the norm of all gradients together to `global_clipnorm`.

        Under a `tf.distribute` strategy Keras clips those of each replica before it
        adds them up, which gives other updates than one device does.
        """
        if not self.global_clipnorm:
            return super()._clip_gradients(grads)
        wholes = [sum_over_replicas(gradient) for gradient in grads]
        squares = [ops.sum(ops.square(gradient)) for gradient in wholes]
        norm = ops.sqrt(sum(squares))
        factor = self.global_clipnorm / ops.maximum(norm, self.global_clipnorm)
        return [gradient * factor for gradient in grads]

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        """Averages over fewer steps at first: the weights of step 0 soon count little.

        The decay of step t is at most (1 + t) / (10 + t), as in TensorFlow's
        ExponentialMovingAverage. With a constant decay of 0.999, the first weights
        would still count for a third after 1000 steps.
        """
        asked, step = self.ema_momentum, ops.cast(self.iterations, "float32")
        self.ema_momentum = ops.minimum(asked, (1 + step) / (10 + step))
        try:
            super()._update_model_variables_moving_average(trainable_variables)
        finally:
            self.ema_momentum = asked

    def finalize_variable_values(self, var_list: Any) -> None:
        """Does nothing: see `average_into`."""

    def average_into(self, variables: Any) -> None:
        """Assigns the averages to `variables`, in the order of the trained ones.

        Those of heads, which are the last and are not saved, may be missing.
        """
        rest = self._model_variables_moving_average[len(variables) :]
        super().finalize_variable_values([*variables, *rest])  # Keras wants them all
        # On JAX they share memory with the averages, which the next step frees.
        for variable in variables:
            variable.assign(ops.copy(variable))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoder_rate": self.encoder_rate}


@keras.saving.register_keras_serializable("kseg")
class AdamW(EncoderRate, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates a variable, on one processor in one operation."""
        plain = gradient.dtype == variable.dtype == "float32"
        plain = plain and not (self.amsgrad or hasattr(gradient, "indices"))  # sparse
        if not (plain and on_processor() and one_replica()):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        adam_step(
            variable,
            self._momentums[index].value,
            self._velocities[index].value,
            gradient,
            learning_rate,
            self.iterations + 1,
            self.beta_1,
            self.beta_2,
            self.epsilon,
        )


@keras.saving.register_keras_serializable("kseg")
class SGD(EncoderRate, keras.optimizers.SGD):
    """Stochastic gradient descent with momentum; decoupled weight decay as in AdamW."""


OPTIMIZERS = {
    "adamw": (AdamW, {}),
    "sgd": (SGD, {"momentum": MOMENTUM, "nesterov": True}),
}


@keras.saving.register_keras_serializable("kseg")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0 to `peak` over `warmup` steps, then decay until `total`.

    `course` is "cosine", (1 + cos(pi t)) / 2 (Loshchilov and Hutter, SGDR, 2017), or
    "polynomial", (1 - t) ** 0.9 (Chen et al., DeepLab, 2017), where t goes from 0 after
    the warm-up to 1 at step `total`. `final` is the share of the peak that is left
    there.
    """

    def __init__(
        self, peak: float, total: int, warmup: int, course: str, final: float = 0.0
    ):
        if course not in SCHEDULES:
            raise ValueError(f"`course` must be one of {SCHEDULES}, got {course!r}.")
        self.peak, self.total, self.warmup = peak, total, warmup
        self.course, self.final = course, final

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        t = (step - self.warmup) / max(1, self.total - self.warmup)
        rate = decay(t, self.course)
        rate = self.final + (1 - self.final) * rate
        if self.warmup:
            rate = ops.where(step < self.warmup, step / self.warmup, rate)
        return self.peak * rate

    def get_config(self) -> dict[str, Any]:
        names = ("peak", "total", "warmup", "course", "final")
        return {name: getattr(self, name) for name in names}


SCHEDULES = ("cosine", "polynomial")


def decay(t: Any, course: str) -> Any:
    """The rate at `t`, as a share of the peak: from 1 at t = 0 to 0 at t = 1."""
    t = ops.clip(t, 0.0, 1.0)
    if course == "cosine":
        return (1 + ops.cos(pi * t)) / 2
    return ops.power(1 - t, POWER)


def new_optimizer(
    name: str,
    schedule: Schedule,
    weight_decay: float,
    encoder_rate: float = 1.0,
    ema: float = 0.0,
    clip_norm: float = 0.0,
    decayed: str = "all",
) -> keras.optimizers.Optimizer:
    """Makes one of OPTIMIZERS. Raises ValueError for another name.

    With `ema` it keeps an exponential moving average of the weights over about
    1 / (1 - ema) steps (averaging: Polyak and Juditsky, 1992). `clip_norm` limits the
    norm of the gradient of all weights. `decayed` is "all" or "kernels": biases and
    batch norm's weights then have no weight decay.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"`name` must be one of {sorted(OPTIMIZERS)}, got {name!r}.")
    cls, options = OPTIMIZERS[name]
    if ema:
        options = {**options, "use_ema": True, "ema_momentum": ema}
    optimizer = cls(
        schedule,
        weight_decay=weight_decay,
        encoder_rate=encoder_rate,
        global_clipnorm=clip_norm or None,
        **options,
    )
    if decayed == "kernels":
        optimizer.exclude_from_weight_decay(var_names=NO_KERNELS)
    return optimizer


def average_into(optimizer: Any, variables: Any) -> None:
    """Assigns the averaged weights of an optimizer, if it has them, to `variables`."""
    # With float16 Keras wraps the optimizer to scale the loss.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer.use_ema:
        optimizer.average_into(variables)
