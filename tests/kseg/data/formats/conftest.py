"""Fixtures for the tests of the formats: small images, and running the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from edge.core.errors import InputError
from kseg.cli.prepare import main
from kseg.data.open import open_data
from kseg.data.sample import Dataset

SIZE = (6, 8)


@pytest.fixture
def save() -> Callable:
    """Saves an array as an image file; by default random pixels seeded by the name."""

    def save(path: Path, array=None, size=SIZE, **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if array is None:
            seed = sum(path.stem.encode())
            array = np.random.RandomState(seed).randint(0, 256, (*size, 3))
        Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)
        return path

    return save


@pytest.fixture
def write() -> Callable:
    """Writes a text file; content that is not a string is written as JSON."""

    def write(path: Path, content) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def prepared(source, target) -> Callable[..., Dataset]:
    """Prepares `source` and opens the result."""

    def prepared(*options: str) -> Dataset:
        main([str(source), str(target), *options])
        return open_data(str(target))

    return prepared


@pytest.fixture
def masks_of(prepared) -> Callable[..., dict[str, list]]:
    """Prepares, and returns the masks of a split by the stems of their images."""

    def masks_of(split: str = "train", *options: str) -> dict[str, list]:
        found = prepared(*options).split(split)
        stems = [Path(name).stem for name in found.names]
        return {stem: found.read(i)[1].tolist() for i, stem in enumerate(stems)}

    return masks_of


@pytest.fixture
def error_message(source, target) -> Callable[..., str]:
    """The one-line message for an invalid export, of which nothing is written."""

    def error_message(*options: str) -> str:
        with pytest.raises(InputError) as caught:
            main([str(source), str(target), *options])
        message = str(caught.value)
        assert "\n" not in message
        assert not target.exists()
        assert not list(target.parent.glob(".*"))
        return message

    return error_message


class Found(NamedTuple):
    """An object of objects.json; `area` counts the pixels of its outline, if any."""

    name: str
    box: tuple[float, float, float, float]  # x0, y0, x1, y1
    area: int | None
    crowd: bool = False
    parts: int = 0  # polygons

    @classmethod
    def of(cls, entry: dict, size: tuple[int, int], names: dict[int, str]) -> "Found":
        x, y, width, height = entry["bbox"]
        box = (x, y, round(x + width, 3), round(y + height, 3))
        name, crowd = names[entry["category_id"]], bool(entry["iscrowd"])
        shape = entry.get("segmentation")
        if shape is None:
            return cls(name, box, None, crowd)
        polygons = isinstance(shape, list)
        runs = (
            coco_mask.merge(coco_mask.frPyObjects(shape, *size)) if polygons else shape
        )
        area = int(coco_mask.area(runs))
        return cls(name, box, area, crowd, len(shape) if polygons else 0)


def read_objects(folder: Path) -> dict[str, dict[str, list[Found]]]:
    """Split -> file name -> objects, of a data folder with objects.json."""
    result: dict = {}
    for path in sorted(folder.glob("*/objects.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {entry["id"]: entry["name"] for entry in content["categories"]}
        images = {entry["id"]: entry for entry in content["images"]}
        found = result[path.parent.name] = {
            entry["file_name"]: [] for entry in images.values()
        }
        assert len(found) == len(images)
        assert {p.name for p in (path.parent / "images").iterdir()} == set(found)
        for entry in content["annotations"]:
            image = images[entry["image_id"]]
            one = Found.of(entry, (image["height"], image["width"]), names)
            found[image["file_name"]].append(one)
    return result


@pytest.fixture
def objects_of(source, target) -> Callable[..., dict[str, list[Found]]]:
    """Prepares, and returns the objects of all images by file name."""

    def objects_of(*options: str) -> dict[str, list[Found]]:
        main([str(source), str(target), *options])
        return {n: o for s in read_objects(target).values() for n, o in s.items()}

    return objects_of


@pytest.fixture
def counts_of(source, target) -> Callable[..., dict]:
    """Prepares, and returns the counts of --json."""

    def counts_of(*options: str) -> dict:
        path = source.parent / "report.json"
        main([str(source), str(target), *options, "--json", str(path)])
        return json.loads(path.read_text(encoding="utf-8"))

    return counts_of


@pytest.fixture
def prepared_objects(source, target) -> Callable[..., dict]:
    """Prepares, and returns the objects by split and file name."""

    def prepared_objects(*options: str) -> dict[str, dict[str, list[Found]]]:
        main([str(source), str(target), *options])
        return read_objects(target)

    return prepared_objects
