"""The fingerprint of a data set, and its typical sizes."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from edge.video import scenes
from kseg.core.configs import TrainConfig
from kseg.data import sample
from kseg.data.open import open_data
from kseg.data.sample import with_white_level
from kseg.reporting.run_report import write_run_report
from kseg.training.fit import fit
from tests.kseg.conftest import write_pair

SIZE = (32, 40)


def write_16_bits(folder):
    (folder / "test" / "images").mkdir(parents=True)
    image = np.zeros((8, 8), np.uint16)
    image[2:6] = 1000
    Image.fromarray(image).save(folder / "test" / "images" / "a.png")
    return (image > 0).astype(np.uint8)


def write_pairs_of_16_bits(folder):
    mask = write_16_bits(folder)
    (folder / "test" / "masks").mkdir()
    Image.fromarray(mask).save(folder / "test" / "masks" / "a.png")


def objects_of_16_bits(folder):
    instances = write_16_bits(folder)
    (folder / "test" / "instances").mkdir()
    Image.fromarray(instances).save(folder / "test" / "instances" / "a.png")


@pytest.fixture
def folder(tmp_path):
    for seed, split in enumerate(("train", "val")):
        for index in range(2):
            pair = scenes.scene(seed, index, SIZE)
            write_pair(tmp_path / "data" / split, f"s{index}", *pair)
    return tmp_path / "data"


@pytest.mark.slow
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


@pytest.mark.parametrize("layout", [write_pairs_of_16_bits, objects_of_16_bits])
def test_images_of_16_bits_are_as_bright_as_those_of_training(tmp_path, layout):
    """A test split alone, whose brightest pixel is 1000: white is 1023, not 4095."""
    layout(tmp_path)
    data = open_data(str(tmp_path), task="semantic")
    assert data.white_level == 1023
    seen = with_white_level(data, 4095)
    assert seen.white_level == 4095
    brightest = [each.split("test").read(0).image.max() for each in (data, seen)]
    assert brightest == [249, 62]  # 1000 / 1023 * 255, 1000 / 4095 * 255
