"""Converts a trained run to TFLite and measures what that cost.

    python -m kseg.export saved_models/RUN --quantize float32,int8 --max-drop 0.02

The run folder gets one .tflite per scheme, each with its class names and colours
inside, and parity.json: every file against the Keras model on the validation images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import numpy as np

from edge.command import BadInput, replace_by, run, say
from edge.metadata import ModelInfo, info_of
from edge.segmenter import Segmenter
from kseg import backend, runs
from kseg.config import CALIBRATED, ExportConfig, parse
from kseg.data import Data, Split
from kseg.evaluate import check_classes, data_of
from kseg.parity import Parity, check_gate, compare, table
from kseg.quantize.coverage import Coverage, choose


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ExportConfig, __doc__, argv)
    done = export(config)
    runs.write_result(config.json, done.parity)
    if config.json != "-":
        print(table(done.parity, done.size, done.mean_iou))
    check_gate(done.parity, config.max_drop)
    if config.json != "-":
        best = done.files.get("int8") or next(iter(done.files.values()))
        print(f"\nNext:\n  python edge/camera_demo.py {best} --source 0")


@dataclass(frozen=True)
class Exported:
    """The files by scheme, their input size, parity.json, and training's mean IoU."""

    files: dict[str, Path]
    size: tuple[int, int]
    parity: Parity
    mean_iou: Optional[float]


@dataclass(frozen=True)
class Source:
    """What files are made from: a trained network, its data, the input size.

    `network` ends where the files' head begins; `reference` labels as it does in Keras,
    in full.
    """

    network: Any
    info: ModelInfo
    data: Data
    size: tuple[int, int]
    reference: Segmenter


def export(config: ExportConfig) -> Exported:
    """Converts, compares, and leaves the files and parity.json in the run folder."""
    folder = Path(config.run)
    source = open_run(config, folder)
    coverage = coverage_for(config, source.data)
    files = write_files(config, source, folder, coverage)
    parity = compare(source.reference, files, source.data, config.threads)
    for scheme in files:
        if coverage and scheme in CALIBRATED:
            parity[scheme]["calibration"] = coverage.record()
    runs.write_json(folder / "parity.json", parity)
    trained = source.info.metrics.get("mean_iou")
    return Exported(files, source.size, parity, trained)


def open_run(config: ExportConfig, folder: Path) -> Source:
    """The run as it is to be exported. Raises BadInput for what does not fit."""
    record = runs.read_record(folder)
    data = data_of(config.run, folder, config.data, None)
    backend.start()
    check_backend()
    from kseg.keras_engine import KerasEngine
    from kseg.quantize.head import at_low_resolution

    model = runs.load_model(folder / runs.BEST)
    metrics = read_metrics(folder)
    info = replace(info_of(folder / runs.BEST), head=config.head, metrics=metrics)
    size = config.size or info.covering(record["data"]["size"])
    runs.check_size(size, info)
    network = at_low_resolution(model, size) if config.low_resolution else model
    labels = config.head == "labels"
    reference = Segmenter(KerasEngine(model, size, labels), info)
    check_classes(reference, data, config.run)
    return Source(network, info, data, size, reference)


def check_backend() -> None:
    """Raises BadInput where Keras does not run on TensorFlow, which converts."""
    import keras

    name = keras.backend.backend()
    if name != "tensorflow":
        raise BadInput(
            f"KERAS_BACKEND={name}: TensorFlow converts to TFLite, whatever a run was "
            "trained on; export without that variable"
        )


def coverage_for(config: ExportConfig, data: Data) -> Optional[Coverage]:
    """The pictures that set ranges, where a scheme asks for any."""
    if not set(config.quantize) & set(CALIBRATED):
        return None
    return choose(data, config.calibration_images)


def calibration_images(
    segmenter: Segmenter, split: Split, coverage: Optional[Coverage]
) -> Iterator[np.ndarray]:
    """The chosen pictures as the Segmenter would feed them."""
    for index in coverage.indices if coverage else ():
        image, _ = split.read(index)
        for row in segmenter.prepare(image)[0]:
            yield from row


def write_files(
    config: ExportConfig, source: Source, folder: Path, coverage: Optional[Coverage]
) -> dict[str, Path]:
    """Converts to each scheme asked for: scheme -> file. Each is whole or not there."""
    from kseg.quantize.post_training import convert

    files = {}
    train = source.data.split("train")
    calibration = partial(calibration_images, source.reference, train, coverage)
    for scheme in config.quantize:
        say(f"converting to {announced(scheme, config, source.size, coverage)}")
        content = convert(source.network, scheme, source.size, config.head, calibration)
        path = folder / f"{scheme}.tflite"
        with replace_by(path) as part:
            part.write_bytes(content)
            source.info.attach(part)
        files[scheme] = path
    return files


def announced(
    scheme: str,
    config: ExportConfig,
    size: tuple[int, int],
    coverage: Optional[Coverage],
) -> str:
    """A scheme and how it is made, in words."""
    low = ", before the last enlargement" if config.low_resolution else ""
    text = f"{scheme} at {size[0]}x{size[1]}, {config.head}{low}"
    if coverage and scheme in CALIBRATED:
        text += f", ranges from {len(coverage.indices)} images"
    return text


def read_metrics(folder: Path) -> dict[str, Any]:
    """What training reported, images at their own sizes; {} for one cut short."""
    path = folder / "metrics.json"
    try:
        return json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise BadInput(f"{path}: is damaged ({error}); train again") from None


if __name__ == "__main__":
    run("kseg.export", main)
