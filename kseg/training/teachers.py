"""The runs that a student learns from: which they are, and what they predict."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import cv2
import numpy as np

from edge.core.errors import InputError, listed
from edge.core.images import format_size
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.ensemble import ENSEMBLES
from edge.predict.semantic import SemanticPredictor, probabilities
from edge.predict.temperature import as_logits
from kseg.core.configs import TrainConfig
from kseg.core.fold_runs import resolve_runs
from kseg.core.runs import find_model, read_record
from kseg.data.fold_data import is_same_division
from kseg.data.sample import DIGITS, Dataset, Split, digest, with_white_level
from kseg.evaluation.open import open_predictor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Teacher:
    """A run whose predictions are learned; `fingerprint` identifies its weights."""

    model: Path
    info: ModelInfo
    fingerprint: str


def find_teachers(config: TrainConfig, data: Dataset) -> list[Teacher]:
    """The teachers of a configuration, in its order; of a k-fold run, its folds.

    Raises InputError for what is no run, for one that is named twice, and for a run of
    another task, of other classes or of images with other channels than `data`.
    """
    if not config.teacher:
        return []
    try:
        folders = resolve_runs(",".join(config.teacher))
    except InputError as error:
        gone = config.resume and not all(Path(run).exists() for run in config.teacher)
        moved = "; if it has moved, give its new place: --resume --teacher NEW"
        raise InputError(f"--teacher {error}{moved * gone}") from None
    return [teacher_of(folder, data) for folder in folders]


def teacher_of(folder: Path, data: Dataset) -> Teacher:
    """Opens a run's description as a teacher. Raises InputError: see `find_teachers`.

    Its network is loaded later, and only if something is to be predicted.
    """
    option = f"--teacher {folder}"
    if not folder.is_dir():
        raise InputError(f"{option}: is a file; give the run folder that it is in")
    try:
        model, _ = find_model(str(folder), trained=True)
        record = read_record(folder)
        info = info_of(model)
    except InputError as error:
        raise InputError(f"--teacher {error}") from None
    if info.task not in ENSEMBLES:
        raise InputError(
            f"{option}: its task is {info.task}; give a run of the task {data.task}"
        )
    if info.class_names != data.class_names:
        raise InputError(
            f"{option}: has the classes {listed(info.class_names)}, but {data.name} "
            f"has {listed(data.class_names)}; give a run of the same classes in the "
            "same order"
        )
    if record["data"].get("channels", data.channels) != data.channels:
        raise InputError(
            f"{option}: was trained on images of {record['data']['channels']} "
            f"channels, but those of {data.name} have {data.channels}; give a run of "
            "such images"
        )
    return Teacher(model, info, digest(model)[:DIGITS])


def warn_of_seen_images(config: TrainConfig, data: Dataset) -> None:
    """Logs if teachers of a k-fold training have seen the images of its folds.

    A student learns from them what its validation images should show.
    """
    if not config.teacher:
        return
    try:
        folders = resolve_runs(",".join(config.teacher))
        records = [read_record(folder)["data"] for folder in folders]
    except InputError:  # the first fold that is trained raises it
        return
    for folder, record in zip(folders, records, strict=True):
        if is_same_folder(record, data) or is_same_division(record, data):
            log.warning(
                f"--teacher {folder}: was trained on images of {data.name}, with which "
                "the folds are validated, so their values are too high"
            )
            return


def warn_of_another_division(teachers: Sequence[Teacher], data: Dataset) -> None:
    """Logs if a teacher may have seen the val images of a training.

    It was trained on the same folder, but with another division of it: by another seed
    if there is no val split, or as a fold.
    """
    for teacher in teachers:
        folder = teacher.model.parent
        record = read_record(folder)["data"]
        if is_same_folder(record, data) and not is_same_division(record, data):
            log.warning(
                f"--teacher {folder}: was trained on {data.name} when its images were "
                "divided in another way or were others; if it has seen val images of "
                "this run, their values are too high: measure on --split test"
            )
            return


def is_same_folder(record: Mapping[str, Any], data: Dataset) -> bool:
    """Whether a run, by its record of the data, was trained on the folder of `data`."""
    path = os.path.abspath(str(record.get("name", "")))
    return path == os.path.abspath(data.name)


def record_of_teachers(teachers: Sequence[Teacher]) -> dict[str, Any]:
    """What config.json records of teachers; nothing if there are none."""
    if not teachers:
        return {}
    runs = [
        {"run": str(teacher.model.parent), "fingerprint": teacher.fingerprint}
        for teacher in teachers
    ]
    return {"teachers": runs}


def check_same_teachers(record: dict[str, Any], previous: dict[str, Any]) -> None:
    """Raises InputError if the teachers of two records differ in their weights."""
    now, then = (each.get("teachers", []) for each in (record, previous))
    if len(now) != len(then):
        raise InputError(
            f"--teacher: {len(now)} runs, but the resumed run was started with "
            f"{len(then)}; leave the option out"
        )
    for teacher, known in zip(now, then, strict=True):
        if teacher["fingerprint"] != known["fingerprint"]:
            raise InputError(
                f"--teacher {teacher['run']}: has changed since the run was started; "
                "restore it, or train again with another --output"
            )


class Predictions:
    """What a teacher predicts, at a temperature, of the training images of `data`."""

    def __init__(self, config: TrainConfig, teacher: Teacher, data: Dataset):
        """Loads the network. Raises InputError for scales that it does not support."""
        self.config, self.name = config, f"--teacher {teacher.model.parent}"
        predictor = open_predictor(teacher.model)
        assert isinstance(predictor, SemanticPredictor)
        self.predictor = predictor
        fixed = predictor.engine.size
        if config.teacher_scales != (1.0,) and fixed and not self.border:
            raise InputError(
                f"--teacher-scales: {teacher.model.parent} accepts only images of "
                f"{format_size(fixed)}; leave the option out"
            )
        level = teacher.info.white_level
        same = level <= 255 or level == data.white_level
        # It sees the images as bright as those that it was trained on.
        seen = data if same else with_white_level(data, level)
        self.split: Split = seen.split("train")

    @property
    def border(self) -> int:
        return self.predictor.info.geometry.valid_border

    def passes(self) -> Iterator[tuple[float, bool]]:
        """The scale of each pass, and whether it sees the image mirrored."""
        for scale in self.config.teacher_scales:
            yield scale, False
            if self.config.teacher_flip:
                yield scale, True

    def of(self, index: int, size: tuple[int, int]) -> np.ndarray:
        """The mean of all passes for an image: (*size, C) float32, their sum is 1."""
        image = self.split.read(index).image
        try:
            parts = [self.single(image, size, *each) for each in self.passes()]
        except InputError as error:
            raise InputError(
                f"{self.name}: {self.split.names[index]}: {error}"
            ) from None
        return sum(parts) / len(parts)

    def single(
        self, image: np.ndarray, size: tuple[int, int], scale: float, mirrored: bool
    ) -> np.ndarray:
        """One pass: the softmax of the logits over the temperature, at `size`."""
        predictor, base = self.predictor, image.shape[:2]
        least = predictor.info.geometry.minimum
        if min(predictor.content_size_of(base, scale)) < least:
            raise InputError(
                f"is smaller than the network's minimum of {least}x{least} at the "
                f"scale {scale:g}; leave that out of --teacher-scales"
            )
        view = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
        values, whole = predictor.crop_map(*predictor.run(view, scale=scale), size)
        soft = softened(values, predictor.head, self.config.teacher_temperature)
        if not np.isfinite(soft).all():
            raise InputError(
                "its scores are not finite, so nothing can be learned from them; train "
                "the teacher again"
            )
        found = resized(soft, whole)[: size[0], : size[1]]
        return found[:, ::-1] if mirrored else found


def softened(scores: np.ndarray, head: str, temperature: float) -> np.ndarray:
    """(h, w, C) scores of a head -> probabilities at a temperature, float32.

    >>> softened(np.log(np.float32([[[1, 9]]])), "logits", 2).round(3).tolist()
    [[[0.25, 0.75]]]
    """
    logits = as_logits(scores, head) / np.float32(temperature)
    return probabilities(logits, "logits")


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) float32 -> (*size, C): the mean of areas if smaller, else bilinear."""
    if values.shape[:2] == tuple(size):
        return values
    smaller = values.shape[0] >= size[0] and values.shape[1] >= size[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    planes = (np.ascontiguousarray(values[..., i]) for i in range(values.shape[2]))
    resized = [cv2.resize(plane, size[::-1], interpolation=how) for plane in planes]
    return np.stack(resized, axis=-1)
