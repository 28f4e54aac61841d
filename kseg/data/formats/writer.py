"""Writes pairs of image and mask as a data folder, either completely or not at all."""

from __future__ import annotations

import os
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable, Iterable, Iterator, Optional, TypeVar

import numpy as np
import psutil

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.images import SUFFIXES, is_image, write_mask
from edge.display.colors import color_table
from edge.model_file.info import ModelInfo
from kseg.core.progress import bar
from kseg.core.results import MaskCounts
from kseg.core.runs import write_json
from kseg.data.folder import SPLITS, split_by_seed
from kseg.data.formats.counts import (
    MaskFacts,
    check_masks,
    facts_of,
    mask_counts,
)
from kseg.data.formats.credits import write_credits
from kseg.data.formats.frames import check_frames, own_stems
from kseg.data.formats.source import Size, SourceDataset, SourcePair, size_error
from kseg.data.masks import inspect_image, rotate_like

WORKERS = min(8, os.cpu_count() or 1)
AHEAD = 4  # pairs per worker that may be in memory at a time

T = TypeVar("T")
Splits = dict[str, list[SourcePair]]


def assign_splits(
    export: SourceDataset, folder: Path, share: Optional[float], seed: int
) -> Splits:
    """Divides the pairs into train, val and test.

    Pairs without a split are for training. Without a val split, `share` of the training
    pairs become val, none if it is None; without training pairs, the other splits stay
    alone. Equal stems
    within a split get different ones. Raises InputError for an image that is labelled
    twice, and if there are no pairs.
    """
    found = export.splits
    train = [*found.get("train", []), *found.get("", [])]
    splits = {"train": train} | {s: found.get(s, []) for s in SPLITS[1:]}
    splits = {name: pairs for name, pairs in splits.items() if pairs}
    if not splits:
        raise InputError(
            f"{folder}: no labelled images ({export.unlabelled} without labels, "
            f"{export.missing} missing); label or export them"
        )
    check_frames(splits)
    splits = {name: own_stems(pairs) for name, pairs in splits.items()}
    for pairs in splits.values():
        check_image_names(pairs)
    if train and "val" not in splits and share is not None:
        splits |= split_by_seed(splits["train"], folder, seed, share)
    return {name: splits[name] for name in SPLITS if name in splits}


def check_image_names(pairs: list[SourcePair]) -> None:
    """Raises InputError for names that are not image names."""
    for pair in pairs:
        name = pair.file_name
        if not is_image(Path(name)):
            raise InputError(
                f"{pair.image}: {name} is not a valid image name; it must end in one "
                f"of {', '.join(SUFFIXES)} and not start with a dot"
            )


def check_target(folder: Path) -> None:
    """Raises InputError if the folder exists and is not empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: already exists; choose another, or remove it")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yields a hidden temporary folder, renamed to `folder` if the block succeeds.

    Temporary folders of processes that were killed are removed.
    """
    check_target(folder)
    target = Path(os.path.abspath(folder))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    for left in leftovers(target):
        shutil.rmtree(left, ignore_errors=True)
    make_folder(target.parent)  # an error names it instead of the temporary folder
    make_folder(part)
    try:
        yield part
        check_target(folder)  # it may have been created in the meantime
        if target.is_dir():
            target.rmdir()
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def leftovers(target: Path) -> list[Path]:
    """The temporary folders of processes that have ended."""
    start, end = f".{target.name}.", ".part"
    if not target.parent.is_dir():
        return []
    found = [p for p in target.parent.iterdir() if p.name.startswith(start)]
    numbers = {p: p.name.removeprefix(start).removesuffix(end) for p in found}
    return [
        path
        for path, number in numbers.items()
        if path.name.endswith(end)
        and number.isdecimal()
        and not psutil.pid_exists(int(number))
    ]


def write_data_folder(
    export: SourceDataset, splits: Splits, folder: Path, alone: bool = True
) -> MaskCounts:
    """Copies the images and writes the masks and classes.json; counts the pixels.

    Images are copied byte for byte, EXIF included; masks are upright palette PNGs.
    `alone` is whether the folder must have what can be learnt or measured. Raises
    InputError for files that cannot be read, and masks that do not fit.
    """
    info = ModelInfo(class_names=export.class_names, colors=export.colors)
    colors = color_table(info).tolist()
    with staged(folder) as part:
        for split in splits:
            for kind in ("images", "masks"):
                make_folder(part / split / kind)
        items = [(part / split, p) for split, pairs in splits.items() for p in pairs]
        facts = each(partial(write_pair, colors=colors), items, "preparing")
        counts = mask_counts(export.class_names, facts)
        counts = replace(counts, skipped=export.unpainted.record())
        if alone:
            check_masks(counts, folder, items[0][1].image, learnt="train" in splits)
        entries = zip(export.class_names, export.colors, strict=True)
        classes = [{"name": name, "color": color} for name, color in entries]
        write_credits(part, splits)
        record = {"classes": classes, "ignore_index": IGNORE_INDEX}
        write_json(part / "classes.json", record)
    return counts


def each(
    function: Callable[[tuple[Path, SourcePair]], T],
    items: Iterable[tuple[Path, SourcePair]],
    text: str,
) -> list[T]:
    """`function` of every item, on threads; stops at the first error."""
    results = []
    remaining = iter(items := list(items))
    with ThreadPoolExecutor(WORKERS) as pool, bar(None, text, total=len(items)) as done:
        first = islice(remaining, AHEAD * WORKERS)
        waiting = deque(pool.submit(function, item) for item in first)
        try:
            while waiting:
                results.append(waiting.popleft().result())
                done.update()
                waiting.extend(pool.submit(function, i) for i in islice(remaining, 1))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results


def write_pair(item: tuple[Path, SourcePair], colors: list[list[int]]) -> MaskFacts:
    """Writes a pair, given as (folder of its split, pair), and counts its pixels.

    Raises InputError if it cannot be copied, or the mask does not fit the image.
    """
    split, pair = item
    mask = upright_mask(pair, copy_image(pair, split))
    write_mask(split / "masks" / f"{pair.stem}.png", mask, colors)
    return facts_of(pair.image, mask, split.name)


def copy_image(pair: SourcePair, split: Path) -> Path:
    """Copies the image of a pair into `split`/images, and returns the copy."""
    target = split / "images" / pair.file_name
    try:
        if pair.content:
            target.write_bytes(pair.content())
        else:
            shutil.copyfile(pair.image, target)
    except OSError as error:
        raise InputError(
            f"{pair.image}: cannot be copied to {split.parent} ({error.strerror})"
        ) from None
    return target


def upright_mask(pair: SourcePair, copy: Path) -> np.ndarray:
    """The mask (H, W) uint8, rotated if it was drawn on the image as stored."""
    size = size_of_copy(pair, copy)
    mask = rotate_like(copy, pair.mask())
    if mask.shape != size:
        raise size_error(pair.image, size, mask.shape)
    return mask


def size_of_copy(pair: SourcePair, copy: Path) -> Size:
    """(height, width) of the upright image. Raises InputError if it is not readable."""
    try:
        return inspect_image(copy)[0]
    except InputError as error:
        raise InputError(str(error).replace(str(copy), str(pair.image))) from None
