"""Converts a trained run to TFLite and measures what that cost.

    python -m kseg.export saved_models/RUN --quantize float32,int8 --max-drop 0.02
    python -m kseg.export --check any.tflite

The run folder gets one .tflite per scheme, each with its class names and colours
inside, and parity.json: every file against the Keras model on the validation images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import numpy as np

from edge.command import BadInput, GateFailed, replace_by, run, say
from edge.engines import open_engine
from edge.metadata import ModelInfo, info_of
from edge.segmenter import Segmenter
from kseg import backend, runs
from kseg.config import ExportConfig, parse
from kseg.data import Data, Split
from kseg.evaluate import check_classes, data_of
from kseg.progress import bar


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ExportConfig, __doc__, argv)
    if config.check:
        return check(config)
    if not config.run:
        raise BadInput("name a run folder, or .tflite files to --check")
    done = export(config)
    runs.write_result(config.json, done.parity)
    if config.json != "-":
        print(table(done))
    check_gate(done.parity, config.max_drop)
    if config.json != "-":
        best = done.files.get("int8") or next(iter(done.files.values()))
        print(f"\nNext:\n  python edge/camera_demo.py {best} --source 0")


def check(config: ExportConfig) -> None:
    """Says what is wrong with files of anyone's. Raises GateFailed for an error."""
    from kseg.quantize import lint

    if config.run:
        raise BadInput(f"{config.run}: --check takes files alone, RUN is exported")
    findings = lint.check(config.check)
    runs.write_result(config.json, lint.as_json(findings))
    if config.json != "-":
        print(lint.table(findings))
    lint.refuse(findings)


@dataclass(frozen=True)
class Exported:
    """The files by scheme, their input size, parity.json, and training's mean IoU."""

    files: dict[str, Path]
    size: tuple[int, int]
    parity: dict[str, dict[str, Any]]
    mean_iou: Optional[float]


def export(config: ExportConfig) -> Exported:
    """Converts, compares, and leaves the files and parity.json in the run folder."""
    folder = Path(config.run)
    record = runs.read_record(folder)
    data = data_of(config.run, folder, config.data, None)
    backend.start()
    check_backend()
    from kseg.keras_engine import KerasEngine

    model = runs.load_model(folder / runs.BEST)
    metrics = read_metrics(folder)
    info = replace(info_of(folder / runs.BEST), head=config.head, metrics=metrics)
    size = config.size or info.covering(record["data"]["size"])
    runs.check_size(size, info)
    labels = config.head == "labels"
    reference = Segmenter(KerasEngine(model, size, labels), info)
    check_classes(reference, data, config.run)
    files = write_files(config, model, info, reference, data, folder, size)
    parity = compare(reference, files, data, config.threads)
    runs.write_json(folder / "parity.json", parity)
    return Exported(files, size, parity, metrics.get("mean_iou"))


def check_backend() -> None:
    """Raises BadInput where Keras does not run on TensorFlow, which converts."""
    import keras

    name = keras.backend.backend()
    if name != "tensorflow":
        raise BadInput(
            f"KERAS_BACKEND={name}: TensorFlow converts to TFLite, whatever a run was "
            "trained on; export without that variable"
        )


def calibration_images(
    segmenter: Segmenter, split: Split, count: int
) -> Iterator[np.ndarray]:
    """`count` images spread over the split, as the Segmenter would feed them."""
    total = len(split.sizes)
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    for index in chosen:
        image, _ = split.read(int(index))
        for row in segmenter.prepare(image)[0]:
            yield from row


def write_files(
    config: ExportConfig,
    model: Any,
    info: ModelInfo,
    reference: Segmenter,
    data: Data,
    folder: Path,
    size: tuple[int, int],
) -> dict[str, Path]:
    """Converts to each scheme asked for: scheme -> file. Each is whole or not there."""
    from kseg.quantize import lint
    from kseg.quantize.metadata import with_metadata
    from kseg.quantize.post_training import convert

    train, files = data.split("train"), {}

    def calibration() -> Iterator[np.ndarray]:
        return calibration_images(reference, train, config.calibration_images)

    for scheme in config.quantize:
        count = min(config.calibration_images, len(train.sizes))
        ranges = f", ranges from {count} images" if scheme == "int8" else ""
        say(f"converting to {scheme} at {size[0]}x{size[1]}, {config.head}{ranges}")
        content = convert(model, scheme, size, config.head, calibration)
        path = folder / f"{scheme}.tflite"
        with replace_by(path) as part:
            part.write_bytes(with_metadata(content, info))
            info.attach(part)
            lint.warn(part, path.name)
        files[scheme] = path
    return files


@dataclass
class Tally:
    """What one engine did over a split."""

    segmenter: Segmenter
    matrix: np.ndarray
    agreeing: int = 0


def compare(
    reference: Segmenter, files: dict[str, Path], data: Data, threads: Optional[int]
) -> dict[str, dict[str, Any]]:
    """The content of parity.json: each file against the Keras model, image by image."""
    from kseg.metrics import confusion_matrix, iou_per_class

    classes, split = data.num_classes, data.split("val")
    segmenters = {"keras": reference}
    for scheme, path in files.items():
        engine = open_engine(path, threads=threads)
        segmenters[scheme] = Segmenter(engine, info_of(path))
    empty = np.zeros((classes, classes), np.int64)
    tallies = {name: Tally(s, empty.copy()) for name, s in segmenters.items()}
    pixels = 0
    for index in bar(range(len(split.sizes)), "comparing"):
        image, mask = split.read(index)
        expected = reference.predict(image)
        pixels += mask.size
        for name, tally in tallies.items():
            labels = expected if name == "keras" else tally.segmenter.predict(image)
            tally.matrix += confusion_matrix(mask, labels, classes)
            tally.agreeing += int((labels == expected).sum())
    means = {n: float(np.nanmean(iou_per_class(t.matrix))) for n, t in tallies.items()}
    return {
        name: {
            "mean_iou": means[name],
            "drop": means["keras"] - means[name],
            "agreement": tally.agreeing / pixels,
            "bytes": files[name].stat().st_size if name in files else None,
            "latency_millis": tally.segmenter.stages.summary()["inference"]["p50"],
        }
        for name, tally in tallies.items()
    }


def read_metrics(folder: Path) -> dict[str, Any]:
    """What training reported, images at their own sizes; {} for one cut short."""
    path = folder / "metrics.json"
    try:
        return json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise BadInput(f"{path}: is damaged ({error}); train again") from None


def table(done: Exported) -> str:
    """parity.json for people."""
    from tabulate import tabulate

    rows = []
    if done.mean_iou is not None:
        rows.append(("keras, own sizes", f"{done.mean_iou:.4f}", "", "", "", ""))
    for name, row in done.parity.items():
        kib = f"{row['bytes'] / 1024:,.0f}" if row["bytes"] else ""
        drop, agreement = f"{row['drop']:+.4f}", f"{row['agreement']:.4%}"
        if name == "keras":
            name, drop, agreement = f"keras, {done.size[0]}x{done.size[1]}", "", ""
        millis = f"{row['latency_millis']:.1f}"
        rows.append((name, f"{row['mean_iou']:.4f}", drop, agreement, kib, millis))
    header = ("model", "mean IoU", "drop", "same labels", "KiB", "ms per image")
    align = ("left", *["right"] * 5)
    return tabulate(rows, header, colalign=align, disable_numparse=True)


def check_gate(parity: dict[str, dict[str, Any]], max_drop: float) -> None:
    """Raises GateFailed for the worst file where it lost more than `max_drop`."""
    name, worst = max(parity.items(), key=lambda item: item[1]["drop"])
    if worst["drop"] > max_drop:
        raise GateFailed(
            f"{name} lost {worst['drop']:.4f} of mean IoU, more than "
            f"--max-drop {max_drop}"
        )


if __name__ == "__main__":
    run("kseg.export", main)
