"""The card of a run: what it says of a run, its data and its files."""

import json
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pytest

from edge.core.constants import palette
from edge.model_file.info import ModelInfo
from kseg.core.configs import ExportConfig, TrainConfig, to_record
from kseg.core.task_defaults import for_task
from kseg.data.sample import Dataset
from kseg.deploy.card import card_text, in_other_light, license_of
from kseg.deploy.export import TrainedRun

NAMES = ("disc", "square")
DECODER = MappingProxyType(
    {"strides": [4, 8], "score": 0.3, "nms": 0.6, "max_detections": 50}
)


def run_of(task: str, metrics: dict, data: str = "shapes", **config) -> TrainedRun:
    """A run of 100 parameters on two classes, without its network."""
    options = {"data": data, "task": task, "size": (32, 48), **config}
    record = {
        "config": to_record(for_task(TrainConfig(**options), options, task)),
        "data": {"images": {"train": 1200, "val": 30}},
        "parameters": 100,
        "versions": {"kseg": "0.0.1", "keras": "3.9"},
    }
    info = ModelInfo(
        NAMES, palette(2), task=task, decoder=dict(DECODER), metrics=metrics
    )
    opened = Dataset(data, NAMES, palette(2), {}, task=task)
    return TrainedRun(record, None, None, info, opened, (32, 48), None)


def parity_of(headline: str) -> dict:
    row = {headline: 0.5, "drop": 0.0, "bytes": None, "latency_millis": 8.04}
    int8 = row | {headline: 0.49, "drop": 0.01, "bytes": 2048, "latency_millis": 2.5}
    return {"headline": headline, "keras": row | {"threads": 2}, "int8": int8}


def card(task: str, metrics: dict, headline: str, **options) -> str:
    config = ExportConfig(run="runs/mine", quantize=("int8",))
    files = {"int8": Path("runs/mine/int8.tflite")}
    return card_text(
        config, run_of(task, metrics, **options), files, parity_of(headline)
    )


def test_the_card_of_objects():
    metrics = {"images": 30, "mask_ap": 0.5, "box_ap": 0.625, "mask_ap_small": 0.25}
    text = card("instance", metrics, "mask_ap", model="instances", encoder="plain")
    lines = text.splitlines()
    assert lines[0] == "# mine"
    for line in (
        "- Task: instance",
        "- Classes (2): disc, square",
        "- Data: shapes; images: 1,200 train, 30 val",
        "- Network: instances on plain (weights none), 100 parameters",
        "- Input: 32x48 pixels, RGB, bytes",
        "Keras model, split val of 30 images, at their own size: mask AP 0.5000, "
        "box AP 0.6250.",
        "| Keras model |  | 0.5000 |  | 8.0 |",
        "| int8.tflite | 2 | 0.4900 | +0.0100 | 2.5 |",
        "- At most 50 objects in an image, with a score of 0.3 or more.",
        "- Objects under 32x32 pixels have a mask AP of 0.2500.",
        "kseg export runs/mine --quantize int8",
    ):
        assert line in lines
    (command,) = (line for line in lines if line.startswith("kseg train "))
    assert "--task instance --model instances --batch-size 16 " in command
    assert " --size 32x48 " in command
    assert "Anchors have sides of 16 to 32 pixels" in text
    assert text.endswith(f", keras 3.9; {date.today().isoformat()}.\n")
    assert len(lines) < 50


def test_the_card_of_a_semantic_run():
    text = card("semantic", {"mean_iou": 0.75, "pixel_accuracy": 0.9}, "mean_iou")
    assert "mean IoU 0.7500, pixel accuracy 0.9000." in text
    assert "- Each pixel gets one of the classes" in text
    assert "objects" not in text and "| file | KiB | mean IoU | drop | ms |" in text


def test_the_card_says_the_largest_drop_in_other_light():
    parity = parity_of("mean_iou")
    parity["keras"]["shifts"] = {"gamma 2": {"drop": 0.0}}
    parity["int8"]["shifts"] = {"gamma 2": {"drop": 0.0123}, "blur 1.5": {"drop": 0}}
    parity["int8"]["shift_images"] = 40
    (line,) = in_other_light(parity)
    assert "on 40 images of val" in line
    assert line.endswith("the largest drop is +0.0123: int8, gamma 2.")
    assert in_other_light(parity_of("mean_iou")) == []


def test_the_card_of_detection_without_figures():
    text = card("detection", {}, "box_ap")
    assert "Not measured: training ended before" in text
    assert "- Objects under 32x32" not in text and "overlap by more than 0.6" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"license": "CC BY 4.0,\\n Somebody"}', "CC BY 4.0, Somebody"),
        ('{"classes": []}', "not stated"),
        ("[]", "not stated"),
        ("{", "not stated"),
        (None, "not stated"),
    ],
)
def test_the_licence_is_that_of_the_data_folder(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "classes.json").write_text(content, encoding="utf-8")
    assert license_of(str(tmp_path)) == expected


def test_every_export_writes_the_card(exported):
    """A semantic run, exported by the command."""
    text = (exported / "card.md").read_text(encoding="utf-8")
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert "- Task: semantic" in text and "- Licence of the data: not stated" in text
    for scheme in ("float32", "int8"):
        row = parity[scheme]
        assert f"| {scheme}.tflite | {row['bytes'] / 1024:,.0f} |" in text
        assert f"| {row['mean_iou']:.4f} | {row['drop']:+.4f} |" in text
    assert (
        f"kseg export {exported} --quantize float32,int8 --max-drop 1"
        in text.replace("'", "")
    )
