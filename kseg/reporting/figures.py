"""Pictures of a run: sheets of samples, curves, confusion matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Sequence

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.files import atomic_write
from edge.core.images import with_channels, write_image
from edge.display.colors import colored
from edge.display.draw import blend, caption, legend
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.resizing import fit_within, resize
from kseg.core.progress import evenly_spaced
from kseg.data.sample import Sample, Split
from kseg.evaluation.result_transforms import ResultTransform, unchanged

CELL = (240, 320)  # at most
SAMPLES = 6
COLUMNS = 5  # of the gallery
LETTERS = 24  # of a class's name beside a chart
GAP = 6


def sample_sheet(
    path: Path, predictor: Predictor, split: Split, shown: ResultTransform = unchanged
) -> None:
    """Rows of image, truth and prediction, from images spread over the split.

    `shown` makes of a result what is drawn.
    """
    chosen = evenly_spaced(len(split.sizes), SAMPLES)
    sizes = [fit_within(split.sizes[index], CELL) for index in chosen]
    cell = max(h for h, _ in sizes), max(w for _, w in sizes)
    rows = [row(predictor, cell, split.read(index), shown) for index in chosen]
    titles = [
        title(text, cell) for text in ("image", "truth (white: void)", "prediction")
    ]
    sheet = np.concatenate([np.concatenate(titles, axis=1), *rows])
    write_image(path, with_names(sheet, predictor.info))


def row(
    predictor: Predictor, cell: tuple[int, int], sample: Sample, shown: ResultTransform
) -> np.ndarray:
    info, mask = predictor.info, sample.target
    labels = shown(sample, predictor.predict(sample.image)).labels
    rgb = with_channels(sample.image, 3)
    truth = colored(mask, info)
    truth[mask == IGNORE_INDEX] = 255
    views = (rgb, truth, blend(rgb, labels, info, opacity=0.6))
    return np.concatenate([to_cell(view, cell) for view in views], axis=1)


def to_cell(image: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """A picture, fitted into a white cell; small ones are enlarged pixel by pixel."""
    size = fit_within(image.shape[:2], cell)
    if size > image.shape[:2]:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST)
    canvas = np.full((cell[0] + GAP, cell[1] + GAP, 3), 255, np.uint8)
    canvas[: size[0], : size[1]] = resize(image, size)
    return canvas


def title(text: str, cell: tuple[int, int]) -> np.ndarray:
    return caption(np.full((30, cell[1] + GAP, 3), 90, np.uint8), text)


def with_names(sheet: np.ndarray, info: ModelInfo) -> np.ndarray:
    """The sheet with the classes' names in a column to its right."""
    panel = np.full((sheet.shape[0], 160, 3), 120, np.uint8)
    bgr = legend(panel, info, range(len(info.names)))
    return np.concatenate([sheet, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)], axis=1)


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure that needs no display, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def save_figure(figure: Any, path: Path) -> None:
    with atomic_write(path) as part:
        figure.savefig(part, dpi=110)


def curves(
    path: Path, history: Sequence[dict[str, float]], headline: str = "mean_iou"
) -> None:
    """Headline and loss by epoch, of training crops and of validation images."""
    figure, both = new_figure(9, 3.6, columns=2)
    for axes, name in zip(both, (headline, "loss"), strict=True):
        draw_curve(axes, history, name)
    save_figure(figure, path)


def draw_curve(axes: Any, history: Sequence[dict[str, float]], name: str) -> None:
    """One column of the history by epoch, of training and of validation if it is."""
    epochs = [line["epoch"] for line in history]
    for prefix, where in (("", "training crops"), ("val_", "validation")):
        if prefix + name in history[0]:
            values = [line[prefix + name] for line in history]
            axes.plot(epochs, values, marker=".", label=where)
    title = name.replace("_", " ").replace("iou", "IoU")
    axes.set(xlabel="epoch", title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if len(axes.lines) > 1:
        axes.legend()


def gains(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Mean IoU and boundary IoU of each network, a pair of bars."""
    figure, axes = new_figure(8, 1.2 + 0.42 * len(rows))
    places = np.arange(len(rows))[::-1]
    shown = ("mean_iou", "mean IoU", 0.2), ("boundary_iou", "boundary IoU", -0.2)
    for key, label, shift in shown:
        values = [row[key] for row in rows]
        bars = axes.barh(places + shift, values, 0.38, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=8, padding=2)
    axes.set_yticks(places, [row["name"] for row in rows])
    axes.set(xlim=(0, 1.08))
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2)
    save_figure(figure, path)


def gallery(
    path: Path, predictors: dict[str, Callable[[], Predictor]], split: Split
) -> None:
    """One picture: itself, its truth, and what each network makes of it."""
    image, mask = split.read(len(split.sizes) // 2)
    views = {"image": with_channels(image, 3)}
    for name, load in predictors.items():
        predictor = load()
        if "truth" not in views:
            views["truth"] = colored(mask, predictor.info)
            views["truth"][mask == IGNORE_INDEX] = 255
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
    """Shares of each true class that went to each predicted one, rows summing to 1."""
    figure = confusion_figure(matrix, names)
    save_figure(figure, path)


def confusion_figure(matrix: np.ndarray, names: Sequence[str]) -> Any:
    """The picture of `confusion`, not yet written."""
    side = max(4.0, 0.45 * len(names) + 2)
    figure, axes = new_figure(side + 0.5, side)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
    short = [n if len(n) <= LETTERS else n[: LETTERS - 1] + "…" for n in names]
    # A dollar sign in a name is no formula.
    axes.set_xticks(range(len(names)), short, rotation=60, ha="right", parse_math=False)
    axes.set_yticks(range(len(names)), short, parse_math=False)
    axes.set(xlabel="prediction", ylabel="truth")
    if len(names) <= 16:
        for i, j in np.argwhere(shares >= 0.005):
            ink = "black" if shares[i, j] > 0.6 else "white"
            text = f"{shares[i, j]:.2f}"
            axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=7)
    figure.colorbar(image, ax=axes, shrink=0.7)
    return figure
