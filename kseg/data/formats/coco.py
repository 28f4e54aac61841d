"""COCO's JSON: polygons, and run lengths as numbers or as text.

annotations/instances_train2017.json with train2017/ or images/train2017/ (COCO),
annotations/instances_default.json with images/ (CVAT), train/_annotations.coco.json
with the pictures beside it (Roboflow), result.json with images/ (Label Studio).

COCO has no order of depth: of overlapping objects the smaller lies on top, so that the
cup stays on the table, and of equal ones the later. A crowd is its class like any
other object; CVAT marks each brush stroke as one. What no object covers is background.

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
    Pair,
    Size,
    SourceDataset,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    split_of,
)
from kseg.data.masks import look_at_image, opened, stored_size

DESCRIPTION = "annotations/instances_*.json or train/_annotations.coco.json (COCO)"
NAMED_SO = ("_annotations.coco.json", "instances_")
BACKGROUNDS = (BACKGROUND, "_background_")
FAR = 10  # times the picture's size: what lies farther out is no point of it

Annotation = dict[str, Any]


def recognises(folder: Path) -> bool:
    return any(looks_so(path) for path in json_files(folder))


def looks_so(path: Path) -> bool:
    """Whether a JSON file lists pictures and classes, or is called as COCO's are."""
    ends = ends_of(path)
    return path.name.startswith(NAMED_SO) or (
        b'"images"' in ends and b'"categories"' in ends
    )


def annotation_files(folder: Path) -> list[Path]:
    """COCO's own instances alone where they are there: keypoints repeat them."""
    files = [path for path in json_files(folder) if looks_so(path)]
    return [path for path in files if path.name.startswith(NAMED_SO)] or files


def read(folder: Path, skip_missing: bool) -> SourceDataset:
    """All annotation files; classes of one name are one class in all of them."""
    contents = {path: read_file(path) for path in annotation_files(folder)}
    names = class_names(contents.values())
    check_names(names, folder)
    export = SourceDataset(skip_missing, tuple(names), palette(len(names)))
    for path, content in contents.items():
        add_file(export, path, content, folder)
    return export


def read_file(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Its lists of images, annotations, categories.

    Raises InputError for other files.
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
                f"{path}: its {key!r} is no list of objects with "
                f"{' and '.join(needed)}; export it as COCO again"
            )
    return content


def class_names(contents: Iterable[dict[str, Any]]) -> list[str]:
    """Background, then the categories by id.

    Roboflow's first category is the project, above all others and on no picture; it is
    none of the classes.
    """
    contents = list(contents)
    categories = [c for content in contents for c in content["categories"]]
    used = {a["category_id"] for content in contents for a in content["annotations"]}
    above = {c.get("supercategory") for c in categories}
    roots = {
        c["name"]
        for c in categories
        if c.get("supercategory") == "none"
        and c["name"] in above
        and c["id"] not in used
    }
    ordered = [str(c["name"]) for c in sorted(categories, key=number_of)]
    left_out = {*roots, *BACKGROUNDS}
    return [BACKGROUND, *dict.fromkeys(n for n in ordered if n not in left_out)]


def number_of(category: dict[str, Any]) -> int:
    return category["id"] if isinstance(category["id"], int) else 0


def add_file(export: SourceDataset, path: Path, content: dict, folder: Path) -> None:
    """The pairs of one annotation file, its split by its name or its folder's."""
    ids = {name: index for index, name in enumerate(export.names)}
    ids |= dict.fromkeys(BACKGROUNDS, 0)
    classes = {c["id"]: ids.get(str(c["name"])) for c in content["categories"]}
    objects = by_picture(export, path, content, classes)
    split = split_of(path.stem) or split_of(path.parent.name)
    places = places_of(path, folder)
    for entry in content["images"]:
        picture = find_picture(str(entry["file_name"]), places)
        if picture is None:
            export.lacks(places[0] / str(entry["file_name"]), path)
            continue
        mask = partial(read_mask, path, entry, picture, objects[entry["id"]], classes)
        export.splits[split].append(Pair(picture.stem, picture, mask))


def by_picture(
    export: SourceDataset, path: Path, content: dict, classes: dict
) -> dict[Any, list[Annotation]]:
    """Picture id -> annotations, each found to be of a known class."""
    objects: dict[Any, list[Annotation]] = {e["id"]: [] for e in content["images"]}
    if len(objects) < len(content["images"]):
        raise InputError(f"{path}: two of its images have one id; export it again")
    for annotation in content["annotations"]:
        name = f"{path}: annotation {annotation.get('id')}"
        if classes.get(annotation["category_id"]) is None:
            raise InputError(
                f"{name} is of category {annotation['category_id']}, which is not in "
                "its categories; export it again"
            )
        if annotation["image_id"] in objects:
            objects[annotation["image_id"]].append(annotation)
        elif not export.skip_missing:
            raise InputError(
                f"{name} is of image {annotation['image_id']}, which is not in its "
                "images; export it again or leave it out with --skip-missing"
            )
    return objects


def places_of(path: Path, folder: Path) -> list[Path]:
    """Where the pictures of an annotation file may be, the most particular first."""
    subset = path.stem.rpartition("_")[2]
    places = [folder / "images" / subset, folder / subset, path.parent]
    return [*places, folder / "images", folder / "JPEGImages", folder]


def find_picture(name: str, places: list[Path]) -> Optional[Path]:
    """A picture by its path or by its last part alone; other systems' paths too."""
    whole = PureWindowsPath(name).as_posix()
    paths = (place / part for part in (whole, Path(whole).name) for place in places)
    return next((path for path in paths if path.is_file()), None)


# --- the mask of one picture ---


def read_mask(
    path: Path, entry: dict, picture: Path, objects: list[Annotation], classes: dict
) -> np.ndarray:
    """The objects of a picture as (H, W) uint8 class ids, the smallest on top."""
    from pycocotools import mask as coco_mask

    height, width = size_of(entry, picture)
    lengths = [run_lengths(o, height, width, path) for o in objects]
    areas = [int(coco_mask.area(runs)) for runs in lengths]
    mask = np.zeros((height, width), np.uint8)
    for index in np.argsort(np.negative(areas), kind="stable") if objects else ():
        inside = coco_mask.decode(lengths[index]).astype(bool)
        mask[inside] = classes[objects[index]["category_id"]]
    return mask


def size_of(entry: dict[str, Any], picture: Path) -> Size:
    """(height, width) that the objects of a picture are meant for."""
    labelled = entry.get("height"), entry.get("width")
    if not all(isinstance(side, int) for side in labelled):
        return look_at_image(picture)[0]
    with opened(picture) as image:
        return check_size(picture, stored_size(image), labelled)


def run_lengths(annotation: Annotation, height: int, width: int, path: Path) -> Any:
    """The outline of an object in pycocotools' form. Raises InputError for none."""
    from pycocotools import mask as coco_mask

    shape = annotation.get("segmentation")
    try:
        if isinstance(shape, dict):
            return from_counts(shape, height, width)
        if not shape:
            raise ValueError("has no outline, only a box; outline it or remove it")
        parts = shape if isinstance(shape[0], list) else [shape]
        check_polygons(parts, height, width)
        return coco_mask.merge(coco_mask.frPyObjects(parts, height, width))
    except (TypeError, KeyError, IndexError, AttributeError):
        raise InputError(
            f"{path}: annotation {annotation.get('id')} has neither polygons nor run "
            "lengths of COCO; export it again"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: annotation {annotation.get('id')} {error}") from None


def check_polygons(parts: list[list[float]], height: int, width: int) -> None:
    """Raises ValueError for what pycocotools would take for a box, or not at all."""
    for part in parts:
        values = np.asarray(part, np.float64)
        if values.ndim != 1 or values.size % 2 or values.size < 6:
            raise ValueError(
                f"has a polygon of {values.size} numbers; it takes x and y of 3 "
                "points, draw it again or remove it"
            )
        if not (np.abs(values) <= FAR * max(height, width)).all():
            raise ValueError(f"has points far outside its picture of {height}x{width}")


def from_counts(shape: dict[str, Any], height: int, width: int) -> Any:
    """Run lengths down the columns, as numbers or as COCO's text.

    pycocotools believes them, and reads on in memory where they are too long.
    """
    from pycocotools import mask as coco_mask

    if list(shape["size"]) != [height, width]:
        raise ValueError(
            f"is {shape['size'][0]}x{shape['size'][1]}, but its picture "
            f"{height}x{width}; export it again"
        )
    counts = shape["counts"]
    counts = counts if isinstance(counts, list) else numbers_of(counts)
    if sum(counts) != height * width or min(counts) < 0:
        raise ValueError(
            f"has runs of {sum(counts)} pixels, but its picture {height * width}; "
            "export it again"
        )
    runs = {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects(runs, height, width)


def numbers_of(text: str) -> list[int]:
    """COCO's text of run lengths, five bits a character, as numbers.

    From the fourth on each is the difference to the one before the last.

    >>> numbers_of("1231"), numbers_of("o03")
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
