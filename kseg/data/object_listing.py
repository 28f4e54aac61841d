"""Lists the images of a folder of objects with their labels; no image is opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import NamedTuple, Optional

from edge.core.errors import InputError, quoted
from kseg.data.folder import list_files, parts_of, unread_parts
from kseg.data.masks import stem_of
from kseg.data.missing import data_folder_error
from kseg.data.object_classes import (
    MOST,
    ObjectClasses,
    classes_named,
    read_object_classes,
)
from kseg.data.object_targets import FileTarget, MapTarget, Target
from kseg.data.objects_file import (
    OBJECTS,
    LabelledImage,
    LabelledObject,
    ObjectsFile,
    image_path,
    inspect_objects,
)
from kseg.data.pairs import FileIssue
from kseg.data.similar_names import rename_hint

CLASSES = "classes.json"
ONE_CLASS = "object"  # the name of the only class of maps without masks


class Entry(NamedTuple):
    """An image file and where its objects are."""

    split: str
    image: Path
    target: Target


@dataclass(frozen=True)
class ObjectListing:
    """The images of a folder by split, and the issues found.

    `classes` is None if only masks show which classes there are.
    """

    entries: dict[str, list[Entry]]
    issues: list[FileIssue]
    classes: Optional[ObjectClasses]

    @property
    def labelled(self) -> list[tuple[FileTarget, LabelledObject]]:
        """All objects of objects.json that are no crowds."""
        targets = (entry.target for part in self.entries.values() for entry in part)
        return [
            (target, each)
            for target in targets
            if isinstance(target, FileTarget)
            for each in target.labelled.objects
            if not each.crowd
        ]


def list_objects(folder: Path) -> ObjectListing:
    """Lists a folder as far as possible. Raises InputError if it does not exist."""
    if not folder.is_dir():
        raise data_folder_error(folder)
    issues: list[FileIssue] = []
    parts = parts_of(folder)
    contents = {split: read_file(part, split, issues) for split, part in parts.items()}
    declared = declared_classes(folder, issues)
    classes = declared or implied_classes(parts, contents)
    if classes and len(classes.names) > MOST:
        text = f"{folder}: {len(classes.names)} classes of objects; at most {MOST} work"
        add_issue(issues, "classes", "", folder / CLASSES, text)
    entries: dict[str, list[Entry]] = {}
    for split, part in parts.items():
        if not (part / "images").is_dir():
            text = f"{part}: folder 'images' is missing; add the images"
            add_issue(issues, "missing folder", split, part / "images", text)
            continue
        images = list_files(part / "images", split, issues)
        content = contents[split]
        if content:
            targets = file_targets(part, split, content, images, classes, issues)
        elif (part / "instances").is_dir():
            targets = map_targets(part, split, images, classes, issues)
        else:
            targets = {}
            if images and not (part / OBJECTS).is_file():
                text = f"{part}: has neither {OBJECTS} nor instances/; add one"
                add_issue(issues, "missing folder", split, part / OBJECTS, text)
        entries[split] = [Entry(split, images[s], targets[s]) for s in targets]
    for path in unread_parts(folder):
        add_issue(issues, "not read", "", path)
    return ObjectListing(entries, issues, classes)


def add_issue(
    issues: list[FileIssue], kind: str, split: str, path: Path, error: str = ""
) -> None:
    """Adds an issue about a file; `error` is the message that stops training."""
    issues.append(FileIssue(kind, split, str(path), error=error))


# --- classes ---


def declared_classes(folder: Path, issues: list[FileIssue]) -> Optional[ObjectClasses]:
    """The classes of classes.json; None if there is none, or an issue."""
    path = folder / CLASSES
    try:
        parts = parts_of(folder).values()
        return read_object_classes(path, any((p / "masks").is_dir() for p in parts))
    except InputError as error:
        detail = str(error).removeprefix(f"{path}: ")
        issues.append(FileIssue("classes", "", str(path), detail, str(error)))
        return None


def implied_classes(
    parts: dict[str, Path], contents: dict[str, Optional[ObjectsFile]]
) -> Optional[ObjectClasses]:
    """The categories of all objects.json; else one class, if there are no masks."""
    files = [content for content in contents.values() if content]
    names = dict.fromkeys(name for file in files for name in file.class_names)
    if names:
        return classes_named(tuple(names))
    if any((part / "masks").is_dir() for part in parts.values()):
        return None
    return classes_named((ONE_CLASS,))


# --- objects.json ---


def read_file(part: Path, split: str, issues: list[FileIssue]) -> Optional[ObjectsFile]:
    """The content of a split's objects.json; None if there is none, or an issue."""
    path = part / OBJECTS
    if not path.is_file():
        return None
    if (part / "instances").is_dir():
        text = f"{part}: has both {OBJECTS} and instances/; remove one of them"
        add_issue(issues, "two labels", split, path, text)
    try:
        content, found = inspect_objects(path, split)
    except InputError as error:
        detail = str(error).removeprefix(f"{path}: ")
        issues.append(FileIssue("objects file", split, str(path), detail, str(error)))
        return None
    issues.extend(found)
    return content


def file_targets(
    part: Path,
    split: str,
    content: ObjectsFile,
    images: dict[str, Path],
    classes: ObjectClasses,
    issues: list[FileIssue],
) -> dict[str, FileTarget]:
    """Stem -> target of the images that are listed; adds issues about the others."""
    path = part / OBJECTS
    by_stem: dict[str, LabelledImage] = {}
    for name, labelled in content.images.items():
        stem = stem_of(PureWindowsPath(name))
        if stem in by_stem:
            text = f"{path}: two images have the stem {stem}; rename one of them"
            add_issue(issues, "same stem", split, image_path(path, name), text)
        by_stem[stem] = labelled
    for stem, image in images.items():
        if stem not in by_stem:
            text = f"{image}: is not listed in {path}; add it or remove the image"
            add_issue(issues, "no labels", split, image, text)
    for stem in sorted(by_stem.keys() - images.keys()):
        name = by_stem[stem].file_name
        add_issue(issues, "no image", split, image_path(path, name))
    numbers = class_numbers(path, split, content, classes, issues)
    return {
        stem: FileTarget(path, renumbered(by_stem[stem], numbers))
        for stem in images
        if stem in by_stem
    }


def class_numbers(
    path: Path,
    split: str,
    content: ObjectsFile,
    classes: ObjectClasses,
    issues: list[FileIssue],
) -> dict[int, int]:
    """Class id in objects.json -> class id; adds an issue about an unknown category."""
    used = {each.class_id for i in content.images.values() for each in i.objects}
    result = {}
    for number, name in enumerate(content.class_names):
        if name in classes.names:
            result[number] = classes.names.index(name)
        elif number in used:
            detail = f"category {quoted(name)} is not in {CLASSES}"
            text = f"{path}: {detail}; add it there, or remove its objects"
            kind = "unknown category"
            issues.append(FileIssue(kind, split, str(path), detail, text))
    return result


def renumbered(labelled: LabelledImage, numbers: dict[int, int]) -> LabelledImage:
    """The image with other class ids; objects of unknown classes are left out."""
    if all(old == new for old, new in numbers.items()) and numbers:
        return labelled
    kept = tuple(
        replace(each, class_id=numbers[each.class_id])
        for each in labelled.objects
        if each.class_id in numbers
    )
    return replace(labelled, objects=kept)


# --- maps ---


def map_targets(
    part: Path,
    split: str,
    images: dict[str, Path],
    classes: Optional[ObjectClasses],
    issues: list[FileIssue],
) -> dict[str, MapTarget]:
    """Stem -> target of the images that have a map; adds issues about the others."""
    maps = list_files(part / "instances", split, issues)
    with_masks = (part / "masks").is_dir()
    masks = list_files(part / "masks", split, issues) if with_masks else {}
    if not with_masks and classes and len(classes.names) > 1:
        text = (
            f"{part}: instances/ alone is one class of objects, but there are "
            f"{len(classes.names)}; add masks/ with the class of each object"
        )
        add_issue(issues, "missing folder", split, part / "masks", text)
    for stem, image in images.items():
        for kind, files in (("instances", maps), ("masks", masks)):
            if stem not in files and (kind == "instances" or with_masks):
                needed = part / kind / f"{stem}.png"
                spare = (path for s, path in files.items() if s not in images)
                hint = rename_hint(image.stem, spare)
                text = f"{image}: has no {needed}; {hint}add it or remove the image"
                add_issue(issues, "no labels", split, image, text)
                break
    for stem in sorted(maps.keys() - images.keys()):
        add_issue(issues, "no image", split, maps[stem])
    return {
        stem: MapTarget(maps[stem], masks.get(stem))
        for stem in images
        if stem in maps and (stem in masks or not with_masks)
    }
