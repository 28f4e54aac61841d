"""Converts a trained run to TFLite and measures what that cost.

    python -m kseg.export saved_models/RUN --quantize float32,int8 --max-drop 0.02
    python -m kseg.export --check any.tflite

The run folder gets one .tflite per scheme, each with its class names and colours
inside, and parity.json: every file against the Keras model on the validation images.
Where int8 hurts, --explain shows which layer, and --mend keeps the worst in float.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence

import numpy as np

from edge.core.arguments import run
from edge.core.errors import InputError
from edge.core.files import atomic_write
from edge.core.log import say
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.semantic import Segmenter
from kseg import backend, runs
from kseg.config import AWARE_SCHEMES, ONNX, ExportConfig, flag, parse_given
from kseg.data import Data
from kseg.evaluate import check_classes, data_of
from kseg.parity import (
    MENDED,
    REFERENCE,
    Parity,
    check_gate,
    compare,
    mean_iou_of,
    mean_iou_of_file,
    table,
)
from kseg.quantize.coverage import Coverage, choose

if TYPE_CHECKING:
    from kseg.quantize.explain import Finding


EXPLAINED = "explain.png"
EXPLAINED_ON = 4  # pictures: rounding is in every pixel of each
READ_BY = {  # options that some schemes alone read
    "sparsity": tuple(scheme for scheme in AWARE_SCHEMES if "pruned" in scheme),
    "clusters": tuple(scheme for scheme in AWARE_SCHEMES if "clustered" in scheme),
    "fine_tune_epochs": AWARE_SCHEMES,
    "fine_tune_rate": AWARE_SCHEMES,
    "seed": AWARE_SCHEMES,
}


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(ExportConfig, __doc__, argv)
    check_given(config, given)
    if config.check:
        return check(config)
    if not config.run:
        raise InputError("name a run folder, or .tflite files to --check")
    done = export(config)
    runs.write_result(config.json, done.parity)
    if config.json != "-":
        if done.layers:
            print(f"{done.layers}\n")
        print(table(done.parity, done.size, done.mean_iou))
    check_gate(done.parity, config.max_drop)
    if config.json != "-":
        offered = (done.files.get(name) for name in (MENDED, "int8"))
        best = next(filter(None, offered), next(iter(done.files.values())))
        print(f"\nNext:\n  python edge/camera_demo.py {best} --source 0")


def check_given(config: ExportConfig, given: set[str]) -> None:
    """Raises InputError for options beside --check, or of fine-tuning not asked for."""
    for name in sorted(given):
        if config.check and name not in ("run", "check", "json"):
            raise InputError(f"{flag(name)}: does nothing beside --check")
        readers = READ_BY.get(name)
        if readers and not set(readers) & set(config.quantize):
            some = ", ".join(readers[:3])
            raise InputError(
                f"{flag(name)}: does nothing without a scheme that is fine-tuned so; "
                f"--quantize {some} and others read it"
            )


def check(config: ExportConfig) -> None:
    """Says what is wrong with files of anyone's.

    Raises GateFailed for an error, InputError for a file that cannot be read; the
    others are shown all the same.
    """
    from kseg.quantize import lint

    if config.run:
        raise InputError(f"{config.run}: --check takes files alone, RUN is exported")
    findings, refusals = lint.check(config.check)
    runs.write_result(config.json, lint.as_json(findings))
    if config.json != "-" and findings:
        print(lint.table(findings))
    for refusal in refusals[1:]:
        say(str(refusal))
    if refusals:
        raise refusals[0]
    lint.refuse(findings)


@dataclass(frozen=True)
class Exported:
    """The files by scheme, their input size, parity.json, training's mean IoU, and
    what --explain says, for people."""

    files: dict[str, Path]
    size: tuple[int, int]
    parity: Parity
    mean_iou: Optional[float]
    layers: str = ""


@dataclass(frozen=True)
class Source:
    """What files are made from: a trained run and the input size.

    `model` is its network, `network` that ends where the files' head begins;
    `reference` labels as it does in Keras, in full. `record` is its config.json.
    """

    record: dict[str, Any]
    model: Any
    network: Any
    info: ModelInfo
    data: Data
    size: tuple[int, int]
    reference: Segmenter

    def calibration(
        self, coverage: Optional[Coverage]
    ) -> Callable[[], Iterator[np.ndarray]]:
        """The chosen training pictures as the Segmenter would feed them."""
        train = self.data.split("train")

        def images() -> Iterator[np.ndarray]:
            for index in coverage.indices if coverage else ():
                image, _ = train.read(index)
                for row in self.reference.prepare(image)[0]:
                    yield from row

        return images


def export(config: ExportConfig) -> Exported:
    """Converts, compares, and leaves the files and parity.json in the run folder.

    Raises InputError for what does not fit the run, or goes together.
    """
    check_options(config)
    folder = Path(config.run)
    source = open_run(config, folder)
    coverage = coverage_for(config, source.data)
    if "int8" in config.quantize:  # it was mended from the one that is now made anew
        (folder / f"{MENDED}.tflite").unlink(missing_ok=True)
    files = write_files(config, source, folder, coverage)
    findings = look_into_int8(config, source, folder, files, coverage)
    parity = compare(source.reference, files, source.data, config.threads)
    for scheme in files:
        if coverage and has_ranges(scheme):
            parity[scheme]["calibration"] = coverage.record()
    if "int8" in files and findings:
        parity["int8"]["layers"] = [finding.record() for finding in findings]
    for row in parity.values():
        row |= {"size": source.size, "head": config.head}
    runs.write_json(folder / "parity.json", parity)
    trained = source.info.metrics.get("mean_iou")
    warn_of_size(trained, parity[REFERENCE]["mean_iou"], source.size, config.max_drop)
    layers = layers_table(findings) if findings else ""
    return Exported(files, source.size, parity, trained, layers)


def check_options(config: ExportConfig) -> None:
    """Raises InputError for options that do not go together."""
    aware = [scheme for scheme in config.quantize if scheme in AWARE_SCHEMES]
    for name in ("explain", "mend"):
        if getattr(config, name) and "int8" not in config.quantize:
            raise InputError(f"--{name} works on int8: add int8 to --quantize")
    if config.low_resolution and aware:
        raise InputError(
            f"--low-resolution: {aware[0]} is fine-tuned at full size; export it alone"
        )


def open_run(config: ExportConfig, folder: Path) -> Source:
    """The run as it is to be exported. Raises InputError for what does not fit."""
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
    return Source(record, model, network, info, data, size, reference)


def layers_table(findings: list[Finding]) -> str:
    from kseg.quantize.explain import table

    return table(findings)


def warn_of_size(
    trained: Optional[float], here: float, size: tuple[int, int], max_drop: float
) -> None:
    """Says what the input's size alone costs: drops are against Keras at that size."""
    if trained is not None and trained - here > max_drop:
        say(
            f"at {size[0]}x{size[1]} the network has mean IoU {here:.4f}, at its "
            f"pictures' own size {trained:.4f}: drops are against the former; a larger "
            "--size keeps more"
        )


def check_backend() -> None:
    """Raises InputError where Keras does not run on TensorFlow, which converts."""
    import keras

    name = keras.backend.backend()
    if name != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND={name}: TensorFlow converts to TFLite, whatever a run was "
            "trained on; export without that variable"
        )


def has_ranges(scheme: str) -> bool:
    """Whether calibration pictures set the ranges of a scheme's activations."""
    return scheme.endswith(("int8", "qat")) or scheme in ("int16x8", MENDED)


def coverage_for(config: ExportConfig, data: Data) -> Optional[Coverage]:
    """The pictures that set ranges, where a scheme asks for any."""
    if not any(map(has_ranges, config.quantize)):
        return None
    return choose(data, config.calibration_images)


def write_files(
    config: ExportConfig, source: Source, folder: Path, coverage: Optional[Coverage]
) -> dict[str, Path]:
    """Converts to each scheme asked for: scheme -> file. Each is whole or not there."""
    from kseg.quantize.post_training import convert

    files, tuner = {}, None
    if set(config.quantize) & set(AWARE_SCHEMES):
        from kseg.quantize.aware import FineTuner

        tuner = FineTuner(source.model, source.data, source.record, config)
    calibration = source.calibration(coverage)
    for scheme in config.quantize:
        say(f"converting to {announced(scheme, config, source.size, coverage)}")
        if scheme == ONNX:
            files[scheme] = write_onnx(config, source, folder)
            continue
        goal = (scheme, source.size, config.head, calibration)
        if tuner and scheme in AWARE_SCHEMES:
            content = tuner.convert(*goal)
        else:
            content = convert(source.network, *goal)
        files[scheme] = folder / f"{scheme}.tflite"
        write_file(files[scheme], content, source.info)
    return files


def write_onnx(config: ExportConfig, source: Source, folder: Path) -> Path:
    """model.onnx, which describes itself in its own way."""
    from kseg.quantize import to_onnx

    content = to_onnx.convert(source.network, source.size, config.head, source.info)
    with atomic_write(folder / "model.onnx") as part:
        part.write_bytes(content)
    return folder / "model.onnx"


def write_file(path: Path, content: bytes, info: ModelInfo) -> None:
    """The file with all that it says of itself, looked over for what devices refuse."""
    from kseg.quantize import lint
    from kseg.quantize.metadata import with_metadata

    with atomic_write(path) as part:
        part.write_bytes(with_metadata(content, info))
        info.attach(part)
        lint.warn(part, path.name)


def look_into_int8(
    config: ExportConfig,
    source: Source,
    folder: Path,
    files: dict[str, Path],
    coverage: Optional[Coverage],
) -> list[Finding]:
    """What --explain and --mend ask for; a mended file is written and joins `files`."""
    if not (config.explain or config.mend):
        return []
    from kseg.quantize import explain, mend

    calibration = source.calibration(coverage)
    images = list(islice(calibration(), EXPLAINED_ON))
    findings = explain.explain(source.network, source.size, images)
    explain.draw(folder / EXPLAINED, findings)
    say(f"what int8 costs in each layer is drawn in {folder / EXPLAINED}")
    if not config.mend:
        return findings
    expected = mean_iou_of(source.reference, source.data)

    def drop(content: bytes) -> float:
        return expected - mean_iou_of_file(content, source.info, source.data)

    before = drop(files["int8"].read_bytes())
    if before <= config.max_drop:
        say(f"int8 loses {before:.4f}, within --max-drop: there is nothing to mend")
        return findings
    say(f"int8 loses {before:.4f}: keeping its worst layers in float")
    worst = [finding.spot for finding in explain.worst_first(findings)]
    selective = mend.SelectiveInt8(
        source.network, source.size, config.head, calibration
    )
    files[MENDED] = folder / f"{MENDED}.tflite"
    content, _, _ = mend.mended(selective, worst, drop, config.max_drop)
    write_file(files[MENDED], content, source.info)
    return findings


def announced(
    scheme: str,
    config: ExportConfig,
    size: tuple[int, int],
    coverage: Optional[Coverage],
) -> str:
    """A scheme and how it is made, in words."""
    low = ", before the last enlargement" if config.low_resolution else ""
    text = f"{scheme} at {size[0]}x{size[1]}, {config.head}{low}"
    if coverage and has_ranges(scheme):
        text += f", ranges from {len(coverage.indices)} images"
    return text


def read_metrics(folder: Path) -> dict[str, Any]:
    """What training reported, images at their own sizes; {} for one cut short."""
    path = folder / "metrics.json"
    try:
        return json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: is damaged ({error}); train again") from None


if __name__ == "__main__":
    run("kseg.export", main)
