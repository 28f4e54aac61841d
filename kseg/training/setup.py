"""What a training needs before its first step: network, loss, optimizer, sizes."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional, Protocol

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from kseg.core.configs import TrainConfig, network_options
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import find_model
from kseg.data.sample import Dataset
from kseg.training.semantic import SemanticMetrics, semantic_loss

log = logging.getLogger(__name__)


class TaskMetrics(Protocol):
    """What is measured of the networks of a task while they train.

    `headline` is the name of the value, larger being better, that the best epoch and
    --patience go by.
    """

    headline: str

    def for_compile(self) -> Any:
        """New Keras metrics in a form that `compile` takes."""
        ...

    def blank_target(self) -> Any:
        """The target of one blank image, for outputs of one pixel each way.

        In the form that the loss takes, batch axis first: it builds the variables of
        loss and metrics, and is then forgotten.
        """
        ...

    def validation(
        self, network: Any, batches: Any, loss: Any
    ) -> Callable[[], dict[str, float]]:
        """A function that validates `network` as its weights then are.

        It gives finite values by name, `headline` among them. `network` is the one that
        is saved, not compiled; `batches` are those of the val split, `loss` is what the
        training has.
        """
        ...


# By the task of the data set. A loss in a form that `compile` takes is made of the
# configuration, the data, and the class weights by name where they are known already.
LOSSES: dict[str, Callable[[TrainConfig, Dataset, Optional[dict[str, float]]], Any]] = {
    "semantic": semantic_loss
}
METRICS: dict[str, Callable[[TrainConfig, Dataset], TaskMetrics]] = {
    "semantic": SemanticMetrics
}


def check_size(size: tuple[int, int], info: ModelInfo) -> None:
    """Raises InputError for an input that the network cannot have."""
    shown, sides = f"--size {size[0]}x{size[1]}", info.geometry
    if min(size) < sides.minimum:
        least = f"{sides.minimum}x{sides.minimum}"
        raise InputError(f"{shown}: the network's minimum is {least}")
    # Tiles begin whole steps apart: one that shows less than a step would not do.
    inner = tuple(max(sides.input_step, side - 2 * sides.valid_border) for side in size)
    fits = sides.smallest_input(inner)
    if fits != size:
        raise InputError(
            f"{shown}: the network takes sides of {sides.min_input} + k * "
            f"{sides.input_step} pixels; the next is {fits[0]}x{fits[1]}"
        )


def crop_size(config: TrainConfig, data: Dataset, info: ModelInfo) -> tuple[int, int]:
    """The training crop, as asked or by default.

    Raises InputError where it cannot be.
    """
    if not config.size:
        return info.geometry.smallest_input(data.default_crop(config.max_side))
    check_size(config.size, info)
    return config.size


def new_network(config: TrainConfig, data: Dataset, fresh: bool = True) -> Any:
    """The network of a configuration. Raises InputError for what cannot be.

    One that is not `fresh` gets its weights from a checkpoint: none are fetched.
    """
    import keras

    from kseg.models import build_model, encoder_layers

    check_task(config.model, data)
    keras.utils.set_random_seed(config.seed)
    try:
        model = build_model(
            config.model,
            data.num_classes,
            channels=data.channels,
            weights=config.weights if fresh else "none",
            **network_options(config),
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    if config.init_from and fresh:
        start_from(model, config.init_from)
    encoder = encoder_layers(model)
    if config.encoder_rate != 1 and not encoder:
        raise InputError(f"--encoder-rate: {config.model} has no encoder to slow down")
    if not config.encoder_rate:
        for layer in encoder:
            layer.trainable = False
    return model


def check_task(model: str, data: Dataset) -> None:
    """Raises InputError for a network of another task than the data's."""
    from kseg.models import MODELS

    task = MODELS[model].task if model in MODELS else data.task
    if task != data.task:
        others = [name for name, made in MODELS.items() if made.task == data.task]
        raise InputError(
            f"--model {model}: is for the task {task}, and {data.name} is labelled for "
            f"{data.task}; give --model {' or '.join(others)}"
        )


def start_from(model: Any, run: str) -> None:
    """Gives `model` the weights of another run, layer by layer.

    Score layers of other classes and the last enlargement, whose size differs between
    FCN-32s, 16s and 8s, keep their own start, as layers do that the other run lacks.
    Raises InputError for a run of another network.
    """
    from kseg.models.layers.norm import ENCODER
    from kseg.models.saving import load_model

    path, _ = find_model(run)
    other = {layer.name: layer for layer in load_model(path).layers}
    fresh, taken = [], []
    for layer in (x for x in model.layers if x.weights):
        source = other.get(layer.name)
        theirs = [w.shape for w in source.weights] if source else None
        if theirs == [w.shape for w in layer.weights]:
            layer.set_weights(source.get_weights())
            taken.append(layer.name)
        elif layer.name.startswith(ENCODER) or (
            theirs and not layer.name.startswith(("score", "logits"))
        ):
            shape = f"has the shape {theirs[0]} there" if theirs else "is not there"
            raise InputError(
                f"--init-from {run}: is another network: {layer.name} {shape}; start "
                "from a run of the same encoder, widths and upsampling"
            )
        else:
            fresh.append(layer.name)
    if not any(not name.startswith(("score", "logits")) for name in taken):
        raise InputError(f"--init-from {run}: is another network: nothing of it fits")
    log.info(f"starting from {run}; new: {', '.join(fresh) or 'nothing'}")


def compile_for(
    model: Any,
    config: TrainConfig,
    data: Dataset,
    total_steps: int,
    loss: Optional[Any] = None,
) -> None:
    """Gives the network its optimizer, loss (default: the configuration's), metrics."""
    from kseg.training.optimizer import Schedule, new_optimizer

    schedule = Schedule(
        peak=config.peak_rate,
        total=total_steps,
        warmup=min(config.warmup_steps, total_steps // 5),
        course=config.schedule,
    )
    optimizer = new_optimizer(
        config.optimizer,
        schedule,
        config.weight_decay,
        encoder_rate=config.encoder_rate or 1.0,
        ema=config.ema,
    )
    loss = loss or new_loss(config, data)
    metrics = METRICS[data.task](config, data).for_compile()
    model.compile(optimizer, loss, metrics=metrics)


def build_state(model: Any, group: ProcessGroup, blank_target: Any) -> None:
    """Makes the variables of optimizer, loss and metrics, as the first step would.

    A checkpoint restores them before that. With several devices Keras makes those of
    loss and metrics itself when `fit` begins.
    """
    from keras import ops, tree

    model.optimizer.build(model.trainable_variables)
    if group.devices > 1:
        return
    outputs = tree.map_structure(
        lambda x: ops.zeros([side or 1 for side in x.shape]), model.output
    )
    target = tree.map_structure(ops.convert_to_tensor, blank_target)
    model.compute_loss(None, target, outputs)
    model.compute_metrics(None, target, outputs)
    model.reset_metrics()


def new_loss(
    config: TrainConfig, data: Dataset, counted: Optional[dict[str, float]] = None
) -> Any:
    """The loss of a configuration for the task of its data, by LOSSES.

    `counted` are class weights by name where they are known already. Raises InputError
    for options that do not fit.
    """
    return LOSSES[data.task](config, data, counted)


def weights_by_name(loss: Any, data: Dataset) -> Optional[dict[str, float]]:
    """The class weights in a loss; None where it has none."""
    weights = getattr(loss, "class_weights", None)
    return weights and dict(zip(data.class_names, weights, strict=True))


def fit_batch_norm(model: Any, steps: int) -> None:
    """Sets how long batch norms remember: half an epoch, 10 to 100 steps.

    Keras's 0.99 remembers 100 steps and MobileNetV2's 0.999 a thousand: what is
    validated after an epoch of 45 steps would have another network's statistics.
    """
    import keras

    remembered = min(100, max(10, steps / 2))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 1 - 1 / remembered


def check_sizes(data: Dataset, info: ModelInfo) -> None:
    """Raises InputError for the first validation image that the network cannot take."""
    split, least = data.split("val"), info.geometry.minimum
    for name, size in zip(split.names, split.sizes, strict=True):
        if min(size) < least:
            raise InputError(
                f"{name}: {size[0]}x{size[1]} is smaller than the network's minimum of "
                f"{least}x{least}; leave it out or enlarge it"
            )
