"""Models that come with the project, by name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.app.camera_options import parse
from edge.app.shipped import CHECKOUT, FILE, SHIPPED, installed_folders, shipped_model
from edge.core.errors import InputError
from edge.core.images import write_image

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "files" / "old_run" / FILE
MOST_BYTES = 3_000_000


def test_the_first_folder_that_has_the_file_counts(tmp_path):
    for folder in ("a", "b"):
        path = tmp_path / folder / "nuclei" / FILE
        path.parent.mkdir(parents=True)
        path.touch()
    folders = [tmp_path / "none", tmp_path / "b", tmp_path / "a"]
    assert shipped_model("nuclei", folders) == tmp_path / "b" / "nuclei" / FILE


def test_an_unknown_name_lists_those_that_there_are(tmp_path):
    with pytest.raises(InputError, match="--model cells: is not a shipped model"):
        shipped_model("cells", [tmp_path])
    with pytest.raises(InputError, match=", ".join(SHIPPED)):
        shipped_model("", [tmp_path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError) as error:
        shipped_model("shapes", [tmp_path])
    assert str(tmp_path / "shapes" / FILE) in str(error.value)


def test_a_checkout_is_not_an_installed_package():
    assert CHECKOUT == ROOT / "saved_models"
    assert CHECKOUT not in installed_folders()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_are_small(name):
    path = CHECKOUT / name / FILE
    assert not path.exists() or path.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("words", [[], ["a.tflite", "--model", "nuclei"]])
def test_one_model_is_needed(words):
    with pytest.raises(InputError, match="give a model file, or --model with the name"):
        parse(words, "camera_demo.py", None)


def test_a_folder_of_images_by_the_name_of_the_model(tmp_path):
    """A copy of edge/ with a small model beside it, as in a checkout."""
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "edge", tmp_path / "edge", ignore=leave_out)
    (tmp_path / "saved_models" / "shapes").mkdir(parents=True)
    shutil.copy(TINY, tmp_path / "saved_models" / "shapes")
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "a.png"):
        write_image(tmp_path / "photos" / name, np.full((40, 50, 3), 90, np.uint8))
    command = [sys.executable, "edge/camera_demo.py", "--model", "shapes"]
    command += ["--source", "photos", "--headless", "--stats", "stats.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stats = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert stats["frames"] == 2
