"""The fingerprint of a data set, and its typical sizes."""

from collections import Counter

import pytest

from edge.video import scenes
from kseg.core.configs import TrainConfig
from kseg.data import sample
from kseg.data.open import open_data
from kseg.reporting.run_report import write_run_report
from kseg.training.fit import fit
from tests.kseg.conftest import write_pair

SIZE = (32, 40)


@pytest.fixture
def folder(tmp_path):
    for seed, split in enumerate(("train", "val")):
        for index in range(2):
            pair = scenes.scene(seed, index, SIZE)
            write_pair(tmp_path / "data" / split, f"s{index}", *pair)
    return tmp_path / "data"


def test_files_are_hashed_once_per_run_and_report(folder, tmp_path, monkeypatch):
    hashed = Counter()
    digest = sample.digest

    def counted(path):
        hashed[path] += 1
        return digest(path)

    monkeypatch.setattr(sample, "digest", counted)
    data, run = open_data(str(folder)), tmp_path / "run"
    config = TrainConfig(
        data=str(folder), model="dense", width=2, epochs=1, batch_size=2
    )
    fit(config, data, run)
    write_run_report(data, run)
    files = [path for split in data.splits.values() for path in split.files]
    assert hashed == Counter(files)
    assert len(files) == 8


def test_sizes_are_limited_like_the_images(folder):
    data = open_data(str(folder))
    assert data.typical_size(1024) == SIZE
    assert data.typical_size(20) == (16, 20)
    assert data.default_crop(1024) == (32, 32)
