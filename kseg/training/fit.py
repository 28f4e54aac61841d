"""Trains a network and leaves its run."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Sequence

from edge.core.errors import InputError
from edge.core.files import make_folder
from kseg.core import backend
from kseg.core.configs import TrainConfig, from_record, to_record
from kseg.core.names import OF_MACHINES
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.runs import CHECKPOINT, clear_events
from kseg.data.sample import Dataset
from kseg.training.checkpoint import TrainingState, read, restore
from kseg.training.finite import step_name
from kseg.training.setup import (
    METRICS,
    build_state,
    check_sizes,
    compile_for,
    crop_size,
    fit_batch_norm,
    new_loss,
    new_network,
    weights_by_name,
)

log = logging.getLogger(__name__)


def record_of(
    config: TrainConfig, data: Dataset, size: tuple[int, int]
) -> dict[str, Any]:
    """The content of config.json: a run's options, its data, what made it."""
    from kseg.core.provenance import machine, versions

    return {
        "config": to_record(replace(config, size=size)),
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


RESUMABLE = {
    "data",
    "json",
    "resume",
    "save_seconds",
    "memory_share",
    "tensorboard",
}  # by --resume


def recorded_at(folder: Path) -> TrainConfig:
    """The options of the run whose checkpoint is in a folder."""
    record = read(folder / CHECKPOINT).record
    return from_record(TrainConfig, record["config"])


def merge_resumed(
    asked: TrainConfig, given: set[str], recorded: TrainConfig
) -> TrainConfig:
    """A recorded run goes on as it was; where it and its data are may have changed.

    `given` names the options of `asked` that the command line had. Raises InputError
    for options that would make it another run.
    """
    names = {"output", *OF_MACHINES, *(given & RESUMABLE)}
    moved = replace(recorded, **{name: getattr(asked, name) for name in names})
    for name in sorted(given - names):
        value, own = getattr(asked, name), getattr(moved, name)
        if value != own:
            raise InputError(
                f"--{name.replace('_', '-')} {value}: --resume goes on with the run's "
                f"own, {own}; leave it out"
            )
    return moved


def fit(
    config: TrainConfig, data: Dataset, folder: Path, group: ProcessGroup = ALONE
) -> bool:
    """Trains and leaves the run's models, record and history; True if interrupted.

    With `config.resume` it goes on from the folder's checkpoint. Raises InputError for
    what cannot be trained, GateFailed where loss, validation or weights stop being
    finite: the models and the checkpoint of before stay. Where that is in the first
    epoch the folder has no model; a checkpoint of a sound step may be there.
    """
    from kseg.training.callbacks import ShowProgress, event_writer

    if config.deterministic:
        backend.make_deterministic()
    model, batches, saver = prepare(config, data, folder, group)
    callbacks = [saver, *group.callbacks(saver.stop)]
    if not group.is_main:
        run_epochs(model, batches, callbacks, config.epochs)
        return saver.stopped
    describe(config, data, batches.size, model)
    if config.resume:
        say_resumed(saver.at, saver.steps, config.epochs)
    if config.tensorboard:
        callbacks.append(event_writer(folder))
    done, headline = saver.at.step, saver.headline
    with ShowProgress(saver.steps, done, config.epochs, headline) as shown:
        run_epochs(model, batches, [*callbacks, shown], config.epochs)
    return saver.stopped


def prepare(
    config: TrainConfig, data: Dataset, folder: Path, group: ProcessGroup
) -> tuple[Any, Any, Any]:
    """The compiled network, its BatchLoader, and the RunSaver of the run's folder.

    A resumed run's network has the weights and the optimizer of its checkpoint. The
    folder is made last: a refusal leaves none.
    """
    from kseg.data.loading import BATCHES
    from kseg.models import geometry
    from kseg.models.layers.norm import as_float32
    from kseg.training.callbacks import RunSaver

    before = read(folder / CHECKPOINT) if config.resume else None
    steps = max(1, len(data.split("train").sizes) // config.images_per_step)
    loss = new_loss(config, data, before and before.record["class_weights"])
    metrics = METRICS[data.task](config, data)
    model = compiled_network(config, data, steps, loss)
    build_state(model, group, metrics.blank_target())
    shape = geometry(model)
    info = replace(
        data.info, max_side=config.max_side, run=to_record(config), geometry=shape
    )
    check_sizes(data, info)
    size = crop_size(config, data, info)
    record = record_of(config, data, size) | {
        "class_weights": weights_by_name(loss, data),
        "parameters": model.count_params(),
    }
    state = begin(record, before, data, folder, model)
    make_folder(folder)
    batches = BATCHES[data.task](config, data, size, shape, group)
    kept = as_float32(model)
    validate = metrics.validation(kept, batches.validation(), loss)
    saver = RunSaver(
        kept, folder, info, state, steps, validate, metrics.headline, config
    )
    saver.files = group.written(folder)
    return model, batches, saver


def compiled_network(config: TrainConfig, data: Dataset, steps: int, loss: Any) -> Any:
    """The network of a configuration, ready for `fit`; `steps` are an epoch's."""
    with backend.precision(config.precision):
        model = new_network(config, data, fresh=not config.resume)
    fit_batch_norm(model, steps)
    compile_for(model, config, data, steps * config.epochs, loss)
    return model


def begin(
    record: dict[str, Any],
    before: Optional[TrainingState],
    data: Dataset,
    folder: Path,
    model: Any,
) -> TrainingState:
    """Where training begins: anew, or `before`, whose weights and optimizer it gets.

    Raises InputError for other data than those of before.
    """
    if before is None:
        clear_events(folder)
        return TrainingState(record)
    check_same_data(record, before.record, data)
    restore(folder / CHECKPOINT, model, "weights", "optimizer")
    return replace(before, record=record)


def run_epochs(model: Any, batches: Any, callbacks: Sequence[Any], epochs: int) -> None:
    """Trains to the end from where the first of the callbacks, a RunSaver, is.

    An epoch that was broken off is ended first: it has fewer steps than the others.
    What a reader refuses comes out as its own InputError.
    """
    import tensorflow as tf

    saver = callbacks[0]
    if saver.done or saver.at.step >= saver.steps * epochs:
        log.info(f"nothing left to do: {len(saver.at.history)} epochs are done")
    try:
        while not saver.done and saver.at.step < saver.steps * epochs:
            done, into = divmod(saver.at.step, saver.steps)
            model.fit(
                batches.training(saver.at.step),
                initial_epoch=done,
                epochs=done + 1 if into else epochs,
                steps_per_epoch=saver.steps - into,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
    except tf.errors.OpError:
        for reader in batches.readers.values():
            if reader.failure:
                raise reader.failure from None
        raise
    finally:
        saver.release()


def check_same_data(record: dict, before: dict, data: Dataset) -> None:
    """Raises InputError where the data are not those that the run began with."""
    now, then = record["data"], before["data"]
    if now["fingerprint"] != then["fingerprint"]:
        raise InputError(
            f"{data.name}: is not what the run began with: {now['images']} images, "
            f"then {then['images']}, or other content; bring those back, or train anew "
            "in another --output"
        )


def say_resumed(at: TrainingState, steps: int, epochs: int) -> None:
    """Where a resumed run continues, in the log."""
    if at.step < steps * epochs:
        where = step_name(at.step, steps)
        log.info(f"resuming from the checkpoint of step {at.step}: {where} is next")


def describe(
    config: TrainConfig, data: Dataset, size: tuple[int, int], model: Any
) -> None:
    """What will happen, in the log."""
    import tensorflow as tf

    from kseg.models import has_encoder

    counts = ", ".join(f"{len(s.sizes)} {name}" for name, s in data.splits.items())
    kind = "grey" if data.channels == 1 else "RGB"
    log.info(f"{data.name}: {data.num_classes} classes, {kind} images: {counts}")
    on = f" on {config.encoder} (weights {config.weights})"
    log.info(
        f"{config.model}{on if has_encoder(config.model) else ''}, "
        f"{model.count_params():,} parameters, crops {size[0]}x{size[1]}"
    )
    weights = (weights_by_name(model.loss, data) or {}).items()
    listed = ", ".join(f"{name} {weight:.3g}" for name, weight in weights)
    log.info(f"loss {config.loss}, class weights: {listed or 'none'}")
    devices = tf.config.list_physical_devices("GPU")
    onednn = "off" if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0" else "on"
    log.info(f"on {len(devices)} GPU" if devices else f"on the CPU, oneDNN {onednn}")
