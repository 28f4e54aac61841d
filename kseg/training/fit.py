"""Trains a network and writes its run folder."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence

from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.model_file.info import ModelInfo
from kseg.core import backend
from kseg.core.configs import TrainConfig, to_record
from kseg.core.names import OF_MACHINES
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.runs import CHECKPOINT, clear_events, recorded_config
from kseg.core.timing import Rehearse
from kseg.data.sample import Dataset
from kseg.training.checkpoint import TrainingState, read, restore
from kseg.training.finite import step_name
from kseg.training.graphs import freed_graphs
from kseg.training.joint_loss import for_loss
from kseg.training.setup import (
    METRICS,
    TaskMetrics,
    build_state,
    check_sizes,
    compile_for,
    crop_size,
    new_loss,
    new_network,
    set_batch_norm_momentum,
    weights_by_name,
)

if TYPE_CHECKING:
    from kseg.training.callbacks import RunSaver

log = logging.getLogger(__name__)


def record_of(
    config: TrainConfig, data: Dataset, size: tuple[int, int]
) -> dict[str, Any]:
    """Makes the content of config.json: options, data, versions and machine."""
    from kseg.core.provenance import machine, versions

    return {
        "config": to_record(with_strides(replace(config, size=size), data)),
        "data": {
            "name": data.name,
            "names": data.class_names,
            "channels": data.channels,
            "images": {name: len(split.sizes) for name, split in data.splits.items()},
            "size": data.typical_size(config.max_side),
            "fingerprint": data.fingerprint,
        },
        "versions": versions(),
        "machine": machine(),
    }


# Options that may change when a run is resumed.
RESUMABLE = {
    "data",
    "json",
    "save_seconds",
    "memory_share",
    "tensorboard",
    "teacher",  # another folder with the same content
}


def read_recorded_config(folder: Path) -> TrainConfig:
    """Reads the options of the run whose checkpoint is in a folder."""
    record = read(folder / CHECKPOINT).record
    config = recorded_config(record)
    if config.model == "fast_rcnn" and config.size and not config.strides:
        from kseg.data.loading.proposal_targets import unrecorded_strides

        return replace(config, strides=unrecorded_strides(config.size))
    return config


def with_strides(config: TrainConfig, data: Dataset) -> TrainConfig:
    """The configuration with the strides of fast_rcnn, whose default has changed."""
    from kseg.data.loading.proposal_targets import fast_strides

    if config.model != "fast_rcnn":
        return config
    return replace(config, strides=fast_strides(config, data))


def merge_resumed(
    asked: TrainConfig, given: set[str], recorded: TrainConfig
) -> TrainConfig:
    """Combines the options of a resumed run with those of the command line.

    All options are those of the recorded run, except RESUMABLE ones and those of the
    machine. `given` names the options of `asked` that were given on the command line.
    That the run is resumed need not be among them: a comparison decides it itself.
    Raises InputError for a given option that differs and may not change.
    """
    names = {"output", "resume", *OF_MACHINES, *(given & RESUMABLE)}
    merged = replace(recorded, **{name: getattr(asked, name) for name in names})
    for name in sorted(given - names):
        value, previous = getattr(asked, name), getattr(merged, name)
        if value != previous:
            raise InputError(
                f"--{name.replace('_', '-')} {value}: the resumed run was started with "
                f"{previous}, which cannot change; leave the option out"
            )
    return merged


def fit(
    config: TrainConfig,
    data: Dataset,
    folder: Path,
    group: ProcessGroup = ALONE,
    watch: Callable[[Any], Sequence[Any]] = lambda saver: (),
    rehearse: Optional[Rehearse] = None,
) -> bool:
    """Trains and writes models, config.json and history. True if interrupted.

    `watch` makes more callbacks from the RunSaver, whose `end` ends the training. With
    `config.hours` training ends in time, which began at `group.began`; `rehearse`
    measures how long the report will take.

    With `config.resume` training continues from the checkpoint in the folder. Raises
    InputError for options or data that do not fit. Raises GateFailed if the loss, a
    validation value or a weight is not finite: models and checkpoint saved before are
    kept; in the first epoch there is no model yet, but perhaps a checkpoint.
    """
    from kseg.training.callbacks import tensorboard_writer
    from kseg.training.progress_bar import ProgressBar
    from kseg.training.time_limit import TimedBar, time_limit_of

    if config.deterministic:
        backend.make_deterministic()
    model, batches, saver = prepare(config, data, folder, group)
    callbacks = [saver, *group.callbacks(saver.stop_all), *watch(saver)]
    time_limit = time_limit_of(config, data, saver, batches, group, rehearse)
    callbacks += [time_limit] if time_limit else []
    if not group.is_main:
        run_epochs(model, batches, callbacks, config.epochs)
        return saver.stopped
    log_setup(config, data, batches.size, model)
    if config.resume:
        log_resumed(saver)
    if config.tensorboard:
        callbacks.append(tensorboard_writer(folder))
    done, names = saver.state.step, METRICS[data.task](config, data).shown
    progress = (
        TimedBar(time_limit, names)
        if time_limit
        else ProgressBar(saver.steps, done, config.epochs, names)
    )
    with progress:
        run_epochs(model, batches, [*callbacks, progress], config.epochs)
    return saver.stopped


def prepare(
    config: TrainConfig, data: Dataset, folder: Path, group: ProcessGroup
) -> tuple[Any, Any, Any]:
    """Makes the compiled network, its BatchLoader, and the RunSaver of the folder.

    The network of a resumed run has the weights and the optimizer state of its
    checkpoint. The folder is made last, so that errors leave no empty folder.
    """
    from kseg.data.loading import BATCHES
    from kseg.models.layers.norm import as_float32
    from kseg.training.batch_norm import refresher_of
    from kseg.training.callbacks import RunSaver
    from kseg.training.heads import head_parameters
    from kseg.training.soft_labels import soft_labels
    from kseg.training.teachers import (
        find_teachers,
        record_of_teachers,
        warn_of_another_division,
    )

    teachers = find_teachers(config, data)
    if config.fold is None:  # see warn_of_seen_images
        warn_of_another_division(teachers, data)
    previous = read(folder / CHECKPOINT) if config.resume else None
    steps = config.steps_of_epoch(len(data.split("train").sizes))
    loss = new_loss(config, data, previous and previous.record["class_weights"])
    metrics = METRICS[data.task](config, data)
    model = compiled_network(config, data, steps, loss)
    build_state(model, group, metrics.blank_target())
    info = info_of(config, data, model, metrics)
    check_sizes(data, info)
    size = crop_size(config, data, info)
    record = record_of(config, data, size) | record_of_teachers(teachers)
    record |= {
        "class_weights": weights_by_name(loss, data),
        "parameters": model.count_params() - head_parameters(model),
    }
    state = initial_state(record, previous, data, folder, model)
    batches = BATCHES[data.task](config, data, size, info.geometry, group)
    if teachers:
        batches.teach(soft_labels(config, data, teachers, group))
    make_folder(folder)
    saved = as_float32(model)
    validate = metrics.validation(saved, batches.validation(), loss)
    saver = RunSaver(
        saved,
        folder,
        info,
        state,
        steps,
        validate,
        metrics.headline,
        config,
        every=config.validate_every or metrics.epochs_between(steps),
        refresh=refresher_of(config, saved, batches, group),
    )
    saver.write_folder = group.written(folder)
    return model, batches, saver


def info_of(
    config: TrainConfig, data: Dataset, model: Any, metrics: TaskMetrics
) -> ModelInfo:
    """The metadata of the models of a run, without their metrics."""
    from kseg.models import geometry

    return replace(
        data.info,
        max_side=config.max_side,
        run=to_record(config),
        geometry=geometry(model),
        decoder=metrics.decoder(),
    )


def compiled_network(config: TrainConfig, data: Dataset, steps: int, loss: Any) -> Any:
    """Makes the network of a configuration. `steps` is the length of an epoch."""
    from kseg.training.heads import with_head_losses

    with backend.precision(config.precision):
        model = new_network(config, data, fresh=not config.resume)
        set_batch_norm_momentum(model, steps)
        model = with_head_losses(for_loss(model, loss), config, loss)
    compile_for(model, config, data, steps * config.epochs, loss)
    return model


def initial_state(
    record: dict[str, Any],
    previous: Optional[TrainingState],
    data: Dataset,
    folder: Path,
    model: Any,
) -> TrainingState:
    """Starts a new state, or restores weights and optimizer of the `previous` one.

    Raises InputError if the data differ from those of the previous state.
    """
    if previous is None:
        clear_events(folder)
        return TrainingState(record)
    check_same_data(record, previous.record, data)
    restore(folder / CHECKPOINT, model, "weights", "optimizer")
    return replace(previous, record=record)


def run_epochs(model: Any, batches: Any, callbacks: Sequence[Any], epochs: int) -> None:
    """Trains from the state of the first callback, a RunSaver, to the last epoch.

    An interrupted epoch is completed first, with its remaining steps. Raises the
    InputError of a reader whose file cannot be read.
    """
    import tensorflow as tf

    from kseg.training.late_logs import LateLogs

    saver = callbacks[0]
    if saver.done or saver.state.step >= saver.last_step:
        log.info(f"training is complete: {len(saver.state.history)} epochs")
    try:
        while not saver.done and saver.state.step < saver.last_step:
            epoch, index = divmod(saver.state.step, saver.steps)
            with freed_graphs():
                model.fit(
                    batches.training(saver.state.step),
                    initial_epoch=epoch,
                    epochs=epoch + 1 if index else epochs,
                    steps_per_epoch=saver.steps - index,
                    callbacks=LateLogs([*callbacks], add_history=True, model=model),
                    shuffle=False,
                    verbose=0,
                )
    except tf.errors.OpError:
        for reader in batches.readers.values():
            if reader.failure:
                raise reader.failure from None
        raise
    finally:
        saver.restore_handler()
        for reader in batches.readers.values():
            reader.forget()


def check_same_data(record: dict, previous: dict, data: Dataset) -> None:
    """Raises InputError if the data differ from those the run was started with."""
    from kseg.training.teachers import check_same_teachers

    check_same_teachers(record, previous)
    now, then = record["data"], previous["data"]
    if now["fingerprint"] != then["fingerprint"]:
        raise InputError(
            f"{data.name}: the data have changed since the run was started: "
            f"{now['images']} images now, {then['images']} then, or files with other "
            "content; restore them, or train again with another --output"
        )


def log_resumed(saver: RunSaver) -> None:
    """Logs the step from which a resumed run continues."""
    step = saver.state.step
    if step < saver.last_step:
        where = step_name(step, saver.steps)
        log.info(f"resuming from the checkpoint of step {step}: {where} is next")


def log_setup(
    config: TrainConfig, data: Dataset, size: tuple[int, int], model: Any
) -> None:
    """Logs the data, the network, the loss and the devices."""
    from kseg.core.provenance import describe_devices
    from kseg.models import has_encoder
    from kseg.training.heads import head_parameters

    counts = ", ".join(f"{len(s.sizes)} {name}" for name, s in data.splits.items())
    kind = "grey" if data.channels == 1 else "RGB"
    log.info(f"{data.name}: {data.num_classes} classes, {kind} images: {counts}")
    encoder = f", encoder {config.encoder} (weights {config.weights})"
    heads = head_parameters(model)
    more = f" and {heads:,} in heads for training" if heads else ""
    log.info(
        f"{config.model}{encoder if has_encoder(config.model) else ''}, "
        f"{model.count_params() - heads:,} parameters{more}, "
        f"crops of {size[0]}x{size[1]}"
    )
    if model.loss:
        weights = (weights_by_name(model.loss, data) or {}).items()
        listed = ", ".join(f"{name} {weight:.3g}" for name, weight in weights)
        log.info(f"loss {config.loss}, class weights: {listed or 'none'}")
    log.info(describe_devices())
