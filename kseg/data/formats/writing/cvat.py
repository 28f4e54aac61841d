"""CVAT's own XML, "CVAT for images 1.1": annotations.xml and images/.

Parts of an object have one `group_id`. Smaller shapes have a higher `z_order`: they are
on top.

Reference: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Iterator
from xml.etree import ElementTree as xml

from edge.core.files import write_text
from kseg.data.formats.writing.export import Export, copy_images
from kseg.data.objects_file import LabelledImage, LabelledObject

TOOL = "CVAT"


def write(folder: Path, export: Export) -> None:
    """Writes the export into an empty folder."""
    copy_images(export, folder / "images")
    root = xml.Element("annotations")
    add(root, "version", "1.1")
    labels = add(add(add(root, "meta"), "task"), "labels")
    for name, color in zip(export.class_names, export.colors, strict=True):
        label = add(labels, "label")
        add(label, "name", name)
        add(label, "color", f"#{bytes(color).hex()}")
        add(label, "attributes")
    groups = count(1)
    for number, (_, labelled) in enumerate(export.images):
        root.append(element_of(number, labelled, export.class_names, groups))
    xml.indent(root)
    text = xml.tostring(root, encoding="unicode")
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    write_text(folder / "annotations.xml", f"{head}{text}\n")


def add(parent: xml.Element, name: str, text: str = "") -> xml.Element:
    """A new element at the end of another one."""
    element = xml.SubElement(parent, name)
    element.text = text or None
    return element


def element_of(
    number: int, labelled: LabelledImage, names: tuple[str, ...], groups: Iterator[int]
) -> xml.Element:
    """The <image> of an image and its shapes; `groups` are numbers not yet used."""
    height, width = labelled.size
    given = {"id": number, "name": labelled.file_name, "width": width, "height": height}
    element = xml.Element("image", texts(given))
    for order, each in enumerate(labelled.objects):
        shared = {"label": names[each.class_id], "source": "auto", "occluded": 0}
        shared["z_order"] = order
        if len(each.polygons) > 1:
            shared["group_id"] = next(groups)
        for name, sides in shapes_of(each):
            xml.SubElement(element, name, texts({**shared, **sides}))
    return element


def shapes_of(each: LabelledObject) -> Iterator[tuple[str, dict]]:
    """The name and the coordinates of each shape of an object."""
    for polygon in each.polygons:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygon)
        yield "polygon", {"points": points}
    if not each.polygons:
        sides = zip(("xtl", "ytl", "xbr", "ybr"), each.box, strict=True)
        yield "box", {name: f"{value:.2f}" for name, value in sides}


def texts(values: dict) -> dict[str, str]:
    """Attributes as text."""
    return {name: str(value) for name, value in values.items()}
