"""COCO's JSON: boxes, polygons, run-length encoding (RLE) as a list or as text.

annotations/instances_train2017.json with train2017/ or images/train2017/ (COCO),
annotations/instances_default.json with images/ (CVAT), train/_annotations.coco.json
with the images in the same folder (Roboflow), result.json with images/ (Label Studio),
labels.json with data/ (FiftyOne), train/NAME.json with train/images/.

In masks: COCO does not define a depth order, so where objects overlap, the smaller one
is drawn on top, and of equal ones the later. Crowds (`iscrowd`) are drawn like other
objects, as CVAT marks each brush stroke as one. Pixels outside all objects are
background. Ids are compared as text: 1 and "1" are the same id.

Reference: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import logging
import mmap
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.constants import palette
from edge.core.errors import InputError, quoted, shortened
from edge.core.images import list_images
from kseg.data.formats.coco_outlines import Annotation, objects_of, run_lengths
from kseg.data.formats.credits import Licences, check_ids, licences_of
from kseg.data.formats.frames import count_unlisted, find_image
from kseg.data.formats.labels import Labels, labels_of
from kseg.data.formats.objects import NO_PIXEL
from kseg.data.formats.source import (
    Size,
    SourceDataset,
    SourceObjects,
    SourcePair,
    Tally,
    check_names,
    check_size,
    ends_of,
    json_files,
    read_json,
    split_above,
    split_of,
    without_background,
)
from kseg.data.masks import inspect_image, open_image, stored_size
from kseg.data.objects_checks import (
    NEEDED,
    check_categories,
    check_lists,
    id_of,
    remedy_of_id,
)

DESCRIPTION = "annotations/instances_*.json or train/_annotations.coco.json (COCO)"
PREFIX = "instances_"
NAME_PREFIXES = ("_annotations.coco.json", PREFIX)
MOST_DIGITS = 1000  # of an id; Python refuses to read 4300
IMAGES = ("images", "JPEGImages", "data")
KEYS = (b'"images"', b'"categories"')

log = logging.getLogger(__name__)


def matches(folder: Path) -> bool:
    return any(is_coco(path) for path in json_files(folder))


def is_coco(path: Path) -> bool:
    """Whether a JSON file lists images and categories, or has a name of COCO's."""
    if path.name.startswith(NAME_PREFIXES):
        return True
    ends = ends_of(path)
    found = [key in ends for key in KEYS]
    # Label Studio has the categories between two long lists.
    return all(found) or any(found) and has_keys(path)


def has_keys(path: Path) -> bool:
    """Whether KEYS are anywhere in a file, which is not read into memory."""
    try:
        with path.open("rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return all(content.find(key) >= 0 for key in KEYS)
    except (OSError, ValueError):  # ValueError: an empty file
        return False


def annotation_files(folder: Path) -> list[Path]:
    """The annotation files; if there are some with COCO's names, only those.

    COCO's other files, such as the keypoints, repeat the instances. They are logged.
    """
    files = [path for path in json_files(folder) if is_coco(path)]
    named = [path for path in files if path.name.startswith(NAME_PREFIXES)]
    others = [path.name for path in files if named and path not in named]
    if others:
        log.info(
            f"{folder}: left out, as {named[0].name} has a name of COCO's: "
            f"{', '.join(map(shortened, others))}"
        )
    return named or files


def read(
    folder: Path, skip_missing: bool, licenses: tuple[str, ...] = ()
) -> SourceDataset:
    """Reads all annotation files; categories of the same name are the same class.

    With `licenses`, images with another licence are left out, and the others have their
    credits.
    """
    contents = {path: read_file(path) for path in annotation_files(folder)}
    check_ids(contents, licenses, folder)
    labels = classes_of(list(contents.values()), folder)
    check_names(list(labels.names), folder)
    export = SourceDataset(skip_missing, labels.names, palette(len(labels.names)))
    for path, content in contents.items():
        licences = licences_of(content, licenses)
        add_file(export, path, content, folder, licences, labels.ids)
    if not licenses:  # the images that they leave out are counted
        export.unlabelled = count_unlisted(export)
    return export


def read_objects(
    folder: Path, skip_missing: bool, licenses: tuple[str, ...] = ()
) -> SourceDataset:
    """The same images with their objects; categories called background are left out."""
    return without_background(read(folder, skip_missing, licenses))


READERS = {"semantic": read, "detection": read_objects, "instance": read_objects}


def default_task(folder: Path) -> str:
    return "semantic"


def read_file(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Reads the lists `images`, `annotations` and `categories`.

    Raises InputError if one is missing or incomplete, or has categories without a name
    or with the same id.
    """
    content = read_json(path)
    annotations = content.get("annotations")
    if isinstance(annotations, list) and is_panoptic(annotations):
        raise InputError(
            f"{path}: is of panoptic segmentation, whose masks are PNG files; use the "
            "instances_*.json of these images"
        )
    # The size may be missing: some tools leave it out.
    check_lists(path, content, {**NEEDED, "images": ("id", "file_name")})
    check_categories(path, content["categories"])
    return content


def is_panoptic(annotations: list[Any]) -> bool:
    """Whether an annotation is one of a whole image, with a list of its segments."""
    return any(isinstance(one, dict) and "segments_info" in one for one in annotations)


def classes_of(contents: list[dict[str, Any]], folder: Path) -> Labels:
    """Background, then the categories by id.

    Roboflow's first category is the project, the supercategory of all others. It has no
    annotations and is left out, unless a class has the name of the project.
    """
    categories = [c for content in contents for c in content["categories"]]
    annotations = [a for content in contents for a in content["annotations"]]
    used = {id_of(annotation["category_id"]) for annotation in annotations}
    parents = {str(c.get("supercategory")) for c in categories}

    def is_root(c: dict[str, Any]) -> bool:
        first = c.get("supercategory") == "none" and str(c["name"]) in parents
        return first and id_of(c["id"]) not in used

    others = {str(c["name"]) for c in categories if not is_root(c)}
    roots = {str(c["name"]) for c in categories if is_root(c)} - others
    rank = {}
    for c in sorted(categories, key=number_of):
        rank.setdefault(str(c["name"]), len(rank))
    lists = [{str(c["name"]) for c in content["categories"]} for content in contents]
    ordered = [sorted(one - roots, key=rank.__getitem__) for one in lists]
    return labels_of(ordered, folder, rank)


def number_of(category: dict[str, Any]) -> int:
    """The id of a category as a number, for sorting; 0 for one that is a text.

    >>> number_of({"id": "12"}), number_of({"id": "x"}), number_of({"id": "9" * 5000})
    (12, 0, 0)
    """
    text = id_of(category["id"])
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else 0


def add_file(
    export: SourceDataset,
    path: Path,
    content: dict[str, Any],
    folder: Path,
    licences: Licences,
    ids: dict[str, int],
) -> None:
    """Adds the pairs of one annotation file; its name or a folder's is the split.

    `ids` are the ids of the categories' names in masks.
    """
    classes = {id_of(c["id"]): ids.get(str(c["name"])) for c in content["categories"]}
    objects = by_image(export, path, content, classes)
    split = split_of_file(path, folder)
    folders = image_folders(path, folder)
    expected = expected_in(folders)
    for entry in content["images"]:
        if not licences.allows(entry):
            export.other_licences += 1
            continue
        image = find_image(str(entry["file_name"]), folders)
        if image is None:
            export.add_missing(expected / str(entry["file_name"]), path)
            continue
        found = objects[id_of(entry["id"])]
        class_ids = [classes[id_of(one["category_id"])] for one in found]
        tally = export.unpainted
        mask = partial(read_mask, path, entry, image, found, class_ids, tally)
        reader = partial(read_image_objects, path, entry, image, found, class_ids)
        credit = licences.credit(entry) if licences.kept else None
        pair = SourcePair(image.stem, image, mask, objects=reader, credit=credit)
        origin = f"image {quoted(entry['id'])} of {path}"
        export.splits[split].append(replace(pair, origin=origin))


def by_image(
    export: SourceDataset, path: Path, content: dict, classes: dict
) -> dict[str, list[Annotation]]:
    """Image id -> annotations. Raises InputError for an unknown category or image."""
    objects: dict[str, list[Annotation]] = {
        id_of(entry["id"]): [] for entry in content["images"]
    }
    if len(objects) < len(content["images"]):
        raise InputError(f"{path}: two images have the same id; export it again")
    check_image_ids(path, content["annotations"], objects)
    for annotation in content["annotations"]:
        name = f"{path}: annotation {quoted(annotation.get('id'))}"
        category = id_of(annotation["category_id"])
        if classes.get(category) is None:
            raise InputError(
                f"{name}: category {quoted(annotation['category_id'])} is not in "
                f"'categories'; {remedy_of_id(category, classes, 'export it again')}"
            )
        key = id_of(annotation["image_id"])
        if key in objects:
            objects[key].append(annotation)
        elif not export.skip_missing:
            remedy = remedy_of_id(key, objects, "export it again")
            raise InputError(
                f"{name}: image {quoted(annotation['image_id'])} is not in "
                f"'images'; {remedy}, or skip such annotations with --skip-missing"
            )
    left_out = len(content["annotations"]) - sum(map(len, objects.values()))
    if left_out:
        log.warning(
            f"{path}: left out {left_out} annotations of images not in 'images'"
        )
    return objects


def check_image_ids(
    path: Path, annotations: list[Annotation], images: dict[str, Any]
) -> None:
    """Raises InputError if no annotation is of an image: all would have no label.

    `images` has the ids of the images.
    """
    given = [id_of(annotation["image_id"]) for annotation in annotations]
    if given and images and not any(key in images for key in given):
        remedy = remedy_of_id(given[0], images, "export it again")
        raise InputError(
            f"{path}: no annotation is of an image in 'images': the ids of images are "
            f"such as {quoted(next(iter(images)))}, their image_id such as "
            f"{quoted(given[0])}; {remedy}"
        )


def split_of_file(path: Path, folder: Path) -> str:
    """The split that the name of an annotation file states, else a folder above it."""
    return split_of(path.stem) or split_above(path.parent, folder)


def image_folders(path: Path, folder: Path) -> list[Path]:
    """Folders that may hold the images of an annotation file, most specific first."""
    subsets = path.stem.removeprefix(PREFIX), path.stem.rpartition("_")[2]
    folders = [
        root / subset
        for subset in dict.fromkeys(subsets)
        for root in (folder / "images", folder)
    ]
    split = split_of_file(path, folder)
    folders += [p for p in sorted(folder.glob("*/")) if split and is_of(p.name, split)]
    # data/ is FiftyOne's.
    inside = [root / name for root in (path.parent, folder) for name in IMAGES]
    return [*folders, path.parent, *inside, folder]


def is_of(name: str, split: str) -> bool:
    """Whether a folder's name says that it has the images of a split.

    >>> is_of("train_images", "train"), is_of("train_masks", "train")
    (True, False)
    """
    words = re.split(r"[^a-z]+", name.lower())
    return split_of(name) == split and any(w in words for w in ("images", "imgs"))


def expected_in(folders: list[Path]) -> Path:
    """The first folder that has images: others of the same file are likely there."""
    found = (one for one in folders if one.is_dir() and list_images(one))
    return next(found, folders[0])


# --- the labels of one image ---


def read_image_objects(
    path: Path,
    entry: dict,
    image: Path,
    objects: list[Annotation],
    class_ids: list[int],
) -> SourceObjects:
    return objects_of(objects, class_ids, size_of(entry, image), path)


def read_mask(
    path: Path,
    entry: dict,
    image: Path,
    objects: list[Annotation],
    class_ids: list[int],
    unpainted: Tally,
) -> np.ndarray:
    """Draws the objects of an image as (H, W) uint8 class ids, the smallest on top.

    Those without a pixel in the image are counted in `unpainted`.
    """
    from pycocotools import mask as coco_mask

    height, width = size_of(entry, image)
    lengths = [run_lengths(o, height, width, path) for o in objects]
    areas = [int(coco_mask.area(runs)) for runs in lengths]
    unpainted.add(Counter({NO_PIXEL: areas.count(0)}))
    mask = np.zeros((height, width), np.uint8)
    for index in np.argsort(np.negative(areas), kind="stable") if objects else ():
        inside = coco_mask.decode(lengths[index]).astype(bool)
        mask[inside] = class_ids[index]
    return mask


def size_of(entry: dict[str, Any], image: Path) -> Size:
    """(height, width) of the coordinates of an image's objects."""
    try:
        height, width = (int(float(entry[side])) for side in ("height", "width"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return inspect_image(image)[0]
    with open_image(image) as file:
        return check_size(image, stored_size(file), (height, width))
