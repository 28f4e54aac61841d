"""Small data folders of objects in each layout, made of procedural scenes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from edge.video import scenes
from kseg.data.objects import objects_of_map
from kseg.data.objects_file import LabelledImage, LabelledObject, write_objects

NAMES = scenes.CLASSES[1:]
SIZE = (48, 64)
LEAST = 16  # visible pixels of an object


def save(path: Path, array, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def scene(seed: int, index: int, size=SIZE):
    """Image, map of ids without objects of few pixels, and the class of each id."""
    image, instances, class_ids = scenes.scene_objects(seed, index, size)
    counts = np.bincount(instances.ravel(), minlength=len(class_ids) + 1)
    instances[(counts < LEAST)[instances]] = 0
    return image, instances, class_ids


def scene_objects(seed: int, index: int, size=SIZE):
    """The expected objects of a scene."""
    _, instances, class_ids = scene(seed, index, size)
    return objects_of_map(instances, class_ids)


def write_maps(folder: Path, counts: dict[str, int], masks: bool = True) -> Path:
    """images/ and instances/, with `masks` also masks/ and classes.json."""
    for seed, (split, count) in enumerate(counts.items()):
        for index in range(count):
            image, instances, class_ids = scene(seed, index)
            save(folder / split / "images" / f"{index}.png", image)
            save(folder / split / "instances" / f"{index}.png", instances)
            if masks:
                mask = np.append(0, class_ids + 1).astype(np.uint8)[instances]
                save(folder / split / "masks" / f"{index}.png", mask)
    if masks:
        declare(folder, NAMES, task="instance")
    return folder


def write_file(folder: Path, counts: dict[str, int], outlines: bool = True) -> Path:
    """images/ and objects.json, whose outlines are run lengths."""
    for seed, (split, count) in enumerate(counts.items()):
        images = []
        for index in range(count):
            save(folder / split / "images" / f"{index}.png", scene(seed, index)[0])
            objects = labelled(scene_objects(seed, index), outlines)
            images.append(LabelledImage(f"{index}.png", SIZE, objects))
        write_objects(folder / split / "objects.json", NAMES, images)
    return folder


def labelled(objects, outlines: bool = True, size=SIZE) -> tuple[LabelledObject, ...]:
    """Objects as those of objects.json."""
    result = []
    for index, box in enumerate(objects.boxes):
        rle = None
        if outlines:
            whole = np.zeros(size, bool)
            x0, y0, x1, y1 = box.astype(int)
            whole[y0:y1, x0:x1] = objects.masks[index]
            rle = {"size": list(size), "counts": run_lengths(whole)}
        corners = tuple(map(float, box))
        result.append(LabelledObject(int(objects.class_ids[index]), corners, rle=rle))
    return tuple(result)


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's counts of a mask, column by column, the first of pixels outside."""
    values = mask.T.ravel()
    changes = np.flatnonzero(np.diff(values.astype(int))) + 1
    ends = np.concatenate([[0] * (1 + int(values[0])), changes, [values.size]])
    return np.diff(ends).tolist()


def declare(folder: Path, names, **more) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    classes = [{"name": name} for name in names]
    (folder / "classes.json").write_text(
        json.dumps({"classes": classes, **more}), encoding="utf-8"
    )


def change_file(path: Path, change) -> None:
    """Changes the content of objects.json by a function."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def assert_equal(found, expected) -> None:
    """Boxes, classes, crowds and masks of objects."""
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_array_equal(found.crowd, expected.crowd)
    assert len(found.masks) == len(expected.masks)
    for one, other in zip(found.masks, expected.masks, strict=True):
        np.testing.assert_array_equal(one, other)
