"""Proposals of a data set: boxes of selective search, computed once and kept.

Those of a data folder are in DIR/SPLIT/proposals/NAME.npy, float32 (N, 4) x0, y0, x1,
y1 in pixels of the image. Those of other images are in the cache folder, under a digest
of the image.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import numpy as np

from edge.core.errors import InputError, cannot_be
from edge.core.files import atomic_write, cache_folder, make_folder
from edge.predict.boxes import iou_matrix
from kseg.core.configs import PrepareConfig
from kseg.core.options import flag
from kseg.core.progress import bar
from kseg.core.results import Prepared, ProposalCounts
from kseg.data.object_folder import ObjectSplit
from kseg.data.proposal_workers import workers
from kseg.data.sample import Dataset, Objects, Sample, Split
from kseg.data.selective_search import selective_search

log = logging.getLogger(__name__)

FOLDER = "proposals"
MOST = 500  # boxes of an image
HIT = 0.5  # overlap (IoU) of a proposal with the object that it finds
VERSION = b"selective search 2"  # another one for other boxes of the same image
DIGITS = 32  # hexadecimal, of a file name in the cache


def propose(image: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 -> at most MOST boxes (N, 4) float32, best first."""
    return selective_search(image, MOST)


def remembered(image: np.ndarray) -> np.ndarray:
    """As `propose`; the boxes are kept in the cache folder, and read from there.

    If nothing can be written there, they are computed each time.
    """
    path = cached_file(image)
    if path.is_file():
        with suppress(InputError):  # a damaged file is replaced
            return read_boxes(path)
    try:
        return written(image, path)
    except (InputError, OSError):  # a full disk, or a folder that is only readable
        return propose(image)


def cached_file(image: np.ndarray) -> Path:
    """The file of an image's proposals in the cache folder."""
    total = hashlib.sha256(VERSION + repr(image.shape).encode())
    total.update(np.ascontiguousarray(image).tobytes())
    return cache_folder() / FOLDER / f"{total.hexdigest()[:DIGITS]}.npy"


def written(image: np.ndarray, path: Path) -> np.ndarray:
    """The proposals of an image, after they were written to a file."""
    boxes = propose(image)
    make_folder(path.parent)
    with atomic_write(path) as part, part.open("wb") as file:
        np.save(file, boxes)
    return boxes


def read_boxes(path: Path) -> np.ndarray:
    """The proposals (N, 4) float32 in a file. Raises InputError if it is damaged."""
    try:
        boxes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read ({reason}); {AGAIN}") from None
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype != np.float32:
        raise InputError(
            f"{path}: is {boxes.dtype} {list(boxes.shape)} and must be float32 "
            f"[boxes, 4]; {AGAIN}"
        )
    if not np.isfinite(boxes).all():
        raise InputError(f"{path}: has values that are not finite; {AGAIN}")
    return boxes


AGAIN = "make it again with kseg prepare DIR --proposals"


def file_of(split: Split, index: int) -> Optional[Path]:
    """The file of an image's proposals in a data folder; None for generated images."""
    if not isinstance(split, ObjectSplit):
        return None
    image = split.images[index]
    return image.parent.parent / FOLDER / f"{image.stem}.npy"


def proposals_of(split: Split, index: int, image: np.ndarray) -> np.ndarray:
    """The proposals of an image of a split: read from their file, or from the cache."""
    path = file_of(split, index)
    return read_boxes(path) if path and path.is_file() else remembered(image)


@dataclass(frozen=True)
class ProposalSplit:
    """A split whose objects have `proposals`."""

    split: Split

    @property
    def names(self) -> list[str]:
        return self.split.names

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return self.split.sizes

    @property
    def files(self) -> list[Path]:
        return self.split.files

    def read(self, index: int) -> Sample:
        image, objects = self.split.read(index)
        assert isinstance(objects, Objects)
        boxes = proposals_of(self.split, index, image)
        return Sample(image, replace(objects, proposals=boxes))


def keep_one(split: Split, index: int, in_folder: bool) -> None:
    """Writes the proposals of an image, unless the cache has them.

    `in_folder` writes those of a data folder beside its images, each time anew. Raises
    InputError if a file cannot be read or written.
    """
    image = split.read(index).image
    path = file_of(split, index) if in_folder else None
    try:
        if path:
            written(image, path)
        elif not has_file(split, index):
            remembered(image)
    except OSError as error:
        raise cannot_be("written", path or cache_folder(), error) from None


def has_file(split: Split, index: int) -> bool:
    """Whether the proposals of an image are beside it in a data folder."""
    path = file_of(split, index)
    return path is not None and path.is_file()


def keep_all(split: Split, name: str, in_folder: bool = False) -> None:
    """Computes the proposals of every image of a split that has none, in processes.

    A progress bar shows the time left. See `keep_one`.
    """
    indices = [
        index
        for index in range(len(split.sizes))
        if in_folder or not has_file(split, index)
    ]
    with workers(keep_one, (split,), (in_folder,), len(indices)) as run:
        for _ in bar(run(indices), f"proposals of {name}", total=len(indices)):
            pass


def add_proposals(config: PrepareConfig) -> Prepared:
    """Writes the proposals of the data folder `config.src`, or those of "shapes".

    Raises InputError for options of a conversion, and for a folder without objects.
    """
    default = PrepareConfig(config.src)
    for name in ("val_share", "skip_missing") if not config.dir else ():
        if getattr(config, name) != getattr(default, name):
            raise InputError(
                f"{flag(name)}: has no effect: without DIR only proposals are made; "
                "leave it out"
            )
    from kseg.data.open import open_data

    data = open_data(config.src, config.seed, "detection")
    return Prepared(
        Path(config.src),
        "",
        data.class_names,
        {name: len(split.sizes) for name, split in data.splits.items()},
        task=config.task or data.task,
        proposals=prepare_proposals(data),
    )


def prepare_proposals(data: Dataset) -> dict[str, ProposalCounts]:
    """Writes the proposals of all splits, and counts how many objects they find."""
    counts = {}
    for name, split in data.splits.items():
        keep_all(split, name, in_folder=True)
        counts[name] = measured(ProposalSplit(split), name)
        log.info(f"{data.name}, {name}: {counts[name]}")
    return counts


def measured(split: Split, name: str) -> ProposalCounts:
    """The number of proposals of a split, and the share of its objects they find.

    Crowds do not count.
    """
    boxes = objects = hits = 0
    for index in bar(range(len(split.sizes)), f"recall of {name}"):
        target = split.read(index).target
        assert isinstance(target, Objects) and target.proposals is not None
        boxes += len(target.proposals)
        found = found_objects(target)
        objects, hits = objects + len(found), hits + int(found.sum())
    return ProposalCounts(len(split.sizes), boxes, objects, hits)


def found_objects(target: Objects) -> np.ndarray:
    """(N,) bool: whether a proposal has an IoU of at least HIT with each object."""
    assert target.proposals is not None
    overlaps = iou_matrix(target.boxes[~target.crowd], target.proposals)
    return overlaps.max(axis=1, initial=0) >= HIT
