"""Trains a network on labelled images.

    python -m kseg.train --data DIR --encoder mobilenetv2 --weights imagenet

Without --data it learns procedural shapes. The run folder gets model.keras (the best),
last.keras, checkpoint.npz for --resume, config.json, history.csv, metrics.json,
report.html, curves.png, samples.png and confusion.png. Ctrl-C ends it early and keeps
what it has.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.arguments import run
from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from edge.model_file.info import ModelInfo
from kseg import backend, checkpoint, distribute, runs
from kseg.config import (
    OF_MACHINES,
    TrainConfig,
    from_record,
    network_options,
    parse_given,
    to_record,
)
from kseg.data import Data, open_data
from kseg.distribute import ALONE, Place
from kseg.evaluate import iou_table
from kseg.findings import quick_findings

MAY_CHANGE = {
    "data",
    "json",
    "resume",
    "save_seconds",
    "memory_share",
    "tensorboard",
}  # by --resume
CROP = 320  # the largest default crop
STEP_OF_CROP = 32


def main(argv: Optional[Sequence[str]] = None) -> int:
    config, given = parse_given(TrainConfig, __doc__, argv)
    check_shares(config)
    place = distribute.place_of(config)
    if distribute.to_be_watched(place):
        return distribute.watch(place)
    folder = runs.claim(config)
    if config.resume:
        config = resumed(config, given, recorded_at(folder))
    data = open_data(config.data, config.seed)
    for finding in quick_findings(data) if place.leads else ():
        say(f"{finding} (python -m kseg.doctor {config.data} looks at everything)")
    backend.start()
    with distribute.joined(config, place, data) as place:
        stopped = fit(config, data, folder, place)
    if not place.leads:
        return 130 if stopped else 0
    metrics = report(data, folder)
    if config.json != "-":
        print(iou_table(metrics))
        print(f"\n{folder} holds the run; look at report.html. Next:")
        print(f"  python -m kseg.export {folder}")
    runs.write_result(config.json, metrics)
    return 130 if stopped else 0


def check_shares(config: TrainConfig) -> None:
    """Raises InputError for options outside their range."""
    if config.scale < 1:
        raise InputError(f"--scale {config.scale}: is the largest factor, from 1 up")
    if config.color > 1:
        raise InputError(f"--color {config.color}: is a strength, 0 to 1")
    if config.border_weight and config.class_weights != "none":
        raise InputError(
            "--border-weight adds to a class's weight in the paper's formula, which is "
            "not built for --class-weights; give one of them"
        )
    if config.encoder_rate > 1:
        raise InputError(f"--encoder-rate {config.encoder_rate}: is a share, 0 to 1")


def recorded_at(folder: Path) -> TrainConfig:
    """The options of the run whose checkpoint is in a folder."""
    record = checkpoint.read(folder / checkpoint.NAME).record
    return from_record(TrainConfig, record["config"])


def resumed(asked: TrainConfig, given: set[str], recorded: TrainConfig) -> TrainConfig:
    """A recorded run goes on as it was; where it and its data are may have changed.

    `given` names the options of `asked` that the command line had. Raises InputError
    for options that would make it another run.
    """
    names = {"output", *OF_MACHINES, *(given & MAY_CHANGE)}
    moved = replace(recorded, **{name: getattr(asked, name) for name in names})
    for name in sorted(given - names):
        value, own = getattr(asked, name), getattr(moved, name)
        if value != own:
            raise InputError(
                f"--{name.replace('_', '-')} {value}: --resume goes on with the run's "
                f"own, {own}; leave it out"
            )
    return moved


def default_crop(data: Data, max_side: int) -> tuple[int, int]:
    """The images' own size in whole steps of 32, up to 320 a side."""
    size = runs.typical_size(data, max_side)
    height, width = (
        min(CROP, max(STEP_OF_CROP, side // STEP_OF_CROP * STEP_OF_CROP))
        for side in size
    )
    return height, width


def crop_size(config: TrainConfig, data: Data, info: ModelInfo) -> tuple[int, int]:
    """The training crop, as asked or by default.

    Raises InputError where it cannot be.
    """
    if not config.size:
        return info.covering(default_crop(data, config.max_side))
    runs.check_size(config.size, info)
    return config.size


def new_network(config: TrainConfig, data: Data, fresh: bool = True) -> Any:
    """The network of a configuration. Raises InputError for what cannot be.

    One that is not `fresh` gets its weights from a checkpoint: none are fetched.
    """
    import keras

    from kseg.models import build_model, encoder_layers

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


def start_from(model: Any, run: str) -> None:
    """Gives `model` the weights of another run, layer by layer.

    Score layers of other classes and the last enlargement, whose size differs between
    FCN-32s, 16s and 8s, keep their own start, as layers do that the other run lacks.
    Raises InputError for a run of another network.
    """
    from kseg.models.layers import ENCODER

    path, _ = runs.locate(run)
    other = {layer.name: layer for layer in runs.load_model(path).layers}
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
    say(f"starting from {run}; new: {', '.join(fresh) or 'nothing'}")


def compile_for(
    model: Any,
    config: TrainConfig,
    data: Data,
    total_steps: int,
    loss: Optional[Any] = None,
) -> None:
    """Gives the network its optimizer, loss (default: the configuration's), metric."""
    from kseg.metrics import MeanIoU
    from kseg.optimizer import Schedule, new_optimizer

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
    model.compile(optimizer, loss, metrics=[MeanIoU(data.num_classes)])


def build_state(model: Any, place: Place) -> None:
    """Makes the variables of optimizer and metric, which Keras would at the first step.

    A checkpoint restores them before that. With several devices Keras makes those of
    the metric itself when `fit` begins.
    """
    model.optimizer.build(model.trainable_variables)
    if place.devices > 1:
        return
    void = np.full((1, 1, 1), IGNORE_INDEX, np.uint8)
    logits = np.zeros((1, 1, 1, model.output_shape[-1]), np.float32)
    model.compute_metrics(None, void, logits)
    model.reset_metrics()


def new_loss(
    config: TrainConfig, data: Data, counted: Optional[dict[str, float]] = None
) -> Any:
    """The loss of a configuration, its class weights counted over the training masks.

    `counted` are those weights where they are known already. Raises InputError for what
    is no sum of losses, and for weights that it cannot take.
    """
    from kseg.class_weights import class_weights, count_pixels
    from kseg.losses import SegmentationLoss

    try:
        loss = SegmentationLoss(config.loss)
        if config.border_weight:
            loss.check_weights("--border-weight")
        if config.class_weights == "none":
            return loss
        loss.check_weights("--class-weights")
    except ValueError as error:
        raise InputError(f"--{error}") from None
    if counted:
        return SegmentationLoss(config.loss, tuple(counted[x] for x in data.names))
    counts = count_pixels(data.split("train"), data.num_classes)
    return SegmentationLoss(config.loss, class_weights(config.class_weights, counts))


def weights_by_name(loss: Any, data: Data) -> Optional[dict[str, float]]:
    """The class weights in a loss."""
    weights = loss.class_weights
    return weights and dict(zip(data.names, weights, strict=True))


def fit(config: TrainConfig, data: Data, folder: Path, place: Place = ALONE) -> bool:
    """Trains and leaves the run's models, record and history; True if interrupted.

    With `config.resume` it goes on from the folder's checkpoint.
    """
    from kseg.callbacks import Keeper, ShowProgress, event_writer
    from kseg.data.pipeline import Feed
    from kseg.models import geometry

    if config.deterministic:
        backend.make_deterministic()
    before = checkpoint.read(folder / checkpoint.NAME) if config.resume else None
    steps = max(1, len(data.split("train").sizes) // config.images_per_step)
    loss = new_loss(config, data, before and before.record["class_weights"])
    with backend.precision(config.precision):
        model = new_network(config, data, fresh=not config.resume)
    fit_batch_norm(model, steps)
    compile_for(model, config, data, steps * config.epochs, loss)
    build_state(model, place)
    shape = geometry(model)
    info = replace(
        data.info, max_side=config.max_side, run=to_record(config), **asdict(shape)
    )
    check_sizes(data, info)
    size = crop_size(config, data, info)
    record = runs.record_of(config, data, size)
    record["class_weights"] = weights_by_name(loss, data)
    record["parameters"] = model.count_params()
    if before:
        check_same_data(record, before.record, data)
        checkpoint.restore(folder / checkpoint.NAME, model, "weights", "optimizer")
        progressed = replace(before, record=record)
    else:
        progressed = checkpoint.Progressed(record)
        runs.clear_events(folder)
    make_folder(folder)
    feed = Feed(config, data, size, shape, place)
    keeper = Keeper(model, folder, info, progressed, steps, feed.validation(), config)
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


def check_same_data(record: dict, before: dict, data: Data) -> None:
    """Raises InputError where the data are not those that the run began with."""
    now, then = record["data"], before["data"]
    if now["fingerprint"] != then["fingerprint"]:
        raise InputError(
            f"{data.name}: is not what the run began with: {now['images']} images, "
            f"then {then['images']}, or other content; bring those back, or train anew "
            "in another --output"
        )


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


def check_sizes(data: Data, info: ModelInfo) -> None:
    """Raises InputError for the first validation image that the network cannot take."""
    split = data.split("val")
    for name, size in zip(split.names, split.sizes, strict=True):
        if min(size) < info.minimum:
            raise InputError(
                f"{name}: {size[0]}x{size[1]} is smaller than the network's minimum of "
                f"{info.minimum}x{info.minimum}; leave it out or enlarge it"
            )


def describe(
    config: TrainConfig, data: Data, size: tuple[int, int], model: Any
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


def report(data: Data, folder: Path) -> dict[str, Any]:
    """Evaluates the best weights once; leaves report.html, the pictures, metrics.json.

    Returns the content of metrics.json.
    """
    from kseg import pictures
    from kseg.callbacks import HISTORY, read_history
    from kseg.report import evaluate_once, write_page

    segmenter = runs.open_segmenter(folder / runs.BEST)
    evaluation = evaluate_once(segmenter, data, "val")
    runs.write_json(folder / runs.METRICS, evaluation.metrics)
    if (folder / HISTORY).is_file():  # not where the first epoch was broken off
        pictures.curves(folder / "curves.png", read_history(folder / HISTORY))
    pictures.sample_sheet(folder / "samples.png", segmenter, data.split("val"))
    pictures.confusion(folder / "confusion.png", evaluation.matrix, data.names)
    write_page(folder / runs.REPORT, folder, evaluation)
    return evaluation.metrics


if __name__ == "__main__":
    run("kseg.train", main)
