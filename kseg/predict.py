"""Segments pictures: a mask and an overlay for each.

    python -m kseg.predict saved_models/RUN photo.jpg folder/ --output predictions

Masks are index PNGs with the classes' colours as palette: masks/NAME.png holds class
ids, ready to be corrected and trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
from PIL import Image

from edge.command import BadInput, make_folder, run, say
from edge.images import list_images, read_image, with_channels, write_image
from edge.metadata import ModelInfo
from edge.overlay import blend, color_table
from kseg import backend, runs
from kseg.config import PredictConfig, parse
from kseg.progress import bar


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(PredictConfig, __doc__, argv)
    paths = list_pictures(config.images)
    path, _ = runs.locate(config.model)
    if path.suffix == ".keras":
        backend.start()
    segmenter = runs.open_segmenter(path, config.engine, config.threads)
    info, channels = segmenter.info, segmenter.engine.channels
    output = Path(config.output)
    for name in ("masks", "overlays"):
        make_folder(output / name)
    shares: dict[str, dict[str, float]] = {}
    for picture in bar(paths, "segmenting"):
        image = read_image(picture, channels, info.white)
        try:
            labels = segmenter.predict(image)
        except BadInput as error:
            raise BadInput(f"{picture}: {error}") from None
        write_mask(output / "masks" / f"{picture.stem}.png", labels, info)
        view = blend(with_channels(image, 3), labels, info)
        write_image(output / "overlays" / f"{picture.stem}.jpg", view)
        shares[str(picture)] = class_shares(labels, info)
    say(f"{len(paths)} pictures: masks and overlays are in {output}")
    if config.json != "-":
        for name, classes in shares.items():
            print(f"{name}: " + ", ".join(f"{c} {s:.1%}" for c, s in classes.items()))
    runs.write_result(config.json, shares)


def list_pictures(given: Sequence[str]) -> list[Path]:
    """Files and the pictures of folders. Raises BadInput where two would collide."""
    paths: list[Path] = []
    for name in given:
        path = Path(name)
        if not path.exists():
            raise BadInput(f"{name}: no such picture or folder")
        found = list_images(path) if path.is_dir() else [path]
        if not found:
            raise BadInput(f"{name}: the folder has no pictures")
        paths += found
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise BadInput(
                f"{path} and {stems[path.stem]} would both become {path.stem}.png; "
                "predict them in two calls with two --output"
            )
        stems[path.stem] = path
    return paths


def write_mask(path: Path, labels: np.ndarray, info: ModelInfo) -> None:
    """Class ids as a palette PNG, whole or not at all."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(color_table(info).ravel().tolist())
    part = path.with_name(f".{path.stem}.part.png")
    image.save(part)
    part.replace(path)


def class_shares(labels: np.ndarray, info: ModelInfo) -> dict[str, Any]:
    """Share of the picture of each class that occurs, the largest first."""
    counts = np.bincount(labels.ravel(), minlength=1)
    order = [int(i) for i in np.argsort(-counts) if counts[i]]
    return {info.names[i]: round(counts[i] / labels.size, 5) for i in order}


if __name__ == "__main__":
    run("kseg.predict", main)
