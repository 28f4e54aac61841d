"""Trains a network on labelled images.

    python -m kseg.train --data DIR --encoder mobilenetv2 --weights imagenet

Without --data it learns procedural shapes. The run folder gets model.keras (the best),
last.keras, config.json, history.csv, metrics.json, curves.png, samples.png and
confusion.png. Ctrl-C ends it early and keeps what it has.
"""

from __future__ import annotations

import os
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Optional, Sequence

from edge.command import BadInput, make_folder, run, say
from edge.metadata import ModelInfo
from kseg import backend, distribute, runs
from kseg.config import OF_MACHINES, TrainConfig, network_options, parse, to_record
from kseg.data import Data, open_data
from kseg.distribute import ALONE, Place
from kseg.evaluate import confusion_over, iou_table
from kseg.findings import quick_findings

CROP = 320  # the largest default crop
STEP_OF_CROP = 32


def main(argv: Optional[Sequence[str]] = None) -> int:
    config = parse(TrainConfig, __doc__, argv)
    check_shares(config)
    place = distribute.place_of(config)
    if distribute.to_be_watched(place):
        return distribute.watch(place)
    folder = runs.claim(config)
    if config.resume:
        config = resumed(config, runs.run_config(folder))
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
        print(f"\n{folder} holds the run; look at samples.png. Next:")
        print(f"  python -m kseg.export {folder}")
    runs.write_result(config.json, metrics)
    return 130 if stopped else 0


def check_shares(config: TrainConfig) -> None:
    """Raises BadInput for options outside their range."""
    if config.scale < 1:
        raise BadInput(f"--scale {config.scale}: is the largest factor, from 1 up")
    if config.color > 1:
        raise BadInput(f"--color {config.color}: is a strength, 0 to 1")
    if config.border_weight and config.class_weights != "none":
        raise BadInput(
            "--border-weight adds to a class's weight in the paper's formula, which is "
            "not built for --class-weights; give one of them"
        )
    if config.encoder_rate > 1:
        raise BadInput(f"--encoder-rate {config.encoder_rate}: is a share, 0 to 1")


def resumed(asked: TrainConfig, recorded: TrainConfig) -> TrainConfig:
    """A recorded run goes on as it was; where it and its data are may have changed.

    Raises BadInput for options that would make it another run.
    """
    data = asked.data if asked.data != TrainConfig.data else recorded.data
    moved = replace(
        recorded,
        output=asked.output,
        json=asked.json,
        data=data,
        resume=True,
        **{name: getattr(asked, name) for name in OF_MACHINES},
    )
    for field in fields(TrainConfig):
        value = getattr(asked, field.name)
        if value not in (field.default, getattr(moved, field.name)):
            raise BadInput(
                f"--{field.name.replace('_', '-')} {value}: --resume goes on with the "
                f"run's own, {getattr(moved, field.name)}; leave it out"
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
    """The training crop, as asked or by default. Raises BadInput where it cannot be."""
    if not config.size:
        return info.covering(default_crop(data, config.max_side))
    runs.check_size(config.size, info)
    return config.size


def new_network(config: TrainConfig, data: Data) -> Any:
    """The network of a configuration. Raises BadInput for what cannot be."""
    import keras

    from kseg.models import build_model, encoder_layers

    keras.utils.set_random_seed(config.seed)
    try:
        model = build_model(
            config.model,
            data.num_classes,
            channels=data.channels,
            weights=config.weights,
            **network_options(config),
        )
    except ValueError as error:
        raise BadInput(str(error)) from None
    if config.init_from:
        start_from(model, config.init_from)
    encoder = encoder_layers(model)
    if config.encoder_rate != 1 and not encoder:
        raise BadInput(f"--encoder-rate: {config.model} has no encoder to slow down")
    if not config.encoder_rate:
        for layer in encoder:
            layer.trainable = False
    return model


def start_from(model: Any, run: str) -> None:
    """Gives `model` the weights of another run, layer by layer.

    Score layers of other classes and the last enlargement, whose size differs between
    FCN-32s, 16s and 8s, keep their own start, as layers do that the other run lacks.
    Raises BadInput for a run of another network.
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
            raise BadInput(
                f"--init-from {run}: is another network: {layer.name} {shape}; start "
                "from a run of the same encoder, widths and upsampling"
            )
        else:
            fresh.append(layer.name)
    if not any(not name.startswith(("score", "logits")) for name in taken):
        raise BadInput(f"--init-from {run}: is another network: nothing of it fits")
    say(f"starting from {run}; new: {', '.join(fresh) or 'nothing'}")


def compile_for(model: Any, config: TrainConfig, data: Data, total_steps: int) -> None:
    """Gives the network its optimizer, loss and metric."""
    import keras

    from kseg.metrics import MeanIoU
    from kseg.optimizer import AdamW

    warmup = min(config.warmup_steps, total_steps // 5)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=max(1, total_steps - warmup),
    )
    optimizer = AdamW(
        rate,
        weight_decay=config.weight_decay,
        encoder_rate=config.encoder_rate or 1.0,
    )
    loss = new_loss(config, data)
    model.compile(optimizer, loss, metrics=[MeanIoU(data.num_classes)])


def new_loss(config: TrainConfig, data: Data) -> Any:
    """The loss of a configuration, its class weights counted over the training masks.

    Raises BadInput for what is no sum of losses, and for weights that it cannot take.
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
        raise BadInput(f"--{error}") from None
    counts = count_pixels(data.split("train"), data.num_classes)
    return SegmentationLoss(config.loss, class_weights(config.class_weights, counts))


def weights_by_name(model: Any, data: Data) -> Optional[dict[str, float]]:
    """The class weights in a network's loss, which --resume brings along."""
    weights = model.loss.class_weights
    return weights and dict(zip(data.names, weights, strict=True))


def fit(config: TrainConfig, data: Data, folder: Path, place: Place = ALONE) -> bool:
    """Trains and leaves the run's models, record and history; True if interrupted."""
    from kseg.callbacks import HISTORY, Keeper, Progress, read_history
    from kseg.data.pipeline import Reader, training_batches, validation_batches
    from kseg.models import geometry

    train, val = data.split("train"), data.split("val")
    steps = max(1, len(train.sizes) // config.images_per_step)
    total_steps = steps * config.epochs
    history: list[dict[str, Any]] = []
    if config.resume:
        history = read_history(folder / HISTORY)
        model = runs.load_model(folder / runs.LAST, compile=True)
    else:
        model = new_network(config, data)
        compile_for(model, config, data, total_steps)
    shape = geometry(model)
    info = replace(
        data.info,
        max_side=config.max_side,
        run=to_record(config),
        **asdict(shape),
    )
    check_sizes(data, info)
    size = crop_size(config, data, info)
    make_folder(folder)
    if place.leads:
        describe(config, data, size, model)
    readers = [Reader(split, config.max_side) for split in (train, val)]
    done = len(history)
    if done >= config.epochs:
        say(f"nothing left to do: {done} of {config.epochs} epochs are done")
    batches = training_batches(
        readers[0], config, size, data.channels, done * steps, shape.border, place
    )
    record = runs.record_of(config, data, size)
    record["class_weights"] = weights_by_name(model, data)
    keeper = Keeper(place.written(folder), info, record, history)
    progress = [Progress(steps, done, config.epochs)] if place.leads else []
    run_steps(
        model,
        readers,
        batches,
        initial_epoch=done,
        epochs=config.epochs,
        steps_per_epoch=steps,
        validation_data=validation_batches(
            readers[1],
            config.batch_size,
            data.channels,
            shape.border,
            shape.step,
            shape.least,
            place,
        ),
        callbacks=[keeper, *progress, *place.callbacks(keeper.stop)],
    )
    return keeper.stopped


def run_steps(model: Any, readers: Sequence[Any], batches: Any, **options: Any) -> None:
    """`model.fit`; what a reader refuses comes out as its own BadInput."""
    import tensorflow as tf

    try:
        model.fit(batches, shuffle=False, verbose=0, **options)
    except tf.errors.OpError:
        failures = [reader.failure for reader in readers if reader.failure]
        if failures:
            raise failures[0] from None
        raise


def check_sizes(data: Data, info: ModelInfo) -> None:
    """Raises BadInput for the first validation image that the network cannot take."""
    split = data.split("val")
    for name, size in zip(split.names, split.sizes, strict=True):
        if min(size) < info.minimum:
            raise BadInput(
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
    weights = (weights_by_name(model, data) or {}).items()
    shown = ", ".join(f"{name} {weight:.3g}" for name, weight in weights)
    say(f"loss {config.loss}, class weights: {shown or 'none'}")
    devices = tf.config.list_physical_devices("GPU")
    onednn = "off" if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0" else "on"
    say(f"on {len(devices)} GPU" if devices else f"on the CPU, oneDNN {onednn}")


def report(data: Data, folder: Path) -> dict[str, Any]:
    """Evaluates the best weights; leaves the pictures and metrics.json, its content."""
    from kseg import pictures
    from kseg.callbacks import HISTORY, read_history
    from kseg.metrics import summarize

    segmenter = runs.open_segmenter(folder / runs.BEST)
    val = data.split("val")
    matrix = confusion_over(segmenter, val, data.num_classes)
    metrics = summarize(matrix, data.names, len(val.sizes))
    runs.write_json(folder / "metrics.json", metrics)
    if (folder / HISTORY).is_file():  # not where the first epoch was broken off
        pictures.curves(folder / "curves.png", read_history(folder / HISTORY))
    pictures.sample_sheet(folder / "samples.png", segmenter, val)
    pictures.confusion(folder / "confusion.png", matrix, data.names)
    return metrics


if __name__ == "__main__":
    run("kseg.train", main)
