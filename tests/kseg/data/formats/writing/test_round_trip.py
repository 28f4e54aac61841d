"""What is written is read back by `kseg prepare` as it was, in every format."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from edge.predict.results import SemanticMap
from edge.video import scenes
from kseg.api import prepare
from kseg.data.formats.writing.export import Export
from kseg.data.formats.writing.formats import CENTRES, WRITTEN
from kseg.data.formats.writing.objects import (
    OBJECTS,
    TOLERANCE,
    Limits,
    written_classes,
)
from kseg.data.objects import label_map
from kseg.data.objects_file import LabelledImage
from kseg.data.open import open_data
from kseg.data.sample import Objects
from kseg.data.shapes import SHAPES
from tests.support.object_results import detections, instances

NAMES = ("disc", "square", "triangle", "ring", "cross")
COUNT = 3
ALL = tuple(WRITTEN)


def scene_of(task: str, index: int):
    """Scene `index` of `shapes`: its image and target."""
    return SHAPES[task]().split("val").read(index)


def exported(folder: Path, name: str, task: str, results: list, limits) -> Path:
    """The scenes with the results as labels, in a format."""
    info = SHAPES[task]().info
    classes = written_classes(info)
    images = []
    for index, result in enumerate(results):
        path = folder / f"scene {index}.png"
        Image.fromarray(scene_of(task, index).image).save(path)
        centres = task in CENTRES.get(name, ())
        chosen = limits._replace(centres=centres)
        found = OBJECTS[task](result, classes.ids, chosen)
        labelled = LabelledImage(path.name, scenes.SIZE, tuple(found.objects))
        images.append((path, labelled))
    target = folder / name
    target.mkdir()
    WRITTEN[name].write(target, Export(classes.names, classes.colors, images))
    return target


def read_back(export: Path, task: str) -> dict:
    """Image name -> target, after `kseg prepare`; the classes are those of shapes."""
    data = export.parent / "data"
    prepare(str(export), str(data), task=task)
    opened = open_data(str(data))
    assert opened.class_names == SHAPES[task]().class_names
    return {
        name: split.read(index).target
        for split in opened.splits.values()
        for index, name in enumerate(split.names)
    }


def mean_iou(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean over the classes that occur."""
    values = [
        ((truth == k) & (found == k)).sum() / ((truth == k) | (found == k)).sum()
        for k in np.unique(truth)
    ]
    return float(np.mean(values))


@pytest.mark.parametrize("name", ALL)
def test_masks_are_the_same_without_tolerance(name, tmp_path):
    """Rings have holes, objects touch each other and are cut by the edges.

    Pillow, which draws labelme's polygons, loses a few pixels beside some cuts.
    """
    truth = [scene_of("semantic", index).target for index in range(COUNT)]
    results = [SemanticMap(mask) for mask in truth]
    export = exported(tmp_path, name, "semantic", results, Limits(0, 0))
    found = read_back(export, "semantic")
    assert len(found) == COUNT
    most = 10 if name == "labelme" else 0
    for index, mask in enumerate(truth):
        assert np.count_nonzero(found[f"scene {index}.png"] != mask) <= most


@pytest.mark.parametrize("name", ALL)
def test_masks_are_nearly_the_same_with_the_default_tolerance(name, tmp_path):
    truth = [scene_of("semantic", index).target for index in range(COUNT)]
    results = [SemanticMap(mask) for mask in truth]
    export = exported(tmp_path, name, "semantic", results, Limits(TOLERANCE))
    found = read_back(export, "semantic")
    values = [mean_iou(m, found[f"scene {i}.png"]) for i, m in enumerate(truth)]
    assert min(values) > 0.84 and np.mean(values) > 0.9


def as_instances(target: Objects):
    """Labelled objects as a model would find them, masks at full size."""
    rows = [
        (int(k), 0.9, *box)
        for k, box in zip(target.class_ids, target.boxes, strict=True)
    ]
    crops = [np.where(mask, 9.0, -9.0).tolist() for mask in target.masks]
    return instances(*rows, size=scenes.SIZE, crops=crops)


@pytest.mark.parametrize("name", ALL)
def test_objects_are_the_same_without_tolerance(name, tmp_path):
    """Their parts too: objects in front divide those behind them."""
    truth = [scene_of("instance", index).target for index in range(COUNT)]
    results = [as_instances(target) for target in truth]
    export = exported(tmp_path, name, "instance", results, Limits(0, 0))
    found = read_back(export, "instance")
    for index, target in enumerate(truth):
        back = found[f"scene {index}.png"]
        assert sorted(back.class_ids) == sorted(target.class_ids)
        same = label_map(back, scenes.SIZE) > 0, label_map(target, scenes.SIZE) > 0
        np.testing.assert_array_equal(*same)
        np.testing.assert_array_equal(sorted_boxes(back), sorted_boxes(target))


def sorted_boxes(target: Objects) -> list:
    return sorted(map(tuple, target.boxes.round(3).tolist()))


@pytest.mark.parametrize("name", ALL)
def test_boxes_are_the_same(name, tmp_path):
    rows = (0, 0.9, 10, 20, 30.25, 44.5), (4, 0.8, 64, 64, 128, 128)
    result = detections(*rows, size=scenes.SIZE)
    export = exported(tmp_path, name, "detection", [result] * 2, Limits())
    for target in read_back(export, "detection").values():
        assert target.class_ids.tolist() == [0, 4]
        expected = [row[2:] for row in rows]
        np.testing.assert_allclose(target.boxes, expected, atol=0.01)


# --- the formats as their descriptions have them ---


@pytest.fixture
def one(tmp_path):
    """`one(format)`: the folder of an image of a square with a hole, and a disc."""
    labels = np.zeros(scenes.SIZE, np.uint8)
    labels[10:20, 10:20], labels[14:16, 14:16], labels[40:50, 60:80] = 2, 0, 1

    def write(name: str) -> Path:
        limits = Limits(0, 1)
        return exported(tmp_path, name, "semantic", [SemanticMap(labels)], limits)

    return write


def test_coco_is_read_by_its_own_program(one):
    folder = one("coco")
    coco = COCO(str(folder / "annotations" / "instances_default.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(NAMES)
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["width"], image["height"]) == (128, 128)
    assert (folder / "images" / image["file_name"]).is_file()
    areas = {a["category_id"]: a for a in coco.loadAnns(coco.getAnnIds())}
    assert areas[2]["area"] == 100 - 4 == coco.annToMask(areas[2]).sum()
    assert areas[1]["bbox"] == [60, 40, 20, 10]


def test_cvat_has_labels_and_points_in_pixels(one):
    root = ElementTree.parse(one("cvat") / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [x.text for x in root.iterfind("meta/task/labels/label/name")] == list(NAMES)
    color = root.findtext("meta/task/labels/label/color")
    assert color == "#{:02x}{:02x}{:02x}".format(*scenes.COLORS[1])
    (image,) = root.iterfind("image")
    assert image.attrib == {
        "id": "0",
        "name": "scene 0.png",
        "width": "128",
        "height": "128",
    }
    large, small = image.iterfind("polygon")
    assert large.get("label") == "disc" and small.get("label") == "square"
    points = {tuple(map(float, p.split(","))) for p in large.get("points").split(";")}
    assert points == {(60, 40), (80, 40), (80, 50), (60, 50)}
    assert int(large.get("z_order")) < int(small.get("z_order"))


def test_labelme_has_the_keys_that_labelme_writes(one):
    folder = one("labelme")
    content = json.loads((folder / "scene 0.json").read_text(encoding="utf-8"))
    assert set(content) == {
        *("version", "flags", "shapes", "imagePath", "imageData"),
        *("imageHeight", "imageWidth"),
    }
    assert (folder / content["imagePath"]).is_file()
    shape = content["shapes"][0]
    assert (shape["label"], shape["shape_type"]) == ("disc", "polygon")
    assert sorted(shape["points"]) == [[60, 40], [60, 49], [79, 40], [79, 49]]
    assert (folder / "labels.txt").read_text(encoding="utf-8").split() == [
        *("__ignore__", "_background_", *NAMES)
    ]


def test_yolo_has_shares_of_the_sides(one):
    folder = one("yolo")
    content = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    assert content["names"] == dict(enumerate(NAMES))
    listed = (folder / content["train"]).read_text(encoding="utf-8").splitlines()
    assert listed == ["images/train/scene 0.png"] and (folder / listed[0]).is_file()
    text = (folder / "labels" / "train" / "scene 0.txt").read_text(encoding="utf-8")
    first = [float(word) for word in text.splitlines()[0].split()]
    assert first[0] == 0
    points = {(x * 128, y * 128) for x, y in zip(first[1::2], first[2::2], strict=True)}
    assert points == {(60, 40), (80, 40), (80, 50), (60, 50)}


def test_names_that_xml_and_yaml_use_themselves(tmp_path):
    from kseg.data.objects_file import LabelledObject

    name = 'a "b": <c> & é #1'
    image = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(image)
    each = LabelledObject(0, (1, 1, 5, 5), (np.array([[1, 1], [5, 1], [5, 5]]),))
    labelled = LabelledImage("a.png", (8, 8), (each,))
    for number, fmt in enumerate(ALL):
        folder = tmp_path / fmt
        folder.mkdir()
        both = [(image, labelled), (image, LabelledImage("b.png", (8, 8), (each,)))]
        WRITTEN[fmt].write(folder, Export((name,), ((1, 2, 3),), both))
        done = prepare(str(folder), str(tmp_path / f"data{number}"), task="instance")
        assert done.class_names == (name,), fmt
