"""An issue of a data set: how severe it is, where, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

from kseg.data.checks.scan import FolderScan

SEVERITIES = ("harm", "warning", "note")


@dataclass(frozen=True)
class DataIssue:
    """One thing that is wrong, or worth knowing.

    `examples` are all files it is true of, `places` those pictures in the survey.
    """

    severity: str
    kind: str
    split: str
    count: int
    text: str
    examples: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f"{self.split}: " if self.split else ""
        names = ", ".join(self.examples[:5]) + ", ..." * (len(self.examples) > 5)
        return f"{self.severity}: {where}{self.text}{names and f' ({names})'}"


def about(
    survey: FolderScan,
    severity: str,
    kind: str,
    split: str,
    places: Iterable[int],
    text: str,
) -> Iterator[DataIssue]:
    """A finding about pictures, where there are any."""
    places = tuple(int(place) for place in places)
    if places:
        names = tuple(survey.looks[place].name for place in places)
        yield DataIssue(severity, kind, split, len(places), text, names, places)


def stem_of(name: str) -> str:
    """train/masks/a.png and train/images/a.jpg are of one stem."""
    folder, _, file = name.rpartition("/")
    return f"{folder.rpartition('/')[0]}/{file.rpartition('.')[0]}"
