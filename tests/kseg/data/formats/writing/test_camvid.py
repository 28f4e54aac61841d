"""Polygons of real masks, read back; docs/improving.md has the figures."""

import numpy as np
import pytest

from edge.predict.results import SemanticMap
from kseg.api import prepare
from kseg.data.formats.writing.export import Export
from kseg.data.formats.writing.formats import CENTRES, WRITTEN
from kseg.data.formats.writing.objects import (
    TOLERANCE,
    Limits,
    objects_of_map,
    written_classes,
)
from kseg.data.objects_file import LabelledImage
from kseg.data.open import open_data

STEP = 5  # every fifth image of val
VOID = 255


def polygons(folder, name: str, data, limits) -> tuple[dict, int]:
    """Writes masks of val as polygons; returns the masks by name, and the points."""
    split, classes = data.split("val"), written_classes(data.info)
    images, truth, points = [], {}, 0
    for index in range(0, len(split.names), STEP):
        mask = split.read(index).target
        found = objects_of_map(SemanticMap(mask), classes.ids, limits).objects
        file = LabelledImage(split.names[index], mask.shape, tuple(found))
        images.append((split.files[index], file))
        points += sum(len(ring) for one in found for ring in one.polygons)
        truth[split.names[index]] = mask
    folder.mkdir()
    WRITTEN[name].write(folder, Export(classes.names, classes.colors, images))
    return truth, points


def mean_iou(truth: dict, folder, names: tuple[str, ...]) -> float:
    """The mean IoU of the prepared masks; what is no polygon there is void here."""
    data, counts = open_data(str(folder)), np.zeros((256, 256), np.int64)
    table = np.full(256, VOID, np.uint8)
    for index, name in enumerate(data.class_names):
        table[index] = names.index(name) if name in names else VOID
    for split in data.splits.values():
        for index, name in enumerate(split.names):
            both = truth[name].astype(int) * 256 + table[split.read(index).target]
            counts += np.bincount(both.ravel(), minlength=65536).reshape(256, 256)
    counts = counts[: len(names)]  # void is not counted
    hits = np.diagonal(counts)
    unions = counts.sum(1) + counts[:, : len(names)].sum(0) - hits
    return float(np.mean(hits / unions))


@pytest.mark.slow
@pytest.mark.parametrize("name", tuple(WRITTEN))
@pytest.mark.parametrize(
    ("tolerance", "area", "least"),
    [(0.0, 0, 0.9999), (0.0, None, 0.99), (TOLERANCE, None, 0.95), (2.0, None, 0.93)],
)
def test_real_masks_come_back(name, tolerance, area, least, shared, tmp_path, capfd):
    data = open_data(str(shared / "data" / "camvid"))
    limits = Limits(tolerance, area, "semantic" in CENTRES.get(name, ()))
    truth, points = polygons(tmp_path / name, name, data, limits)
    prepare(str(tmp_path / name), str(tmp_path / "data"), task="semantic")
    found = mean_iou(truth, tmp_path / "data", data.class_names)
    each = points / len(truth)
    with capfd.disabled():
        what = f"tolerance {tolerance:g}, least area {area}"
        print(f"\n{name}, {what}: mean IoU {found:.4f}, {each:.0f} points an image")
    assert found >= least
