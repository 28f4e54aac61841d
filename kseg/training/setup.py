"""Prepares training: network, loss, optimizer, input sizes."""

from __future__ import annotations

import logging
from typing import Any, Callable, Mapping, Optional, Protocol

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from kseg.core.configs import TrainConfig, network_options
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import find_model
from kseg.data.sample import Dataset
from kseg.training.joint_loss import is_joint
from kseg.training.objects import ObjectMetrics, object_loss
from kseg.training.semantic import SemanticMetrics, semantic_loss

log = logging.getLogger(__name__)

SCORES = "score", "logits"  # beginnings of the names of layers that depend on classes
LISTED = 8  # layers that the log names


class TaskMetrics(Protocol):
    """The metrics of a task during training.

    `headline` is the name of the value that selects the best epoch, also for
    --patience; larger is better. `shown` are the names of the values in the line of
    an epoch, besides the loss.
    """

    headline: str
    shown: tuple[str, ...]

    def network_options(self) -> dict[str, Any]:
        """Returns the arguments of the network's function that the task decides."""
        ...

    def decoder(self) -> dict[str, Any]:
        """Returns the parameters that turn the network's outputs into a result."""
        ...

    def epochs_between(self, steps: int) -> int:
        """Returns how many epochs of `steps` steps lie between two validations."""
        ...

    def for_compile(self) -> Any:
        """Returns new Keras metrics as an argument of `compile`."""
        ...

    def blank_target(self) -> Any:
        """Returns the target of one blank image, for outputs of 1x1 pixels.

        It has the structure that the loss expects, with a batch axis. It is used only
        to build the variables of loss and metrics.
        """
        ...

    def validation(
        self, network: Any, batches: Any, loss: Any
    ) -> Callable[[], dict[str, float]]:
        """Returns a function that validates `network` with its current weights.

        The function returns values by name, `headline` among them. `network` is the
        uncompiled network that is saved, `batches` are those of the val split, `loss`
        is the loss of the training.
        """
        ...


# By task. (config, data, class weights by name if known) -> a loss for `compile`.
LOSSES: dict[str, Callable[[TrainConfig, Dataset, Optional[dict[str, float]]], Any]] = {
    "semantic": semantic_loss,
    "instance": object_loss,
    "detection": object_loss,
}
METRICS: dict[str, Callable[[TrainConfig, Dataset], TaskMetrics]] = {
    "semantic": SemanticMetrics,
    "instance": ObjectMetrics,
    "detection": ObjectMetrics,
}


def check_size(
    size: tuple[int, int], info: ModelInfo, only: Optional[tuple[int, int]] = None
) -> None:
    """Raises InputError if the network does not support this input size.

    `only` is the size of a network that is for one size.
    """
    option, sides = f"--size {size[0]}x{size[1]}", info.geometry
    if only and size != only:
        raise InputError(
            f"{option}: the network is for one size; use {only[0]}x{only[1]}"
        )
    if min(size) < sides.minimum:
        minimum = f"{sides.minimum}x{sides.minimum}"
        raise InputError(f"{option}: the network's minimum is {minimum}")
    # Tiles start at multiples of the step, so a tile must contain at least one.
    inner = tuple(max(sides.input_step, side - 2 * sides.valid_border) for side in size)
    fits = sides.smallest_input(inner)
    if fits != size:
        raise InputError(
            f"{option}: the sides must be {sides.min_input} + k * {sides.input_step} "
            f"pixels for this network; use {fits[0]}x{fits[1]}"
        )


def crop_size(config: TrainConfig, data: Dataset, info: ModelInfo) -> tuple[int, int]:
    """Size of the training crops: --size, or a default that depends on the data.

    Raises InputError if the network does not support it.
    """
    if not config.size:
        return info.geometry.smallest_input(data.default_crop(config.max_side))
    check_size(config.size, info)
    return config.size


def new_network(config: TrainConfig, data: Dataset, fresh: bool = True) -> Any:
    """Builds the network of a configuration. Raises InputError for invalid options.

    Without `fresh` its weights come from a checkpoint, so no pretrained weights are
    downloaded.
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
            **network_options(config)
            | METRICS[data.task](config, data).network_options(),
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    if config.init_from and fresh:
        load_initial_weights(model, config.init_from)
    encoder = encoder_layers(model)
    if config.encoder_rate != 1 and not encoder:
        raise InputError(
            f"--encoder-rate: {config.model} has no encoder; leave the option out"
        )
    if not config.encoder_rate:
        for layer in encoder:
            layer.trainable = False
    return model


def check_task(model: str, data: Dataset) -> None:
    """Raises InputError if network and data are for different tasks."""
    from kseg.models import MODELS

    tasks = MODELS[model].tasks if model in MODELS else (data.task,)
    if data.task not in tasks:
        others = [name for name, made in MODELS.items() if data.task in made.tasks]
        raise InputError(
            f"--model {model}: is for the task {' or '.join(tasks)}, and {data.name} "
            f"is read for the task {data.task}; use --task {' or '.join(tasks)}, or "
            f"--model {' or '.join(others)}"
        )


def load_initial_weights(model: Any, run: str) -> None:
    """Copies the weights of another run to `model`, layer by layer.

    These layers keep their own initial weights: score layers if the classes differ, the
    last upsampling, whose size differs between FCN-32s, 16s and 8s, and layers that the
    other run does not have, such as a coarser stage of the same encoder. Raises
    InputError for a run of another network.
    """
    from kseg.models.layers.norm import ENCODER
    from kseg.models.saving import load_model

    path, _ = find_model(run, trained=True)
    other = {layer.name: layer for layer in load_model(path).layers}
    fresh, copied = [], []
    same_encoder = extends_encoder(model, other)
    for layer in (x for x in model.layers if x.weights):
        source = other.get(layer.name)
        shapes = [w.shape for w in source.weights] if source else None
        if shapes == [w.shape for w in layer.weights]:
            layer.set_weights(source.get_weights())
            copied.append(layer.name)
        elif (shapes and not layer.name.startswith(SCORES)) or (
            layer.name.startswith(ENCODER) and not shapes and not same_encoder
        ):
            reason = f"has the shape {shapes[0]}" if shapes else "is missing"
            raise InputError(
                f"--init-from {run}: a different network: {layer.name} {reason} there; "
                "use a run with the same encoder, widths and upsampling"
            )
        else:
            fresh.append(layer.name)
    if not any(not name.startswith(SCORES) for name in copied):
        raise InputError(
            f"--init-from {run}: a different network: no layer fits; use a run of the "
            "same network"
        )
    listed, more = fresh[:LISTED], len(fresh) - LISTED
    if more > 0:
        listed.append(f"and {more} others")
    log.info(f"weights from {run}; new layers: {', '.join(listed) or 'none'}")


def extends_encoder(model: Any, other: Mapping[str, Any]) -> bool:
    """Whether a network's encoder has every layer of the encoder among `other`.

    `other` are layers by name; the network may have more stages.
    """
    from kseg.models import encoder_layers
    from kseg.models.layers.norm import ENCODER

    theirs = {name for name in other if name.startswith(ENCODER)}
    return bool(theirs) and theirs <= {layer.name for layer in encoder_layers(model)}


def compile_for(
    model: Any,
    config: TrainConfig,
    data: Dataset,
    total_steps: int,
    loss: Optional[Any] = None,
) -> None:
    """Compiles the network. `loss` defaults to that of the configuration."""
    from kseg.training.optimizer import new_optimizer

    optimizer = new_optimizer(
        config.optimizer,
        schedule_of(config, total_steps),
        config.weight_decay,
        encoder_rate=config.encoder_rate or 1.0,
        ema=config.ema,
        clip_norm=config.clip_norm,
        decayed=config.weight_decay_of,
    )
    if is_joint(model):
        model.compile(optimizer)
        return
    loss = loss or new_loss(config, data)
    metrics = METRICS[data.task](config, data).for_compile()
    model.compile(optimizer, loss, metrics=metrics)


def schedule_of(config: TrainConfig, total_steps: int) -> Any:
    """The learning rate's course; with --hours its end is planned while it trains."""
    from kseg.training.optimizer import Schedule
    from kseg.training.timed_schedule import TimedSchedule

    peak, course, final = config.peak_rate, config.schedule, config.final_rate
    if config.hours:
        return TimedSchedule(peak, config.warmup_steps, course, final)
    warmup = min(config.warmup_steps, total_steps // 5)
    return Schedule(peak, total_steps, warmup, course, final)


def build_state(model: Any, group: ProcessGroup, blank_target: Any) -> None:
    """Builds the variables of optimizer, loss and metrics before the first step.

    A checkpoint can then be restored into them. With several devices Keras builds those
    of loss and metrics when `fit` starts.
    """
    from keras import ops, tree

    model.optimizer.build(model.trainable_variables)
    # A joint loss has no variables, and its outputs have the sizes of whole crops.
    if group.devices > 1 or is_joint(model):
        return
    outputs = tree.map_structure(
        lambda x: ops.zeros([side or 1 for side in x.shape]), model.output
    )
    target = tree.map_structure(ops.convert_to_tensor, blank_target)
    model.compute_loss(None, target, outputs)
    model.compute_metrics(None, target, outputs)
    model.reset_metrics()


def new_loss(
    config: TrainConfig, data: Dataset, known_weights: Optional[dict[str, float]] = None
) -> Any:
    """Makes the loss of a configuration for the task of the data (see LOSSES).

    `known_weights` are class weights by name, if known. Raises InputError for options
    that do not fit.
    """
    return LOSSES[data.task](config, data, known_weights)


def weights_by_name(loss: Any, data: Dataset) -> Optional[dict[str, float]]:
    """Returns the class weights of a loss by class name; None if it has none."""
    weights = getattr(loss, "class_weights", None)
    return weights and dict(zip(data.class_names, weights, strict=True))


def set_batch_norm_momentum(model: Any, steps: int) -> None:
    """Sets the momentum of batch norm to average over half an epoch, 10 to 100 steps.

    The default of Keras, 0.99, averages over 100 steps, that of MobileNetV2, 0.999,
    over 1000: after an epoch of 45 steps the statistics would still be outdated.
    """
    import keras

    window = min(100, max(10, steps / 2))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 1 - 1 / window


def check_sizes(data: Dataset, info: ModelInfo) -> None:
    """Raises InputError if a validation image is smaller than the network's minimum."""
    split, minimum = data.split("val"), info.geometry.minimum
    for name, size in zip(split.names, split.sizes, strict=True):
        if min(size) < minimum:
            raise InputError(
                f"{name}: {size[0]}x{size[1]} is smaller than the network's minimum of "
                f"{minimum}x{minimum}; remove or enlarge the image"
            )
