"""Computes the soft labels of a run's teachers once, and keeps them on the disk."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Sequence

from edge.core.errors import InputError, cannot_be
from edge.core.files import cache_folder, make_folder
from edge.predict.resizing import limit_side
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.core.progress import shown
from kseg.data.loading.soft_labels import SoftLabels, encode, stored_size
from kseg.data.sample import Dataset
from kseg.training.teachers import Predictions, Teacher

log = logging.getLogger(__name__)

FOLDER = "soft_labels"  # in the cache folder
VERSION = "soft labels 1"  # another one for other values of the same teachers
KEPT_DAYS = 30  # of soft labels that no training uses
DIGITS = 32  # hexadecimal, of a folder's name


def soft_labels(
    config: TrainConfig, data: Dataset, teachers: Sequence[Teacher], group: ProcessGroup
) -> SoftLabels:
    """The soft labels of the training images: the mean over all teachers and passes.

    They are read from the cache folder, where those that are missing are written first:
    after Ctrl-C the same call continues. Raises InputError for several processes, a
    cache folder that cannot be written to, and an image that a teacher cannot predict.
    """
    if group.processes > 1:
        raise InputError(
            "--teacher: not supported with several processes; train on one machine"
        )
    folder = cache_folder() / FOLDER / key_of(config, data, teachers)
    train = data.split("train")
    sizes = [limit_side(size, config.max_side) for size in train.sizes]
    soft = SoftLabels(folder, sizes, data.num_classes, data.channels)
    missing = soft.missing()
    if missing:
        remove_unused(folder.parent)
        make_folder(folder)
        compute(config, data, teachers, soft, missing)
    with suppress(OSError):  # a folder of soft labels may be another user's
        os.utime(folder)
    return soft


def key_of(config: TrainConfig, data: Dataset, teachers: Sequence[Teacher]) -> str:
    """Digits that change with everything that soft labels depend on.

    They do not depend on the paths of the runs and of the data, nor on their order.
    """
    about = (
        *(VERSION, data.fingerprint, data.split("train").names, data.white_level),
        *(config.max_side, config.teacher_temperature, config.teacher_flip),
        *(config.teacher_scales, sorted(teacher.fingerprint for teacher in teachers)),
    )
    return hashlib.sha256(repr(about).encode()).hexdigest()[:DIGITS]


def compute(
    config: TrainConfig,
    data: Dataset,
    teachers: Sequence[Teacher],
    soft: SoftLabels,
    missing: Sequence[int],
) -> None:
    """Writes the soft labels of the images `missing`, with progress."""
    predictions = [Predictions(config, teacher, data) for teacher in teachers]
    announce(soft, missing, sum(len(list(each.passes())) for each in predictions))
    done = 0
    try:
        for index in shown(missing, "soft labels", len(missing)):
            size = stored_size(soft.sizes[index])
            mean = sum(each.of(index, size) for each in predictions) / len(predictions)
            soft.write(index, encode(mean))
            done += 1
    except OSError as error:
        raise cannot_be("written to", soft.folder, error) from None
    except KeyboardInterrupt:
        log.info(
            f"soft labels: {done:,} of {len(missing):,} are computed; the same command "
            "continues there"
        )
        raise


def announce(soft: SoftLabels, missing: Sequence[int], passes: int) -> None:
    """Logs how much is computed, and how much room it takes at most."""
    known = len(soft.sizes) - len(missing)
    more = f" ({known:,} are there from before)" if known else ""
    free = shutil.disk_usage(soft.folder).free
    each = "1 pass" if passes == 1 else f"{passes} passes"
    log.info(
        f"computing soft labels of {len(missing):,} images{more}, {each} each; they "
        f"take at most {megabytes(soft.nbytes)} of {megabytes(free)} free "
        f"in {soft.folder}"
    )


def megabytes(count: int) -> str:
    """Bytes as text.

    >>> megabytes(174_312_000), megabytes(40)
    ('174 MB', '1 MB')
    """
    return f"{max(1, round(count / 1e6)):,} MB"


def remove_unused(folder: Path) -> None:
    """Removes soft labels that no training used for KEPT_DAYS."""
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another training has just removed it
            if time.time() - path.stat().st_mtime > KEPT_DAYS * 86_400:
                shutil.rmtree(path, ignore_errors=True)
