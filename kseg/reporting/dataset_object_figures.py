"""doctor.png and augmentation.png of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from edge.core.images import with_channels
from edge.model_file.info import InputGeometry
from edge.predict.resizing import fit_within, resize
from kseg.core.configs import TrainConfig
from kseg.core.progress import evenly_spaced
from kseg.data.checks.issues import DataIssue
from kseg.data.checks.object_scan import LARGE, MEDIUM, ObjectScan
from kseg.data.sample import Dataset, Objects, Sample
from kseg.reporting.dataset_figures import (
    CELL,
    CROP_CELL,
    MAX_IMAGES,
    ROWS,
    charts,
    images_with_issues,
    sample_numbers,
    share_bars,
    titled_pair,
    write_crops,
    write_sheet,
)
from kseg.reporting.object_pictures import (
    put_objects,
    resized_result,
    result_of_objects,
)

SAMPLES = 3  # images that are shown although they have no issue
BINS = np.geomspace(2, 1024, 28)  # side of an object in pixels
CROWD = (255, 255, 255)


def object_sheet(path: Path, scan: ObjectScan, issues: Sequence[DataIssue]) -> None:
    """Draws class frequencies and sizes of objects, and below some of the images.

    Images with issues come first, then some of the training split.
    """
    chosen = images_with_issues(scan, issues)
    shown = {index for index, _ in chosen}
    valid = [i for i, p in enumerate(scan.pairs) if p.target and i not in shown]
    samples = [valid[k] for k in evenly_spaced(len(valid), SAMPLES)] if valid else []
    chosen += [(index, scan.pairs[index].split) for index in samples]
    cells = [
        thumbnail(scan, index, text) for index, text in chosen[: MAX_IMAGES + SAMPLES]
    ]
    write_sheet(path, charts(scan, class_chart, size_chart), cells)


def thumbnail(scan: ObjectScan, index: int, text: str) -> np.ndarray:
    """Draws an image without and with its objects, and the issue as title."""
    pair = scan.pairs[index]
    image, objects = scan.read(pair)
    size = fit_within(image.shape[:2], CELL)
    drawn = with_objects(resize(image, size), image.shape[:2], objects, scan.colors)
    return titled_pair(pair.name, text, image, drawn)


def with_objects(
    image: np.ndarray,
    size: tuple[int, int],
    objects: Objects,
    colors: Sequence[tuple[int, int, int]],
) -> np.ndarray:
    """Draws objects on an image (h, w, 3) that had `size` when they were labelled.

    Masks are tinted, boxes are lines of one pixel; crowds are white.
    """
    view = image.copy()
    result = resized_result(result_of_objects(objects, size), image.shape[:2])
    put_objects(
        view,
        result,
        [
            CROWD if crowd else colors[class_id]
            for crowd, class_id in zip(objects.crowd, objects.class_ids, strict=True)
        ],
    )
    return view


# --- augmentation ---


def object_augmentation_sheet(path: Path, config: TrainConfig, data: Dataset) -> None:
    """Draws training images and their augmented crops in the first epochs.

    Each row shows an image with its objects, and its crops of EPOCHS epochs as the
    network receives them. Objects of which a crop has too little are white: they are
    neither objects nor background.
    """
    size = config.size or data.default_crop(config.max_side)
    chosen = evenly_spaced(len(data.split("train").sizes), ROWS)
    rows = [
        [enlarged(sample, data) for sample in samples]
        for samples in augmented(config, data, size, chosen)
    ]
    write_crops(path, rows, [data.split("train").names[k] for k in chosen], size, data)


def augmented(
    config: TrainConfig, data: Dataset, size: tuple[int, int], chosen: Sequence[int]
) -> list[list[Sample]]:
    """Lists each chosen training sample followed by its augmentations of each epoch.

    They equal those of the training batches: images (h, w, C) uint8 and `Objects`.
    """
    import tensorflow as tf

    from kseg.data.loading.objects import ObjectBatchLoader

    loader = ObjectBatchLoader(config, data, size, InputGeometry())
    reader = loader.readers["train"]
    numbers = sample_numbers(len(reader.split.sizes), config.seed, chosen)
    result = []
    for index, row in zip(chosen, numbers, strict=True):
        samples = [reader.read(index)]
        for number in row:
            random = np.random.default_rng([config.seed, number])
            image, objects = loader.augmented(random, number, index)
            image = loader.recolored(image, tf.constant(number, tf.int64)).numpy()
            samples.append(Sample(np.rint(image).astype(np.uint8), objects))
        result.append(samples)
    return result


def enlarged(sample: Sample, data: Dataset) -> np.ndarray:
    """Draws the objects of a sample on its image, enlarged to a cell of the sheet."""
    size = sample.image.shape[:2]
    view = resize(with_channels(sample.image, 3), fit_within(size, CROP_CELL))
    return with_objects(view, size, sample.target, data.colors)


# --- charts ---


def class_chart(axes: Any, scan: ObjectScan) -> None:
    """Draws the share of each class in the objects of each split."""
    counted = {split: scan.counts(split).sum(0) for split in scan.splits}
    axes.set(xlabel="share of the objects", xscale="log", xlim=(1e-4, 1))
    share_bars(axes, scan, counted)


def size_chart(axes: Any, scan: ObjectScan) -> None:
    """Draws how many objects have which size, the square root of their area."""
    for split in scan.splits:
        sides = np.sqrt(scan.areas(split))
        if sides.size:
            axes.hist(sides, BINS, alpha=0.5, label=split)
    for side in (MEDIUM, LARGE):
        axes.axvline(side, color="grey", linewidth=1, linestyle="--")
    axes.set(xlabel="side in pixels", ylabel="objects", xscale="log")
    axes.set(title="sizes of objects (lines: medium, large)")
    if axes.patches:
        axes.legend(fontsize=8)
