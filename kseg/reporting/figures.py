"""Figures of a run: sample sheets, curves, confusion matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Sequence

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.files import atomic_write
from edge.core.images import with_channels, write_image
from edge.display.colors import colored
from edge.display.draw import caption, legend
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.resizing import fit_within, resize
from kseg.core.progress import evenly_spaced
from kseg.data.sample import Sample, Split
from kseg.evaluation.result_transforms import ResultTransform, unchanged
from kseg.reporting.chart_names import chart_names, use_fonts

CELL = (240, 320)  # largest height and width of an image in a sheet
SAMPLES = 6
COLUMNS = 5  # of the gallery
MAX_LETTERS = 24  # of a class name at a chart
GAP = 6  # pixels between images
RATE = "learning_rate"  # its column of history.csv
SPELLINGS = {"iou": "IoU", "ap": "AP"}  # of words in the names of metrics


def sample_sheet(
    path: Path,
    predictor: Predictor,
    split: Split,
    transform: ResultTransform = unchanged,
) -> None:
    """Draws rows of image, ground truth and prediction.

    The images are evenly spaced over the split. `transform` changes each result before
    it is drawn.
    """
    chosen = evenly_spaced(len(split.sizes), SAMPLES)
    sizes = [fit_within(split.sizes[index], CELL) for index in chosen]
    cell = max(h for h, _ in sizes), max(w for _, w in sizes)
    rows = [
        sample_row(predictor, cell, split.read(index), transform) for index in chosen
    ]
    texts = ("image", "ground truth (white: void)", "prediction")
    titles = [title(text, cell) for text in texts]
    sheet = np.concatenate([np.concatenate(titles, axis=1), *rows])
    write_image(path, with_names(sheet, predictor.info))


def sample_row(
    predictor: Predictor,
    cell: tuple[int, int],
    sample: Sample,
    transform: ResultTransform,
) -> np.ndarray:
    """Draws a row of a sample sheet: both labels in the plain colours of the legend.

    Void is white in the ground truth.
    """
    info, mask = predictor.info, sample.target
    labels = transform(sample, predictor.predict(sample.image)).labels
    rgb = with_channels(sample.image, 3)
    target = colored(mask, info)
    target[mask == IGNORE_INDEX] = 255
    views = (rgb, target, colored(labels, info))
    return np.concatenate([to_cell(view, cell) for view in views], axis=1)


def to_cell(image: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Fits an image into a white cell. Small images are enlarged without smoothing."""
    size = fit_within(image.shape[:2], cell)
    if size > image.shape[:2]:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST)
    canvas = np.full((cell[0] + GAP, cell[1] + GAP, 3), 255, np.uint8)
    canvas[: size[0], : size[1]] = resize(image, size)
    return canvas


def title(text: str, cell: tuple[int, int]) -> np.ndarray:
    """Draws a heading as wide as a cell."""
    return caption(np.full((30, cell[1] + GAP, 3), 90, np.uint8), text)


def with_names(sheet: np.ndarray, info: ModelInfo) -> np.ndarray:
    """Adds a column with the class names at the right of a sheet."""
    panel = np.full((sheet.shape[0], 160, 3), 120, np.uint8)
    bgr = legend(panel, info, range(len(info.class_names)))
    return np.concatenate([sheet, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)], axis=1)


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """Makes a matplotlib figure that needs no display, and its axes."""
    figure = empty_figure(width, height)
    return figure, figure.subplots(1, columns)


def empty_figure(width: float, height: float) -> Any:
    """Makes a matplotlib figure without axes."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path) -> None:
    """Writes a figure atomically."""
    with atomic_write(path) as part:
        figure.savefig(part, dpi=110)


def curves(
    path: Path, history: Sequence[dict[str, float]], headline: str = "mean_iou"
) -> None:
    """Draws the headline metric and the loss by epoch, for training and validation."""
    figure, both = new_figure(9, 3.6, columns=2)
    for axes, name in zip(both, (headline, "loss"), strict=True):
        draw_curve(axes, history, name)
    save_figure(figure, path)


def draw_curve(axes: Any, history: Sequence[dict[str, float]], name: str) -> None:
    """Draws one column of the history by epoch, with its validation values if any."""
    epochs = np.array([line["epoch"] for line in history])
    kinds = ("", "training crops", "C0"), ("val_", "validation images", "C1")
    for prefix, label, color in kinds:
        if prefix + name in history[0]:
            values = np.array([line[prefix + name] for line in history], float)
            known = np.isfinite(values)  # not every epoch is validated
            places = epochs[known], values[known]
            axes.plot(*places, marker=".", label=label, color=color)
    axes.set(xlabel="epoch", title=display_name(name))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if name != RATE:  # which has nothing to do with images
        axes.legend()


def display_name(column: str) -> str:
    """Formats the name of a metric for people.

    >>> display_name("mean_iou"), display_name("mask_ap")
    ('mean IoU', 'mask AP')
    """
    return " ".join(SPELLINGS.get(word, word) for word in column.split("_"))


def iou_chart(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draws the mean IoU and the boundary IoU of each network as a pair of bars."""
    figure, axes = new_figure(8, 1.2 + 0.42 * len(rows))
    positions = np.arange(len(rows))[::-1]
    metrics = ("mean_iou", "mean IoU", 0.2), ("boundary_iou", "boundary IoU", -0.2)
    for key, label, shift in metrics:
        values = [row[key] for row in rows]
        bars = axes.barh(positions + shift, values, 0.38, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=8, padding=2)
    axes.set_yticks(positions, [row["name"] for row in rows])
    axes.set(xlim=(0, 1.08))
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2)
    save_figure(figure, path)


def gallery(
    path: Path, predictors: dict[str, Callable[[], Predictor]], split: Split
) -> None:
    """Draws one image of a split, its ground truth, and the labels of each network."""
    image, mask = split.read(len(split.sizes) // 2)
    views = {"image": with_channels(image, 3)}
    for name, load in predictors.items():
        predictor = load()
        if "ground truth" not in views:
            target = colored(mask, predictor.info)
            target[mask == IGNORE_INDEX] = 255
            views["ground truth"] = target
        views[name] = colored(predictor.predict(image).labels, predictor.info)
    cell = fit_within(mask.shape, CELL)
    cells = [
        np.concatenate([title(name, cell), to_cell(view, cell)])
        for name, view in views.items()
    ]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
    write_image(path, np.concatenate([np.concatenate(row, axis=1) for row in rows]))


def confusion(path: Path, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Writes the figure of a confusion matrix of counts (C, C), each row in shares."""
    figure = confusion_figure(matrix, names)
    save_figure(figure, path)


def confusion_figure(matrix: np.ndarray, names: Sequence[str]) -> Any:
    """Draws a confusion matrix of counts (C, C) in shares of each true class."""
    side = max(4.0, 0.45 * len(names) + 2)
    figure, axes = new_figure(side + 0.5, side)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
    short = chart_names(names, MAX_LETTERS)
    axes.set_xticks(range(len(names)), short, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), short)
    use_fonts([*axes.get_xticklabels(), *axes.get_yticklabels()], short)
    axes.set(xlabel="prediction", ylabel="ground truth")
    if len(names) <= 16:
        for i, j in np.argwhere(shares >= 0.005):
            ink = "black" if shares[i, j] > 0.6 else "white"
            text = f"{shares[i, j]:.2f}"
            axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=7)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")
    return figure
