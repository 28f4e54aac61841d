"""COCO's JSON: polygons, and run-length encoding (RLE), uncompressed or compressed.

annotations/instances_train2017.json with train2017/ or images/train2017/ (COCO),
annotations/instances_default.json with images/ (CVAT), train/_annotations.coco.json
with the images in the same folder (Roboflow), result.json with images/ (Label Studio).

COCO does not define a depth order: where objects overlap, the smaller one is drawn on
top, and of equal ones the later. Crowds (`iscrowd`) are drawn like other objects, as
CVAT marks each brush stroke as one. Pixels outside all objects are background.

Reference: https://cocodataset.org/#format-data
"""

from __future__ import annotations

from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, Iterable, Optional

import numpy as np

from edge.core.constants import palette
from edge.core.errors import InputError
from kseg.data.formats.source import (
    BACKGROUND,
    Size,
    SourceDataset,
    SourcePair,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    split_of,
)
from kseg.data.masks import inspect_image, open_image, stored_size

DESCRIPTION = "annotations/instances_*.json or train/_annotations.coco.json (COCO)"
NAME_PREFIXES = ("_annotations.coco.json", "instances_")
BACKGROUNDS = (BACKGROUND, "_background_")
FAR = 10  # times the image's size; points farther outside are errors

Annotation = dict[str, Any]


def matches(folder: Path) -> bool:
    return any(is_coco(path) for path in json_files(folder))


def is_coco(path: Path) -> bool:
    """Whether a JSON file lists images and categories, or has a name of COCO's."""
    ends = ends_of(path)
    return path.name.startswith(NAME_PREFIXES) or (
        b'"images"' in ends and b'"categories"' in ends
    )


def annotation_files(folder: Path) -> list[Path]:
    """The annotation files; if there are some with COCO's names, only those.

    COCO's other files, such as the keypoints, repeat the instances.
    """
    files = [path for path in json_files(folder) if is_coco(path)]
    return [path for path in files if path.name.startswith(NAME_PREFIXES)] or files


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """Reads all annotation files; categories of the same name are the same class."""
    contents = {path: read_file(path) for path in annotation_files(folder)}
    names = class_names(contents.values())
    check_names(names, folder)
    export = SourceDataset(skip_missing, tuple(names), palette(len(names)))
    for path, content in contents.items():
        add_file(export, path, content, folder)
    return export


def read_file(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Reads the lists `images`, `annotations` and `categories`.

    Raises InputError if one is missing or incomplete.
    """
    content = read_json(path)
    for key, needed in {
        "images": ("id", "file_name"),
        "annotations": ("image_id", "category_id"),
        "categories": ("id", "name"),
    }.items():
        entries = content.get(key)
        if not isinstance(entries, list) or not all(
            isinstance(e, dict) and all(n in e for n in needed) for e in entries
        ):
            raise InputError(
                f"{path}: {key!r} must be a list of objects with "
                f"{' and '.join(needed)}; export it as COCO again"
            )
    return content


def class_names(contents: Iterable[dict[str, Any]]) -> list[str]:
    """Background, then the categories by id.

    Roboflow's first category is the project, the supercategory of all others. It has no
    annotations and is left out.
    """
    contents = list(contents)
    categories = [c for content in contents for c in content["categories"]]
    used = {a["category_id"] for content in contents for a in content["annotations"]}
    parents = {c.get("supercategory") for c in categories}
    roots = {
        c["name"]
        for c in categories
        if c.get("supercategory") == "none"
        and c["name"] in parents
        and c["id"] not in used
    }
    ordered = [str(c["name"]) for c in sorted(categories, key=number_of)]
    left_out = {*roots, *BACKGROUNDS}
    return [BACKGROUND, *dict.fromkeys(n for n in ordered if n not in left_out)]


def number_of(category: dict[str, Any]) -> int:
    return category["id"] if isinstance(category["id"], int) else 0


def add_file(export: SourceDataset, path: Path, content: dict, folder: Path) -> None:
    """Adds the pairs of one annotation file; its name or its folder's is the split."""
    ids = {name: index for index, name in enumerate(export.class_names)}
    ids |= dict.fromkeys(BACKGROUNDS, 0)
    classes = {c["id"]: ids.get(str(c["name"])) for c in content["categories"]}
    objects = by_image(export, path, content, classes)
    split = split_of(path.stem) or split_of(path.parent.name)
    folders = image_folders(path, folder)
    for entry in content["images"]:
        image = find_image(str(entry["file_name"]), folders)
        if image is None:
            export.add_missing(folders[0] / str(entry["file_name"]), path)
            continue
        mask = partial(read_mask, path, entry, image, objects[entry["id"]], classes)
        export.splits[split].append(SourcePair(image.stem, image, mask))


def by_image(
    export: SourceDataset, path: Path, content: dict, classes: dict
) -> dict[Any, list[Annotation]]:
    """Image id -> annotations. Raises InputError for an unknown category or image."""
    objects: dict[Any, list[Annotation]] = {e["id"]: [] for e in content["images"]}
    if len(objects) < len(content["images"]):
        raise InputError(f"{path}: two images have the same id; export it again")
    for annotation in content["annotations"]:
        name = f"{path}: annotation {annotation.get('id')}"
        if classes.get(annotation["category_id"]) is None:
            raise InputError(
                f"{name}: category {annotation['category_id']} is not in 'categories'; "
                "export it again"
            )
        if annotation["image_id"] in objects:
            objects[annotation["image_id"]].append(annotation)
        elif not export.skip_missing:
            raise InputError(
                f"{name}: image {annotation['image_id']} is not in 'images'; export it "
                "again, or skip such annotations with --skip-missing"
            )
    return objects


def image_folders(path: Path, folder: Path) -> list[Path]:
    """Folders that may hold the images of an annotation file, most specific first."""
    subset = path.stem.rpartition("_")[2]
    folders = [folder / "images" / subset, folder / subset, path.parent]
    return [*folders, folder / "images", folder / "JPEGImages", folder]


def find_image(name: str, folders: list[Path]) -> Optional[Path]:
    """An image by its path, or by its file name only; Windows paths are accepted."""
    whole = PureWindowsPath(name).as_posix()
    paths = (folder / part for part in (whole, Path(whole).name) for folder in folders)
    return next((path for path in paths if path.is_file()), None)


# --- the mask of one image ---


def read_mask(
    path: Path, entry: dict, image: Path, objects: list[Annotation], classes: dict
) -> np.ndarray:
    """Draws the objects of an image as (H, W) uint8 class ids, the smallest on top."""
    from pycocotools import mask as coco_mask

    height, width = size_of(entry, image)
    lengths = [run_lengths(o, height, width, path) for o in objects]
    areas = [int(coco_mask.area(runs)) for runs in lengths]
    mask = np.zeros((height, width), np.uint8)
    for index in np.argsort(np.negative(areas), kind="stable") if objects else ():
        inside = coco_mask.decode(lengths[index]).astype(bool)
        mask[inside] = classes[objects[index]["category_id"]]
    return mask


def size_of(entry: dict[str, Any], image: Path) -> Size:
    """(height, width) of the coordinates of an image's objects."""
    labelled = entry.get("height"), entry.get("width")
    if not all(isinstance(side, int) for side in labelled):
        return inspect_image(image)[0]
    with open_image(image) as file:
        return check_size(image, stored_size(file), labelled)


def run_lengths(annotation: Annotation, height: int, width: int, path: Path) -> Any:
    """The RLE of an object, as pycocotools uses it. Raises InputError if invalid."""
    from pycocotools import mask as coco_mask

    shape = annotation.get("segmentation")
    try:
        if isinstance(shape, dict):
            return from_counts(shape, height, width)
        if not shape:
            raise ValueError("has no segmentation, only a box; draw one or remove it")
        parts = shape if isinstance(shape[0], list) else [shape]
        check_polygons(parts, height, width)
        return coco_mask.merge(coco_mask.frPyObjects(parts, height, width))
    except (TypeError, KeyError, IndexError, AttributeError):
        raise InputError(
            f"{path}: annotation {annotation.get('id')} has neither polygons nor RLE; "
            "export it as COCO again"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: annotation {annotation.get('id')} {error}") from None


def check_polygons(parts: list[list[float]], height: int, width: int) -> None:
    """Raises ValueError for polygons that pycocotools takes for boxes, or rejects."""
    for part in parts:
        values = np.asarray(part, np.float64)
        if values.ndim != 1 or values.size % 2 or values.size < 6:
            raise ValueError(
                f"has a polygon of {values.size} numbers; it must be x and y of at "
                "least 3 points, draw it again or remove it"
            )
        if not (np.abs(values) <= FAR * max(height, width)).all():
            raise ValueError(f"has points far outside its image of {height}x{width}")


def from_counts(shape: dict[str, Any], height: int, width: int) -> Any:
    """Decodes column-major run lengths, given as a list or as COCO's compressed text.

    They are checked here: pycocotools reads beyond its memory if they are too long.
    """
    from pycocotools import mask as coco_mask

    if list(shape["size"]) != [height, width]:
        raise ValueError(
            f"is {shape['size'][0]}x{shape['size'][1]}, but its image is "
            f"{height}x{width}; export it again"
        )
    counts = shape["counts"]
    counts = counts if isinstance(counts, list) else decode_counts(counts)
    if min(counts) < 0:
        raise ValueError("has negative run lengths; export it again")
    if sum(counts) != height * width:
        raise ValueError(
            f"has run lengths of {sum(counts)} pixels, but its image has "
            f"{height * width}; export it again"
        )
    runs = {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects(runs, height, width)


def decode_counts(text: str) -> list[int]:
    """Decodes COCO's compressed run lengths, which hold five bits per character.

    From the fourth on, each number is stored as the difference to the one two before.

    >>> decode_counts("1231"), decode_counts("o03")
    ([1, 2, 3, 3], [31, 3])
    """
    counts: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        bits = code - ord("0")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:  # more of this number follows
            continue
        if bits & 16:  # it is negative
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
