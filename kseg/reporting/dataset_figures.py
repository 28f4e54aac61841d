"""Figures of a data set: doctor.png and augmentation.png."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Sequence

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.images import with_channels, write_image
from edge.display.colors import color_table
from edge.display.draw import blend, caption
from edge.model_file.info import ModelInfo
from edge.predict.resizing import fit_within
from kseg.core.configs import TrainConfig
from kseg.core.progress import evenly_spaced
from kseg.data.checks.issues import DataIssue
from kseg.data.checks.rules import size_counts
from kseg.data.checks.scan import FolderScan, Scan
from kseg.data.masks import INVALID
from kseg.data.sample import Dataset
from kseg.reporting.chart_names import chart_names, use_fonts
from kseg.reporting.figures import GAP, MAX_LETTERS, title, to_cell, with_names

WIDTH = 1236  # of doctor.png, in pixels
DPI = 110
CELL = (150, 200)  # height and width of a thumbnail
COLUMNS = WIDTH // (2 * (CELL[1] + GAP))  # images with their masks in a row
MAX_IMAGES = 9
IMAGES_PER_ISSUE = 2
MAX_CLASSES = 40  # in the chart, which shows the rarest
VOID = (255, 255, 255)
OUTSIDE = (255, 0, 255)
ROWS, EPOCHS = 4, 5  # of augmentation.png
CROP_CELL = (240, 240)

Chart = Callable[[Any, Any], None]  # draws a scan on axes


def doctor_sheet(path: Path, scan: FolderScan, issues: Sequence[DataIssue]) -> None:
    """Draws class frequencies and image sizes, and below images that have issues."""
    info = ModelInfo(class_names=scan.class_names, colors=scan.colors)
    chosen = images_with_issues(scan, issues)
    cells = [thumbnail(scan, index, text, info) for index, text in chosen]
    write_sheet(path, charts(scan, class_chart, size_chart), cells)


def write_sheet(path: Path, top: np.ndarray, cells: list[np.ndarray]) -> None:
    """Writes charts (h, WIDTH, 3) and below them rows of COLUMNS thumbnails."""
    blank = np.full((CELL[0] + GAP + 30, 2 * (CELL[1] + GAP), 3), 255, np.uint8)
    cells = cells + [blank] * (-len(cells) % COLUMNS)
    rows = [
        np.concatenate(cells[start : start + COLUMNS], axis=1)
        for start in range(0, len(cells), COLUMNS)
    ]
    write_image(path, np.concatenate([top, *rows]))


def images_with_issues(
    scan: Scan, issues: Sequence[DataIssue]
) -> list[tuple[int, str]]:
    """Selects images to show: indices and reasons, the most severe issues first."""
    chosen: dict[int, str] = {}
    for issue in issues:
        readable = [p for p in issue.indices if scan.pairs[p].image]
        for index in readable[:IMAGES_PER_ISSUE]:
            chosen.setdefault(index, f"{issue.severity}, {issue.kind}")
    return list(chosen.items())[:MAX_IMAGES]


def thumbnail(scan: FolderScan, index: int, text: str, info: ModelInfo) -> np.ndarray:
    """Draws an image and its mask side by side, with the issue as title."""
    pair = scan.pairs[index]
    image, ids = scan.read(pair)
    return titled_pair(pair.name, text, image, painted(ids, info))


def titled_pair(
    name: str, text: str, image: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Two views of an image side by side, with `text` and its name as title."""
    name = name.rpartition("/")[2][-24:]
    head = title(f"{text}: {name}", (0, 2 * CELL[1] + GAP))
    views = [to_cell(view, CELL) for view in (image, labels)]
    return np.concatenate([head, np.concatenate(views, axis=1)])


def painted(ids: np.ndarray, info: ModelInfo) -> np.ndarray:
    """Colours ids (h, w) int: void is white, ids outside the classes are magenta."""
    view = color_table(info)[np.clip(ids, 0, 255)]
    view[ids == IGNORE_INDEX] = VOID
    view[ids == INVALID] = OUTSIDE
    return view


# --- charts ---


def charts(scan: Scan, left: Chart, right: Chart) -> np.ndarray:
    """Draws two charts of a scan side by side: (height, WIDTH, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = min(MAX_CLASSES, len(scan.class_names))
    height = round(DPI * max(3.2, 0.9 + 0.24 * classes))
    figure = Figure((WIDTH / DPI, height / DPI), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, width_ratios=(3, 2))
    left(axes[0], scan)
    right(axes[1], scan)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3]
    result = np.full((drawn.shape[0], WIDTH, 3), 255, np.uint8)
    result[:, : drawn.shape[1]] = drawn[:, :WIDTH]  # rounding may differ by a pixel
    return result


def class_chart(axes: Any, scan: FolderScan) -> None:
    """Draws the share of each class in the labelled pixels of each split."""
    pixels = {split: scan.counts(split)[:, :-1].sum(0) for split in scan.splits}
    axes.set(xlabel="share of the labelled pixels", xscale="log", xlim=(1e-5, 1))
    share_bars(axes, scan, pixels)


def share_bars(axes: Any, scan: Scan, counted: dict[str, np.ndarray]) -> None:
    """Draws the share of each class, the rarest ones; `counted` are (C,) by split."""
    total = sum(counted.values(), np.zeros(len(scan.class_names), np.int64))
    order = np.argsort(-total, kind="stable")[-MAX_CLASSES:]
    positions = np.arange(len(order))[::-1]
    thick = 0.8 / max(1, len(counted))
    for number, (split, counts) in enumerate(counted.items()):
        share = counts[order] / max(1, counts.sum())
        axes.barh(positions + 0.4 - thick * (number + 0.5), share, thick, label=split)
    names = chart_names(scan.class_names, MAX_LETTERS)
    axes.set_yticks(positions, [names[index] for index in order], fontsize=8)
    use_fonts(axes.get_yticklabels(), names)
    axes.grid(axis="x", alpha=0.3)
    if counted:
        axes.legend(fontsize=8)


def size_chart(axes: Any, scan: Scan) -> None:
    """Draws widths and heights of the images; larger dots stand for more images."""
    for split in scan.splits:
        found = size_counts(scan.of(split))
        if found:
            (heights, widths), counts = np.array(list(found)).T, list(found.values())
            areas = 20 + 180 * np.array(counts) / sum(counts)
            axes.scatter(widths, heights, areas, alpha=0.5, label=split)
    axes.set(xlabel="width", ylabel="height", title="image sizes in pixels")
    axes.set(xlim=(0, axes.get_xlim()[1] * 1.2), ylim=(0, axes.get_ylim()[1] * 1.2))
    axes.grid(alpha=0.3)
    if axes.collections:
        axes.legend(fontsize=8, loc="lower right", markerscale=0.5)


# --- augmentation ---


def augmentation_sheet(path: Path, config: TrainConfig, data: Dataset) -> None:
    """Draws training images and their augmented crops in the first epochs.

    Each row shows an image with its mask, and its crops of EPOCHS epochs as the network
    receives them. Void is white.
    """
    size = config.size or data.default_crop(config.max_side)
    chosen = evenly_spaced(len(data.split("train").sizes), ROWS)
    rows = [
        [overlaid(*pair, data.info) for pair in pairs]
        for pairs in augmented(config, data, size, chosen)
    ]
    write_crops(path, rows, [data.split("train").names[k] for k in chosen], size, data)


def write_crops(
    path: Path,
    rows: Sequence[Sequence[np.ndarray]],
    names: Sequence[str],
    size: tuple[int, int],
    data: Dataset,
) -> None:
    """Writes rows of an image and its crops of `size`, with the classes below."""
    cell = fit_within(size, CROP_CELL)
    titles = ["original", *(f"epoch {e + 1}" for e in range(EPOCHS))]
    head = np.concatenate([title(text, cell) for text in titles], axis=1)
    body = [
        np.concatenate([to_cell(view, cell) for view in views], axis=1)
        for views in rows
    ]
    for strip, name in zip(body, names, strict=True):
        first = np.ascontiguousarray(strip[: cell[0], : cell[1]])
        strip[: cell[0], : cell[1]] = caption(first, name)
    write_image(path, with_names(np.concatenate([head, *body]), data.info))


def augmented(
    config: TrainConfig, data: Dataset, size: tuple[int, int], chosen: Sequence[int]
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Lists each chosen training sample followed by its augmentations of each epoch.

    They equal those of `training_batches`: image (h, w, C) and mask (h, w) uint8.
    """
    import tensorflow as tf

    from kseg.data.loading.batches import augment_sample
    from kseg.data.loading.pasting import new_paster
    from kseg.data.loading.reader import CachedReader

    split = data.split("train")
    reader = CachedReader(split, config.max_side)
    paster = new_paster(config, data, reader)
    augment = augment_sample(config, size, 0, paster=paster)
    result = [[reader.read(index)] for index in chosen]
    for row, numbers in zip(
        result, sample_numbers(len(split.sizes), config.seed, chosen), strict=True
    ):
        for number in numbers:
            pair = tuple(map(tf.constant, row[0]))
            image, mask = augment(tf.constant(number, tf.int64), pair)[:2]
            row.append((np.rint(image).astype(np.uint8), mask.numpy()))
    return result


def sample_numbers(count: int, seed: int, chosen: Sequence[int]) -> list[list[int]]:
    """For each chosen training image, its number among the samples of each epoch."""
    import tensorflow as tf

    from kseg.data.loading.batches import sample_index

    result: list[list[int]] = [[] for _ in chosen]
    for epoch in range(EPOCHS):
        numbers = tf.range(epoch * count, (epoch + 1) * count, dtype=tf.int64)
        order = tf.map_fn(lambda k: sample_index(k, count, seed), numbers).numpy()
        for row, index in zip(result, chosen, strict=True):
            row.append(epoch * count + int(np.flatnonzero(order == index)[0]))
    return result


def overlaid(image: np.ndarray, mask: np.ndarray, info: ModelInfo) -> np.ndarray:
    """Draws a mask over an image (H, W, C) uint8; void is pale."""
    rgb = np.ascontiguousarray(with_channels(image, 3))
    view = blend(rgb, mask, info, opacity=0.4)
    pale = cv2.addWeighted(rgb, 0.3, np.full_like(rgb, 255), 0.7, 0)
    return np.where((mask == IGNORE_INDEX)[..., None], pale, view)
