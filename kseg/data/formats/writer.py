"""Writes pairs of picture and mask as a data folder: whole, or not there at all."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable, Iterable, Iterator

import numpy as np
import psutil

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.files import make_folder, write_text
from edge.core.images import SUFFIXES, is_image, write_mask
from edge.display.colors import color_table
from edge.model_file.info import ModelInfo
from kseg.core.progress import bar
from kseg.data.folder import SPLITS, split_by_seed
from kseg.data.formats.source import Pair, SourceDataset, other_size
from kseg.data.masks import look_at_image, turned_like

WORKERS = min(8, os.cpu_count() or 1)
AHEAD = 4  # pairs per worker that may wait: the memory of a run is theirs

Splits = dict[str, list[Pair]]


def divide(export: SourceDataset, folder: Path, share: float, seed: int) -> Splits:
    """train, val and test. What is of no split is for training, and without a val
    `share` of that becomes val. Raises InputError for stems that occur twice in one."""
    found = export.splits
    train = [*found.get("train", []), *found.get("", [])]
    if not train:
        raise InputError(
            f"{folder}: has no labelled pictures to train on ({export.unlabelled} have "
            f"no labels, {export.missing} are missing); label or export them"
        )
    splits = {"train": train} | {s: found[s] for s in SPLITS[1:] if found.get(s)}
    for name, pairs in splits.items():
        check_stems(pairs, name)
    if "val" not in splits:
        splits |= split_by_seed(train, folder, seed, share)
    return {name: splits[name] for name in SPLITS if name in splits}


def check_stems(pairs: list[Pair], split: str) -> None:
    """Raises InputError for pictures that would become one file, or none of ours."""
    counts = Counter(pair.stem for pair in pairs)
    for pair in pairs:
        if counts[pair.stem] > 1:
            others = (p.picture for p in pairs if p.stem == pair.stem)
            other = next((p for p in others if p != pair.picture), pair.picture)
            raise InputError(
                f"{pair.picture}: {split} has {other} too, and their stem is the same; "
                "rename one in the tool that labelled them"
            )
        name = file_name(pair)
        if not is_image(Path(name)):
            raise InputError(
                f"{pair.picture}: {name} is no name of a picture here; these end in "
                f"{', '.join(SUFFIXES)} and do not start with a dot"
            )


def file_name(pair: Pair) -> str:
    return pair.stem + (pair.suffix or pair.picture.suffix)


def check_target(folder: Path) -> None:
    """Raises InputError for a folder that is there and has content."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; name another, or remove it")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A hidden folder beside, which becomes `folder` when the block has ended well.

    What runs that were killed have left of such folders is removed.
    """
    check_target(folder)
    place = Path(os.path.abspath(folder))
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    for left in leftovers(place):
        shutil.rmtree(left, ignore_errors=True)
    make_folder(part)
    try:
        yield part
        check_target(folder)  # hours may have gone by
        if place.is_dir():
            place.rmdir()
        part.rename(place)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def leftovers(place: Path) -> list[Path]:
    """The hidden folders of processes that have ended."""
    start, end = f".{place.name}.", ".part"
    if not place.parent.is_dir():
        return []
    found = [p for p in place.parent.iterdir() if p.name.startswith(start)]
    numbers = {p: p.name.removeprefix(start).removesuffix(end) for p in found}
    return [
        path
        for path, number in numbers.items()
        if path.name.endswith(end)
        and number.isdecimal()
        and not psutil.pid_exists(int(number))
    ]


def write_layout(export: SourceDataset, splits: Splits, folder: Path) -> None:
    """Copies the pictures, writes masks and classes.json. Raises InputError for faults.

    Pictures are copied byte for byte, EXIF included; masks are upright palette PNGs.
    """
    info = ModelInfo(class_names=export.names, colors=export.colors)
    colors = color_table(info).tolist()
    with staged(folder) as part:
        for split in splits:
            for kind in ("images", "masks"):
                make_folder(part / split / kind)
        places = [(part / split, p) for split, pairs in splits.items() for p in pairs]
        each(partial(write_pair, colors=colors), places, "preparing")
        entries = zip(export.names, export.colors, strict=True)
        classes = [{"name": name, "color": color} for name, color in entries]
        record = {"classes": classes, "ignore_index": IGNORE_INDEX}
        write_text(part / "classes.json", json.dumps(record, indent=1) + "\n")


def each(
    function: Callable[[tuple[Path, Pair]], None],
    items: Iterable[tuple[Path, Pair]],
    text: str,
) -> None:
    """`function` of every item, on threads, with a bar; the first fault ends it."""
    remaining = iter(items := list(items))
    with ThreadPoolExecutor(WORKERS) as pool, bar(None, text, total=len(items)) as done:
        first = islice(remaining, AHEAD * WORKERS)
        waiting = deque(pool.submit(function, item) for item in first)
        try:
            while waiting:
                waiting.popleft().result()
                done.update()
                waiting.extend(pool.submit(function, i) for i in islice(remaining, 1))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def write_pair(place: tuple[Path, Pair], colors: list[list[int]]) -> None:
    """Writes one pair into a split's folder.

    Raises InputError for what does not fit.
    """
    split, pair = place
    target = split / "images" / file_name(pair)
    try:
        if pair.content:
            target.write_bytes(pair.content())
        else:
            shutil.copyfile(pair.picture, target)
    except OSError as error:
        raise InputError(
            f"{pair.picture}: cannot be copied to {split.parent} ({error.strerror})"
        ) from None
    mask = upright_mask(pair, target)
    write_mask(split / "masks" / f"{pair.stem}.png", mask, colors)


def upright_mask(pair: Pair, copy: Path) -> np.ndarray:
    """The mask (H, W) uint8, turned where it was drawn on the picture as stored."""
    try:
        size, _ = look_at_image(copy)
    except InputError as error:
        raise InputError(str(error).replace(str(copy), str(pair.picture))) from None
    mask = turned_like(copy, pair.mask())
    if mask.shape != size:
        raise other_size(pair.picture, size, mask.shape)
    return mask
