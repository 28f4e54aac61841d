"""The card of a run: card.md says on one screen what a model is and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from edge.core.images import format_size
from edge.core.inputs import read_text
from edge.core.system import board_name
from edge.engines.parts import files_of
from edge.model_file.info import ModelInfo
from edge.predict.decoder import decoder_of
from kseg.core.configs import ExportConfig, TrainConfig
from kseg.core.names import OWN_LAYERS, __version__
from kseg.core.provenance import command_line
from kseg.core.runs import recorded_config
from kseg.deploy.parity import Parity, metric_name, rows, shifted_drops
from kseg.evaluation.loop import REFERENCE

if TYPE_CHECKING:
    from kseg.deploy.export import TrainedRun

NOT_STATED = "not stated"
# Metrics that the card shows, of those that a task has, besides the headline.
SHOWN = (
    *("mean_iou", "pixel_accuracy", "boundary_iou"),
    *("mask_ap", "mask_ap50", "box_ap", "box_ap50", "pq", "count_error"),
)
NAMES = {"pq": "panoptic quality", "count_error": "mean error of the count"}


def card_text(
    config: ExportConfig, source: TrainedRun, files: Mapping[str, Path], parity: Parity
) -> str:
    """The content of card.md, in Markdown.

    `parity` is that of `files`, by scheme. Accuracy is that of the split val.
    """
    trained = recorded_config(source.record)
    sections = [
        f"# {Path(config.run).resolve().name}",
        facts(source, trained),
        "## Accuracy",
        accuracy(source),
        "## Files",
        file_table(source, files, parity),
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits(source)),
        "## Made by",
        made_by(config, trained, source.record),
    ]
    return "\n\n".join(sections) + "\n"


def facts(source: TrainedRun, trained: TrainConfig) -> str:
    """Task, classes, data, network and input, as a list."""
    names, record = source.info.class_names, source.record
    images = record["data"].get("images", {})
    counts = ", ".join(f"{count:,} {split}" for split, count in images.items())
    network = trained.model
    if network not in OWN_LAYERS:
        network += f" on {trained.encoder} (weights {trained.weights})"
    colour = "grey" if source.data.channels == 1 else "RGB"
    lines = {
        "Task": source.info.task,
        f"Classes ({len(names)})": ", ".join(names),
        "Data": f"{Path(source.data.name).name}; images: {counts}",
        "Licence of the data": license_of(source.data.name),
        "Network": f"{network}, {record.get('parameters', 0):,} parameters",
        "Input": f"{format_size(source.size)} pixels, {colour}, bytes",
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items())


def license_of(data: str) -> str:
    """The text "license" of a data folder's classes.json, in one line."""
    if data == "shapes":
        return "generated scenes, no licence needed"
    try:
        content = json.loads(read_text(Path(data) / "classes.json"))
        return " ".join(str(content.get("license") or NOT_STATED).split())
    except (OSError, ValueError, AttributeError):
        return NOT_STATED


def accuracy(source: TrainedRun) -> str:
    """The metrics that training reported, in a sentence."""
    metrics = source.info.metrics
    known = {k: metrics[k] for k in SHOWN if isinstance(metrics.get(k), (int, float))}
    if not known:
        return "Not measured: training ended before it evaluated the best epoch."
    values = ", ".join(f"{shown_name(k)} {v:.4f}" for k, v in known.items())
    count = metrics.get("images") or source.record["data"]["images"].get("val")
    images = f" of {count:,} images" if count else ""
    return f"Keras model, split val{images}, at their own size: {values}."


def shown_name(key: str) -> str:
    """The name of a metric for people."""
    return NAMES.get(key, metric_name(key))


def file_table(source: TrainedRun, files: Mapping[str, Path], parity: Parity) -> str:
    """Size, headline metric, drop and latency of each file, and where it was timed."""
    headline, found = parity["headline"], rows(parity)
    lines = [
        f"| file | KiB | {metric_name(headline)} | drop | ms |",
        "|---|---|---|---|---|",
    ]
    for name, row in found.items():
        path = files.get(name)
        size = f"{row['bytes'] / 1024:,.0f}" if path else ""
        drop = f"{row['drop']:+.4f}" if path else ""
        lines.append(
            f"| {file_names(path) if path else 'Keras model'} | {size} "
            f"| {row[headline]:.4f} | {drop} | {row['latency_millis']:.1f} |"
        )
    threads = found[REFERENCE]["threads"]
    lines += [
        "",
        f"Split val at {format_size(source.size)}. Time of the network alone, one "
        f"image, {threads} threads, on {board_name()}.",
        *in_other_light(parity),
    ]
    return "\n".join(lines)


def in_other_light(parity: Parity) -> list[str]:
    """The largest drop of a file in other light, in a sentence, if it was measured."""
    files = {name: row for name, row in rows(parity).items() if name != REFERENCE}
    drops = [(*each, name) for name in files for each in shifted_drops(files[name])]
    if not drops:
        return []
    drop, shift, name = max(drops)
    images = f"{files[name]['shift_images']} images of val"
    return [
        f"With another gamma, less contrast, noise and blur on {images}, the largest "
        f"drop is {drop:+.4f}: {name}, {shift}."
    ]


def file_names(path: Path) -> str:
    """The name of a file, and those of its parts."""
    return ", ".join(each.name for each in files_of(path))


def limits(source: TrainedRun) -> list[str]:
    """What the model does not do: that of its task, and of every model."""
    of_task = LIMITS.get(source.info.task, lambda info: [])(source.info)
    size = format_size(source.size)
    return [
        *of_task,
        f"Images are resized to {size}; details below a pixel are lost.",
        f"It was measured on images like those of {Path(source.data.name).name} only.",
    ]


def of_pixels(info: ModelInfo) -> list[str]:
    """The limits of semantic models."""
    return ["Each pixel gets one of the classes, also where none of them is right."]


def of_objects(info: ModelInfo) -> list[str]:
    """The limits of models that find objects, from the parameters of decoding."""
    decoder = decoder_of(info)
    anchors = [round(decoder.anchor_scale * stride) for stride in decoder.strides]
    found = [
        f"At most {decoder.max_detections} objects in an image, with a score of "
        f"{decoder.score:g} or more.",
    ]
    if decoder.nms < 1:
        found.append(
            f"Of boxes of a class that overlap by more than {decoder.nms:g}, one is "
            "kept."
        )
    if anchors:
        found.append(
            f"Anchors have sides of {min(anchors)} to {max(anchors)} pixels of the "
            "input; objects that are much smaller are missed."
        )
    small = small_objects(info.metrics)
    return found if small is None else [*found, small]


def small_objects(metrics: Mapping[str, Any]) -> Optional[str]:
    """The AP of small objects in a sentence; None if it is not known."""
    for kind in ("mask", "box"):
        value = metrics.get(f"{kind}_ap_small")
        if isinstance(value, (int, float)):
            return f"Objects under 32x32 pixels have a {kind} AP of {value:.4f}."
    return None


# Task -> function of the model's metadata that returns its limits, as sentences.
LIMITS: dict[str, Callable[[ModelInfo], list[str]]] = {
    "semantic": of_pixels,
    "instance": of_objects,
    "detection": of_objects,
}


def made_by(
    config: ExportConfig, trained: TrainConfig, record: Mapping[str, Any]
) -> str:
    """The commands of training and export, versions and date."""
    commands = [command_line(trained), command_line(config, "export")]
    versions = {**record.get("versions", {}), "kseg": __version__}
    packages = ("kseg", "keras", "tensorflow")
    used = ", ".join(
        f"{name} {versions[name]}" for name in packages if name in versions
    )
    listed = "\n".join(commands)
    return f"```sh\n{listed}\n```\n\n{used}; {date.today().isoformat()}."
