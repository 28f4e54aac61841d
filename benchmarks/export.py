"""What heads and resolutions of an exported file cost, beside Keras's own export.

    kseg benchmark export --run saved_models/RUN

The same network is exported in each way and takes turns on the same images. Bare is
the interpreter's run alone; whole is the predictor's, from image to labels at the
image's own size. "naive" is Keras's own export, left at its defaults: a person who
uses it has to scale, enlarge and choose labels outside, as the last columns count.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import numpy as np

from benchmarks.inference import time_on_images
from benchmarks.results import JSON_HELP, show
from edge.core.errors import InputError
from edge.core.log import say
from edge.engines.select import open_engine
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from kseg.cli.parser import parse
from kseg.core.configs import ExportConfig
from kseg.core.options import Output, option
from kseg.evaluation.loop import compare

IMAGES = 50  # of val, at most
HEADS = (("labels", False), ("labels", True), ("logits", False), ("logits", True))
ONNX_VARIANT = "float32, labels, ONNX Runtime"


@dataclass(frozen=True)
class ExportBenchmarkConfig:
    """Options of `kseg benchmark export`."""

    run: str = option("", "a run folder")
    data: str = option("", "where the run's data are now, if they have moved")
    calibration_images: int = option(50, "that set int8's ranges")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ExportBenchmarkConfig, "kseg benchmark export", __doc__, argv)
    show(export_speed(config), export_table, config.json)


@dataclass(frozen=True)
class Variant:
    """One file, and how it is used."""

    name: str
    predictor: Predictor
    operators: int
    bytes: int


def export_speed(config: ExportBenchmarkConfig) -> dict[str, Any]:
    """Milliseconds bare and whole, mean IoU, operators and bytes of each way."""
    if not config.run:
        raise InputError("benchmark export: give --run a run folder")
    from kseg.deploy.export import calibration_set_for, open_run

    options = ExportConfig(
        config.run, data=config.data, calibration_images=config.calibration_images
    )
    source = open_run(options, Path(config.run))
    calibration = source.calibration(calibration_set_for(options, source.data))
    with tempfile.TemporaryDirectory() as folder:
        ways = list(all_variants(source, calibration, Path(folder)))
        rows, scores = timed_variants(ways, source), mean_ious(ways, source)
    return {
        "size": source.size,
        "pictures": min(IMAGES, len(source.data.split("val").sizes)),
        "ways": [row | {"mean_iou": scores[row["name"]]} for row in rows],
    }


def all_variants(source: Any, calibration: Any, folder: Path) -> Iterator[Variant]:
    """kseg's heads in float32 and int8, Keras's export, ONNX Runtime where it is."""
    for scheme in ("float32", "int8"):
        for head, low in HEADS:
            name = f"{scheme}, {head}{', low resolution' if low else ''}"
            say(f"converting: {name}")
            try:
                content = converted(source, scheme, head, low, calibration)
            except InputError as refusal:
                say(f"left out: {refusal}")
                continue
            yield variant(folder, name, content, replace(source.info, head=head))
        say(f"converting: {scheme}, naive")
        content = keras_export(source, scheme, calibration, folder)
        info = replace(source.info, head="logits")
        yield variant(folder, f"{scheme}, naive", content, info)
    say(f"converting: {ONNX_VARIANT}")
    try:
        yield onnx_variant(source, folder)
    except InputError as refusal:
        say(f"left out: {refusal}")


def converted(
    source: Any, scheme: str, head: str, low_resolution: bool, calibration: Any
) -> bytes:
    """kseg's own file. Raises InputError where nothing is enlarged at its end."""
    from kseg.deploy.conversion.tflite import convert
    from kseg.deploy.heads import HEADS as FUNCTIONS
    from kseg.deploy.heads import at_low_resolution

    network = source.network
    if low_resolution:
        network = at_low_resolution(network, source.size)
    made = FUNCTIONS[source.info.task][head]
    return convert(network, scheme, source.size, made, calibration)


def onnx_variant(source: Any, folder: Path) -> Variant:
    """The same in ONNX Runtime. Raises InputError where a package is missing."""
    from kseg.deploy.conversion import onnx

    info = replace(source.info, head="labels")
    content = onnx.convert(source.network, source.size, info)
    path = folder / "model.onnx"
    path.write_bytes(content)
    predictor = predictor_of(open_engine(path, trial=False), info)
    return Variant(ONNX_VARIANT, predictor, onnx.operators_in(content), len(content))


def variant(folder: Path, name: str, content: bytes, info: Any) -> Variant:
    path = folder / f"{name}.tflite"
    path.write_bytes(content)
    engine = open_engine(path, trial=False)
    return Variant(
        name, predictor_of(engine, info), operators_in(content), len(content)
    )


def operators_in(content: bytes) -> int:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=plain
    )
    return len(interpreter._get_ops_details())


def keras_export(source: Any, scheme: str, calibration: Any, folder: Path) -> bytes:
    """Keras's own export to LiteRT: floats in and out, whatever the converter makes."""
    import keras
    import tensorflow as tf

    from kseg.deploy.conversion.tflite import quiet

    shape = (1, *source.size, source.network.input_shape[-1])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="image")]
    options: dict[str, Any] = {}
    if scheme == "int8":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
        options["representative_dataset"] = lambda: (
            [image[None].astype(np.float32)] for image in calibration()
        )
    path = folder / "keras.tflite"
    with quiet():
        source.network.export(
            path, format="litert", input_signature=signature, verbose=False, **options
        )
    content = path.read_bytes()
    path.unlink()
    return content


def timed_variants(ways: list[Variant], source: Any) -> list[dict[str, Any]]:
    """Medians of the milliseconds of each way on the same images, in turns."""
    predictors = {each.name: each.predictor for each in ways}
    millis = time_on_images(predictors, source.data.split("val"), IMAGES)
    return [
        {
            "name": each.name,
            "bare_millis": round(millis[each.name].bare, 2),
            "whole_millis": round(millis[each.name].whole, 2),
            "operators": each.operators,
            "bytes": each.bytes,
        }
        for each in ways
    ]


def mean_ious(ways: list[Variant], source: Any) -> dict[str, Optional[float]]:
    """On the whole val split; None for naive files, which want other values."""
    ours = {each.name: each.predictor for each in ways if "naive" not in each.name}
    split = source.data.split("val")
    found = compare(source.reference, ours, split, source.new_evaluator)
    values = {name: each.evaluator.value() for name, each in found.items()}
    return {each.name: values.get(each.name) for each in ways}


def export_table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    from tabulate import tabulate

    rows = [
        (
            row["name"],
            f"{row['bare_millis']:.1f}",
            f"{row['whole_millis']:.1f}",
            "" if row["mean_iou"] is None else f"{row['mean_iou']:.4f}",
            row["operators"],
            f"{row['bytes'] / 1024:,.0f}",
        )
        for row in figures["ways"]
    ]
    header = ("file", "ms bare", "ms whole", "mean IoU", "operators", "KiB")
    align = ("left", *["right"] * 5)
    height, width = figures["size"]
    text = tabulate(rows, header, colalign=align, disable_numparse=True)
    return f"{text}\n{figures['pictures']} pictures at {height}x{width}, in turns"
