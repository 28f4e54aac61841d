"""The whole way: train, capture, prelabel, correct, merge, and train on."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.app.camera import main as live
from edge.predict.results import SemanticMap
from edge.video import scenes
from kseg.cli.evaluate import main as evaluate
from kseg.cli.export import main as export
from kseg.cli.prelabel import main as prelabel
from kseg.cli.prepare import main as prepare
from kseg.cli.train import main as train
from kseg.data.formats.writing import coco
from kseg.data.formats.writing.export import Export
from kseg.data.formats.writing.objects import Limits, objects_of_map
from kseg.data.objects_file import LabelledImage

SIZE = (64, 64)
COLORS, CAMERA, HELD_BACK = 0, 7, 8  # seeds
FRAMES = 60
KINDS = ("images", "masks")
SMALL = ["--width", "8", "--batch-size", "8", "--size", "64x64", "--no-flip"]


def scene(seed: int, index: int, new_look: bool):
    """A scene; of the new look the channels are in another order, and it is dark."""
    image, mask = scenes.scene(seed, index, SIZE)
    if new_look:
        image = (image[..., [2, 0, 1]] * 0.6).astype(np.uint8)
    return image, mask


def write_split(folder: Path, seed: int, count: int, new_look: bool) -> None:
    for index in range(count):
        for kind, array in zip(KINDS, scene(seed, index, new_look), strict=True):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / kind / f"s{index:03}.png")


def write_classes(folder: Path) -> None:
    named = zip(scenes.CLASSES, scenes.COLORS, strict=True)
    classes = [{"name": name, "color": color} for name, color in named]
    text = json.dumps({"classes": classes})
    (folder / "classes.json").write_text(text, encoding="utf-8")


def corrected(labels: Path, frames: Path, target: Path) -> Path:
    """The labels as a person would export them: the true polygons of each frame.

    The time of a captured frame is its number in the folder of the source, by name.
    """
    text = (frames / "captured.jsonl").read_text(encoding="utf-8")
    truth = {
        line["file"]: scene(CAMERA, round(line["seconds"]), True)[1]
        for line in map(json.loads, text.splitlines())
    }
    ids = {index: index - 1 for index in range(1, len(scenes.CLASSES))}
    images = []
    for path in sorted((labels / "images").iterdir()):
        found = objects_of_map(SemanticMap(truth[path.name]), ids, Limits(0, 0))
        images.append((path, LabelledImage(path.name, SIZE, tuple(found.objects))))
    target.mkdir()
    coco.write(target, Export(scenes.CLASSES[1:], scenes.COLORS[1:], images))
    return target


def mean_iou(run: Path, data: Path, record: Path) -> float:
    main = [str(run), "--data", str(data), "--split", "test", "--json", str(record)]
    evaluate(main)
    return json.loads(record.read_text(encoding="utf-8"))["mean_iou"]


@pytest.fixture
def signals():
    """The camera sets handlers of its own."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
def test_a_model_improves_with_the_frames_of_its_own_camera(tmp_path, signals, capfd):
    data, camera, held_back = (tmp_path / n for n in ("data", "camera", "held_back"))
    write_split(data / "train", COLORS, 64, new_look=False)
    write_split(data / "val", COLORS + 1, 16, new_look=False)
    write_split(held_back / "test", HELD_BACK, 32, new_look=True)
    write_split(camera, CAMERA, FRAMES, new_look=True)
    write_classes(data)
    write_classes(held_back)
    first, second = tmp_path / "first", tmp_path / "second"
    steps = [*SMALL, "--epochs", "20"]
    assert train(["--data", str(data), "--output", str(first), *steps]) == 0
    before = mean_iou(first, held_back, tmp_path / "before.json")

    export([str(first), "--quantize", "float32", "--head", "logits"])
    frames, labels = tmp_path / "frames", tmp_path / "labels"
    source = ["--source", str(camera / "images"), "--headless"]
    every = ["--capture", str(frames), "--every", "1s", "--capture-limit", "50"]
    live([str(first / "float32.tflite"), *source, *every])
    assert len(list(frames.glob("*.png"))) == 50
    prelabel([str(first), str(frames), "--output", str(labels)])
    done = corrected(labels, frames, tmp_path / "corrected")
    prepare([str(done), "--merge", str(data)])
    assert len(list((data / "train" / "images").iterdir())) == 64 + 50

    more = ["--init-from", str(first), "--output", str(second), *steps]
    assert train(["--data", str(data), *more]) == 0
    after = mean_iou(second, held_back, tmp_path / "after.json")
    with capfd.disabled():
        print(f"\nmean IoU of the new look: {before:.3f} before, {after:.3f} after")
    assert after > before + 0.1
