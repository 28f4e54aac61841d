"""Fixtures for the tests of the formats: small images, and running the command."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.cli.prepare import main
from kseg.data.open import open_data
from kseg.data.sample import Dataset

SIZE = (6, 8)


@pytest.fixture
def save() -> Callable:
    """Saves an array as an image file; by default random pixels seeded by the name."""

    def save(path: Path, array=None, size=SIZE, **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if array is None:
            seed = sum(path.stem.encode())
            array = np.random.RandomState(seed).randint(0, 256, (*size, 3))
        Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)
        return path

    return save


@pytest.fixture
def write() -> Callable:
    """Writes a text file; content that is not a string is written as JSON."""

    def write(path: Path, content) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def prepared(source, target) -> Callable[..., Dataset]:
    """Prepares `source` and opens the result."""

    def prepared(*options: str) -> Dataset:
        main([str(source), str(target), *options])
        return open_data(str(target))

    return prepared


@pytest.fixture
def masks_of(prepared) -> Callable[..., dict[str, list]]:
    """Prepares, and returns the masks of a split by the stems of their images."""

    def masks_of(split: str = "train", *options: str) -> dict[str, list]:
        found = prepared(*options).split(split)
        stems = [Path(name).stem for name in found.names]
        return {stem: found.read(i)[1].tolist() for i, stem in enumerate(stems)}

    return masks_of


@pytest.fixture
def error_message(source, target) -> Callable[..., str]:
    """The one-line message for an invalid export, of which nothing is written."""

    def error_message(*options: str) -> str:
        with pytest.raises(InputError) as caught:
            main([str(source), str(target), *options])
        message = str(caught.value)
        assert "\n" not in message
        assert not target.exists()
        assert not list(target.parent.glob(".*"))
        return message

    return error_message
