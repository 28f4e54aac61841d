"""The licences of COCO's images: which images to keep, and CREDITS.csv."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping

from edge.core.errors import InputError, shortened
from edge.core.files import write_text
from kseg.data.formats.source import Credit, SourcePair
from kseg.data.objects_checks import id_of

CREDITS = "CREDITS.csv"
COLUMNS = ("file", "licence", "licence_url", "url", "author")
URLS = ("flickr_url", "coco_url", "url")  # keys of an image; the first is its page


@dataclass(frozen=True)
class Licences:
    """The licence of each image of a file, of which those in `kept` are allowed.

    `names` and `urls` are those of the file's `licenses`, by id.
    """

    kept: frozenset[str]
    names: Mapping[str, str]
    urls: Mapping[str, str]

    def allows(self, image: dict[str, Any]) -> bool:
        """Whether an entry of `images` is kept; all are if no ids were given."""
        return not self.kept or licence_of(image) in self.kept

    def credit(self, image: dict[str, Any]) -> Credit:
        """The credit of an entry of `images`."""
        key = licence_of(image)
        return Credit(
            self.names.get(key, key),
            self.urls.get(key, ""),
            next((str(image[name]) for name in URLS if image.get(name)), ""),
            str(image.get("author") or ""),
        )


def licence_of(image: dict[str, Any]) -> str:
    """The id of an image's licence as text; "" without one."""
    return id_of(image["license"]) if image.get("license") is not None else ""


def listed_licences(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The valid entries of a file's `licenses`, by id."""
    entries = content.get("licenses")
    return {
        id_of(entry["id"]): entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("id") is not None
    }


def licences_of(content: Mapping[str, Any], kept: Iterable[str]) -> Licences:
    """The licences of a file, of whose images those with an id in `kept` are allowed.

    Without `kept` all are.
    """
    listed = listed_licences(content)
    return Licences(
        frozenset(kept),
        {key: str(entry.get("name") or key) for key, entry in listed.items()},
        {key: str(entry.get("url") or "") for key, entry in listed.items()},
    )


def check_ids(
    contents: Mapping[Path, Mapping[str, Any]], kept: Iterable[str], folder: Path
) -> None:
    """Raises InputError for an id that no image and no list of licences has."""
    known: dict[str, None] = {}
    for content in contents.values():
        known |= dict.fromkeys(listed_licences(content))
        known |= dict.fromkeys(map(licence_of, content["images"]))
    known.pop("", None)
    for key in kept:
        if key not in known:
            found = ", ".join(known) or "none"
            raise InputError(
                f"--licenses {shortened(key)}: no image of {folder} has a licence with "
                f"this id; known are {shortened(found)}"
            )


def write_credits(folder: Path, pairs: Mapping[str, list[SourcePair]]) -> None:
    """Writes CREDITS.csv in a data folder if the pairs have credits.

    `pairs` are those of each split. A line has the image's path in the folder, the name
    and address of the licence, and the address and author of the image.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    count = 0
    for split, several in pairs.items():
        for pair in several:
            if pair.credit:
                table.writerow((f"{split}/images/{pair.file_name}", *pair.credit))
                count += 1
    if count:
        write_text(folder / CREDITS, text.getvalue())
