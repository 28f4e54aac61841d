"""An issue of a data set: severity, location and advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

from kseg.data.checks.scan import Scan

# Kind of file issue -> severity and description.
FILE_ISSUES = {
    "classes": ("error", "invalid classes.json"),
    "missing folder": ("error", "missing folders"),
    "unreadable image": ("error", "images that cannot be read or are damaged"),
    "unreadable mask": ("error", "masks that cannot be read or are damaged"),
    "no mask": ("error", "images without a mask; add the masks or remove the images"),
    "same stem": ("error", "files with the same stem; keep one of each"),
    "lossy mask": ("error", "masks with lossy compression; save them as PNG"),
    "sizes": ("error", "masks whose size differs from their image's"),
    "ids": ("error", "masks with ids outside the classes"),
    "values": ("error", "masks whose values cannot be ids"),
    "lonely id": ("warning", "masks with ids far above all others, in few pixels"),
    "thin": ("warning", "masks that may have been smoothed, or have thin classes"),
    "colors": ("error", "masks with colours that classes.json does not list"),
    "no image": ("warning", "masks without an image; they are ignored"),
    "not read": ("note", "files or folders that are ignored"),
}

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class DataIssue:
    """One problem, or one fact to report.

    `examples` are all files concerned, `indices` those images in `Scan.pairs`.
    """

    severity: str
    kind: str
    split: str
    count: int
    text: str
    examples: tuple[str, ...] = ()
    indices: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f"{self.split}: " if self.split else ""
        names = ", ".join(self.examples[:5]) + ", ..." * (len(self.examples) > 5)
        return f"{self.severity}: {where}{self.text}{names and f' ({names})'}"


def issue_of_images(
    scanned: Scan,
    severity: str,
    kind: str,
    split: str,
    indices: Iterable[int],
    text: str,
) -> Iterator[DataIssue]:
    """One issue about the images at `indices`; nothing if there are none."""
    indices = tuple(int(index) for index in indices)
    if indices:
        names = tuple(scanned.pairs[index].name for index in indices)
        yield DataIssue(severity, kind, split, len(indices), text, names, indices)


def stem_of(name: str) -> str:
    """The key shared by the files of a pair, train/masks/a.png and train/images/a.jpg.

    >>> stem_of("train/masks/a.png")
    'train/a'
    """
    folder, _, file = name.rpartition("/")
    return f"{folder.rpartition('/')[0]}/{file.rpartition('.')[0]}"
