"""Brings another tool's export into the one layout of folders.

    python -m kseg.prepare SRC DIR

SRC is recognised by what is in it:
  voc       Pascal VOC, and "Segmentation mask" of CVAT (SegmentationClass/)
  roboflow  masks of Roboflow (train/NAME_mask.png and _classes.csv)
  segnet    CamVid as SegNet has it, or CVAT (train/ and trainannot/)
  labelme   labelme (NAME.json)
  coco      COCO of any tool (instances_*.json, _annotations.coco.json, others)

DIR gets {train,val,test}/{images,masks}/ and classes.json. Pictures are copied as they
are; masks are palette PNGs of class ids, 255 being void. Splits are SRC's own; what is
in none of them is for training, and where there is no val a share of that becomes val.
Pictures without labels are left out and counted.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Optional, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core.configs import PrepareConfig
from kseg.data.folder import is_laid_out
from kseg.data.formats.detect import FORMATS, detect_format
from kseg.data.formats.source import SourceDataset
from kseg.data.formats.writer import Splits, check_target, divide, write_layout

LISTED = 24  # classes in the line for people; the JSON has all


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(PrepareConfig, "kseg.prepare", __doc__, argv)
    source, target = Path(config.src), Path(config.dir)
    if not 0 < config.val_share < 1:
        raise InputError(
            f"--val-share {config.val_share}: is a share of the pictures, over 0 and "
            "under 1"
        )
    check_target(target)
    name = format_of(source)
    export = FORMATS[name].read(source, config.skip_missing)
    splits = divide(export, source, config.val_share, config.seed)
    say(f"{source}: {summary(name, export, splits)}")
    write_layout(export, splits, target)
    say(f"{target}: is ready: {training(target)}")
    counts = {split: len(pairs) for split, pairs in splits.items()}
    found = {"format": name, "classes": export.names, "splits": counts}
    left_out = {"unlabelled": export.unlabelled, "missing": export.missing}
    write_result(config.json, {**found, **left_out})


def format_of(folder: Path) -> str:
    """The format of an export. Raises InputError where it is none that is known."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the export's, unpacked")
    if is_laid_out(folder):
        raise InputError(f"{folder}: has the layout already: {training(folder)}")
    name = detect_format(folder)
    if name is None:
        inside = next((p for p in sorted(folder.glob("*/")) if detect_format(p)), None)
        if inside:  # archives often hold one folder, such as VOCdevkit/VOC2012
            raise InputError(
                f"{folder}: is no export itself, but {inside} is; name that"
            )
        looks = "; ".join(module.DESCRIPTION for module in FORMATS.values())
        raise InputError(f"{folder}: is no export known here, which have {looks}")
    return name


def training(folder: Path) -> str:
    return f"python -m kseg.train --data {shlex.quote(str(folder))}"


def summary(name: str, export: SourceDataset, splits: Splits) -> str:
    """What was found, in one line."""
    counts = ", ".join(f"{split} {len(pairs)}" for split, pairs in splits.items())
    names = ", ".join(export.names[:LISTED])
    more = len(export.names) - LISTED
    parts = [f"{name}: {counts}", f"{len(export.names)} classes: {names}"]
    if more > 0:
        parts[-1] += f" and {more} more"
    if export.unlabelled:
        parts.append(f"left out without labels: {export.unlabelled}")
    if export.missing:
        parts.append(f"left out without picture: {export.missing}")
    return "; ".join(parts)
