"""Trains a network and leaves its run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from kseg.core import backend
from kseg.core.configs import TrainConfig, from_record, to_record
from kseg.core.names import OF_MACHINES
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.runs import CHECKPOINT, clear_events
from kseg.data.sample import Dataset, typical_size
from kseg.training.checkpoint import TrainingState, read, restore
from kseg.training.setup import (
    build_state,
    check_sizes,
    compile_for,
    crop_size,
    fit_batch_norm,
    new_loss,
    new_network,
    weights_by_name,
)


def record_of(
    config: TrainConfig, data: Dataset, size: tuple[int, int]
) -> dict[str, Any]:
    """The content of config.json: a run's options, its data, what made it."""
    from kseg.core.provenance import machine, versions
    from kseg.data.sample import fingerprint

    return {
        "config": to_record(replace(config, size=size)),
        "data": {
            "name": data.name,
            "names": data.names,
            "channels": data.channels,
            "images": {name: len(split.sizes) for name, split in data.splits.items()},
            "size": typical_size(data, config.max_side),
            "fingerprint": fingerprint(data),
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
    config: TrainConfig, data: Dataset, folder: Path, place: ProcessGroup = ALONE
) -> bool:
    """Trains and leaves the run's models, record and history; True if interrupted.

    With `config.resume` it goes on from the folder's checkpoint.
    """
    from kseg.data.loading import BATCHES
    from kseg.models import geometry
    from kseg.training.callbacks import RunSaver, ShowProgress, event_writer

    if config.deterministic:
        backend.make_deterministic()
    before = read(folder / CHECKPOINT) if config.resume else None
    steps = max(1, len(data.split("train").sizes) // config.images_per_step)
    loss = new_loss(config, data, before and before.record["class_weights"])
    with backend.precision(config.precision):
        model = new_network(config, data, fresh=not config.resume)
    fit_batch_norm(model, steps)
    compile_for(model, config, data, steps * config.epochs, loss)
    build_state(model, place)
    shape = geometry(model)
    info = replace(
        data.info, max_side=config.max_side, run=to_record(config), geometry=shape
    )
    check_sizes(data, info)
    size = crop_size(config, data, info)
    record = record_of(config, data, size)
    record["class_weights"] = weights_by_name(loss, data)
    record["parameters"] = model.count_params()
    if before:
        check_same_data(record, before.record, data)
        restore(folder / CHECKPOINT, model, "weights", "optimizer")
        progressed = replace(before, record=record)
    else:
        progressed = TrainingState(record)
        clear_events(folder)
    make_folder(folder)
    feed = BATCHES[data.task](config, data, size, shape, place)
    keeper = RunSaver(model, folder, info, progressed, steps, feed.validation(), config)
    keeper.files = place.written(folder)
    callbacks = [keeper, *place.callbacks(keeper.stop)]
    if not place.leads:
        run_epochs(model, feed, callbacks, config.epochs)
        return keeper.stopped
    describe(config, data, size, model)
    if config.tensorboard:
        callbacks.append(event_writer(folder))
    with ShowProgress(steps, progressed.step, config.epochs) as shown:
        run_epochs(model, feed, [*callbacks, shown], config.epochs)
    return keeper.stopped


def run_epochs(model: Any, feed: Any, callbacks: Sequence[Any], epochs: int) -> None:
    """Trains to the end from where the first of the callbacks, a Keeper, is.

    An epoch that was broken off is ended first: it has fewer steps than the others.
    What a reader refuses comes out as its own InputError.
    """
    import tensorflow as tf

    keeper = callbacks[0]
    if keeper.done or keeper.at.step >= keeper.steps * epochs:
        say(f"nothing left to do: {len(keeper.at.history)} epochs are done")
    while not keeper.done and keeper.at.step < keeper.steps * epochs:
        done, into = divmod(keeper.at.step, keeper.steps)
        try:
            model.fit(
                feed.training(keeper.at.step),
                initial_epoch=done,
                epochs=done + 1 if into else epochs,
                steps_per_epoch=keeper.steps - into,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
        except tf.errors.OpError:
            for reader in feed.readers.values():
                if reader.failure:
                    raise reader.failure from None
            raise


def check_same_data(record: dict, before: dict, data: Dataset) -> None:
    """Raises InputError where the data are not those that the run began with."""
    now, then = record["data"], before["data"]
    if now["fingerprint"] != then["fingerprint"]:
        raise InputError(
            f"{data.name}: is not what the run began with: {now['images']} images, "
            f"then {then['images']}, or other content; bring those back, or train anew "
            "in another --output"
        )


def describe(
    config: TrainConfig, data: Dataset, size: tuple[int, int], model: Any
) -> None:
    """What will happen, in the log."""
    import tensorflow as tf

    from kseg.models import has_encoder

    counts = ", ".join(f"{len(s.sizes)} {name}" for name, s in data.splits.items())
    kind = "grey" if data.channels == 1 else "RGB"
    say(f"{data.name}: {data.num_classes} classes, {kind} images: {counts}")
    on = f" on {config.encoder} (weights {config.weights})"
    say(
        f"{config.model}{on if has_encoder(config.model) else ''}, "
        f"{model.count_params():,} parameters, crops {size[0]}x{size[1]}"
    )
    weights = (weights_by_name(model.loss, data) or {}).items()
    shown = ", ".join(f"{name} {weight:.3g}" for name, weight in weights)
    say(f"loss {config.loss}, class weights: {shown or 'none'}")
    devices = tf.config.list_physical_devices("GPU")
    onednn = "off" if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0" else "on"
    say(f"on {len(devices)} GPU" if devices else f"on the CPU, oneDNN {onednn}")
