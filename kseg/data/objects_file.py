"""`objects.json`: the objects of a split's images in COCO's format.

Lin et al., "Microsoft COCO: Common Objects in Context" (ECCV 2014); the format is
described at https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.errors import shortened
from kseg.core.runs import write_json
from kseg.data.objects import mask_window
from kseg.data.objects_checks import (
    AnnotationError,
    Box,
    check_inside,
    id_of,
    is_crowd,
    read_box,
    read_content,
    remedy_of_id,
)
from kseg.data.outlines import bounds, draw_outline, outline_area, read_outline
from kseg.data.pairs import FileIssue, raise_first_error
from kseg.data.sample import Objects

log = logging.getLogger(__name__)

OBJECTS = "objects.json"
BOXES_ONLY = "boxes only; use --task detection, or outline the objects"


@dataclass(frozen=True)
class LabelledObject:
    """One object: its class, its box, and its outline if it has one.

    `class_id` counts from 0, without a background. `polygons` are (n, 2) x, y in
    pixels; several are parts of one object. `rle` is a mask of the whole image in
    COCO's run-length encoding. A `crowd` is a region of many objects, which neither
    counts as an object nor as background.
    """

    class_id: int
    box: Box
    polygons: tuple[np.ndarray, ...] = ()
    rle: Optional[dict[str, Any]] = None
    crowd: bool = False

    @property
    def outlined(self) -> bool:
        """Whether it has an outline, or only a box."""
        return bool(self.polygons) or self.rle is not None


@dataclass(frozen=True)
class LabelledImage:
    """An image file and its objects; `size` is (height, width), upright."""

    file_name: str
    size: tuple[int, int]
    objects: tuple[LabelledObject, ...]


@dataclass(frozen=True)
class ObjectsFile:
    """The content of `objects.json`: class names, and images by file name."""

    class_names: tuple[str, ...]
    images: dict[str, LabelledImage]


def write_objects(
    path: Path, class_names: Sequence[str], images: Sequence[LabelledImage]
) -> None:
    """Writes `objects.json`; ids count from 1."""
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        for each in image.objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    **annotation_of(each, image.size),
                }
            )
    content = {
        "images": [
            {
                "id": number,
                "file_name": image.file_name,
                "height": image.size[0],
                "width": image.size[1],
            }
            for number, image in enumerate(images, start=1)
        ],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name}
            for number, name in enumerate(class_names, start=1)
        ],
    }
    write_json(path, content, indent=None)


def annotation_of(each: LabelledObject, size: tuple[int, int]) -> dict[str, Any]:
    """An object of an image of `size` as an annotation of COCO, without its ids.

    `area` is the number of pixels inside its outline; without one, that of its box.
    """
    x0, y0, x1, y1 = (round(float(value), 3) for value in each.box)
    area: float = round((x1 - x0) * (y1 - y0), 3)
    if each.outlined:
        area = outline_area(each.polygons, each.rle, size)
    result: dict[str, Any] = {
        "category_id": each.class_id + 1,
        "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)],
        "area": area,
        "iscrowd": int(each.crowd),
    }
    if each.rle is not None:
        result["segmentation"] = each.rle
    elif each.polygons:
        result["segmentation"] = [
            np.round(polygon, 3).ravel().tolist() for polygon in each.polygons
        ]
    return result


# --- reading ---


def read_objects(path: Path) -> ObjectsFile:
    """Reads `objects.json`. Raises InputError for the first error in it.

    Boxes that reach beyond their image are clipped, which is logged.
    """
    content, issues = inspect_objects(path)
    raise_first_error(issues)
    log_clipped(path, issues)
    return content


def log_clipped(path: Path, issues: Sequence[FileIssue]) -> None:
    """Logs how many boxes of a file or folder were clipped, if there are some."""
    clipped = [issue for issue in issues if issue.kind == "clipped"]
    if clipped:
        log.info(
            f"{path}: boxes that reach beyond their image were clipped: "
            f"{len(clipped)}, the first {clipped[0].detail} of {clipped[0].name}"
        )


def inspect_objects(path: Path, split: str = "") -> tuple[ObjectsFile, list[FileIssue]]:
    """Reads `objects.json` as far as possible, and collects its issues.

    Objects with an error are left out. The name of an issue is the path of its image.
    Raises InputError for a file that cannot be read or lacks a list.
    """
    content = read_content(path)
    names = tuple(dict.fromkeys(str(c["name"]) for c in content["categories"]))
    reader = AnnotationReader(
        {id_of(c["id"]): names.index(str(c["name"])) for c in content["categories"]},
        {id_of(entry["id"]): entry for entry in content["images"]},
    )
    found: dict[str, list[LabelledObject]] = {key: [] for key in reader.images}
    issues: list[FileIssue] = []
    for number, annotation in enumerate(content["annotations"], start=1):
        label, key = name_of(annotation, number), id_of(annotation["image_id"])
        entry = reader.images.get(key)
        image = path if entry is None else image_path(path, file_name(entry))
        try:
            each, clipped = reader.read(annotation)
        except AnnotationError as error:
            where = "" if entry is None else f" (image {shortened(file_name(entry))})"
            text = f"{path}: {label}{where} {error}"
            detail = f"{label} {error}"
            issues.append(FileIssue(error.kind, split, str(image), detail, text))
            continue
        if clipped:
            issues.append(FileIssue("clipped", split, str(image), label))
        found[key].append(each)
    images = {
        file_name(entry): LabelledImage(
            file_name(entry), (entry["height"], entry["width"]), tuple(found[key])
        )
        for key, entry in reader.images.items()
    }
    return ObjectsFile(names, images), issues


def file_name(entry: dict[str, Any]) -> str:
    """The file name of an entry of `images`."""
    return str(entry["file_name"])


def image_path(path: Path, name: str) -> Path:
    """The path of an image of `objects.json`; folders in its `file_name` are ignored.

    >>> image_path(Path("train/objects.json"), "2024/a.jpg").as_posix()
    'train/images/a.jpg'
    """
    return path.parent / "images" / PureWindowsPath(name).name


def name_of(annotation: dict[str, Any], number: int) -> str:
    """How messages name an annotation: by its id, or by its position from 1."""
    given = "id" in annotation
    return (
        f"annotation {shortened(annotation['id'])}"
        if given
        else f"annotation number {number}"
    )


@dataclass
class AnnotationReader:
    """Reads annotations one by one, and recognizes those that are repeated.

    `classes` has the class of each category id, `images` the entry of each image id.
    """

    classes: dict[str, int]
    images: dict[str, dict[str, Any]]
    ids: set[str] = field(default_factory=set)
    seen: set[tuple[Any, ...]] = field(default_factory=set)

    def read(self, annotation: dict[str, Any]) -> tuple[LabelledObject, bool]:
        """The object, and whether its box was clipped. Raises AnnotationError."""
        key, category = (id_of(annotation[k]) for k in ("image_id", "category_id"))
        if key not in self.images:
            raise AnnotationError(
                "unknown image",
                f"is of image {shortened(key)}, which is not in 'images'; "
                f"{remedy_of_id(key, self.images, 'add or remove it')}",
            )
        if category not in self.classes:
            raise AnnotationError(
                "unknown category",
                f"has category {shortened(category)}, which is not in 'categories'; "
                f"{remedy_of_id(category, self.classes, 'add it')}",
            )
        self.refuse_repeated(annotation, key, category)
        entry = self.images[key]
        size = entry["height"], entry["width"]
        try:
            polygons, rle = read_outline(annotation.get("segmentation"), size)
        except ValueError as error:
            raise AnnotationError("outlines", str(error)) from None
        around = bounds(polygons, rle)
        if rle is not None and around is None:
            raise AnnotationError("outlines", "has an empty outline; remove it")
        box, clipped = read_box(annotation.get("bbox"), around, size)
        if around is not None:
            check_inside(around, size)
        crowd = is_crowd(annotation)
        each = LabelledObject(self.classes[category], box, polygons, rle, crowd)
        return each, clipped

    def refuse_repeated(
        self, annotation: dict[str, Any], image: str, category: str
    ) -> None:
        """Raises AnnotationError for an id, or an object, that has occurred before."""
        if "id" in annotation:
            name = id_of(annotation["id"])
            if name in self.ids:
                text = "has the id of another annotation; give it its own or remove it"
                raise AnnotationError("repeated", text)
            self.ids.add(name)
        shape = annotation.get("bbox"), annotation.get("segmentation")
        content = (image, category, json.dumps(shape))
        if content in self.seen:
            text = "repeats class, box and outline of another one; remove it"
            raise AnnotationError("repeated", text)
        self.seen.add(content)


def objects_of(image: LabelledImage) -> Objects:
    """The objects of an image with their masks, and the boxes tight around these.

    A crowd without an outline is its whole box. Objects without a pixel are left out.
    If another object has no outline, `masks` is None and the boxes are those given.
    """
    if not all(each.outlined or each.crowd for each in image.objects):
        return boxes_of(image)
    kept, boxes, masks = [], [], []
    for each in image.objects:
        if each.outlined:
            drawn = draw_outline(each.polygons, each.rle, image.size)
        else:
            top, bottom, left, right = mask_window(np.float32(each.box))
            whole = np.ones((bottom - top, right - left), bool)
            drawn = (left, top, right, bottom), whole
        if drawn:
            kept.append(each)
            boxes.append(drawn[0])
            masks.append(drawn[1])
    return to_objects(kept, boxes, tuple(masks))


def boxes_of(image: LabelledImage) -> Objects:
    """The objects of an image as labelled boxes, without masks."""
    return to_objects(image.objects, [each.box for each in image.objects], None)


def to_objects(
    objects: Sequence[LabelledObject],
    boxes: Sequence[Sequence[float]],
    masks: Optional[tuple[np.ndarray, ...]],
) -> Objects:
    """`Objects` of boxes (N, 4) x0, y0, x1, y1, and of masks cut to them or None."""
    return Objects(
        np.float32(boxes).reshape(-1, 4),
        np.int32([each.class_id for each in objects]),
        np.bool_([each.crowd for each in objects]),
        masks,
    )
