"""What the tests of both packages share."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.environments import python_with

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and data sets beside the project."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it holds the models that this test runs")
    return folder


@pytest.fixture(scope="session")
def deeplab(shared) -> Path:
    """A model nobody here made: uint8 [1, 513, 513, 3] -> int64 [1, 513, 513]."""
    return shared / "models" / "deeplabv3_mnv2_dm05_pascal_quant.tflite"


@pytest.fixture(scope="session")
def bird(shared) -> Path:
    """A picture of a bird, 513x513."""
    return shared / "models" / "bird_segmentation.bmp"


@pytest.fixture(scope="session")
def bird_mask(shared) -> Path:
    """Its ids, 513x513: 3 is bird."""
    return shared / "models" / "bird_segmentation_mask.bmp"


def pytest_configure() -> None:
    """What models came to on this machine before must not decide a test."""
    os.environ["KSEG_CACHE"] = tempfile.mkdtemp(prefix="kseg-tests-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ.pop("KSEG_CACHE"), ignore_errors=True)


@pytest.fixture(scope="session")
def tflite_runtime() -> Path:
    """The Python of an environment with tflite-runtime 2.14."""
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14, its last, is for Python up to 3.11")
    requirements = ROOT / "edge" / "requirements-tflite-runtime.txt"
    return python_with("tflite-runtime", requirements.read_text())
