"""The package as others get it: built, installed elsewhere, and used from there."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from functools import partial
from pathlib import Path

import pytest

from edge.app.shipped import SHIPPED
from kseg.core.names import __version__
from tests.kseg.conftest import write_data
from tests.support.environments import VARIABLES

ROOT = Path(__file__).resolve().parents[1]
# What is not the project's own, or is made from it.
LEFT_OUT = (".git", ".venv*", "__pycache__", "*.egg-info", ".*_cache", "build", "dist")
BIN = "Scripts" if os.name == "nt" else "bin"
OF_THE_WHEEL = {
    "edge": {"py.typed"},
    "edge/board": set(),  # boards take the folder edge/ of a checkout
    "edge/display/web": {
        *("page.html", "page.css", "page.js", "elements.js", "grid.js", "link.js"),
        *("zones.js", "openapi.json"),
    },
    "kseg": {"py.typed"},
    "kseg/reporting/templates": {
        *("report.html", "drawing.html", "semantic.html", "semantic_summary.html"),
        *("objects.html", "objects_summary.html", "folds.html"),
    },
}
OF_THE_SOURCE = {
    *("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("CITATION.cff", "pyproject.toml", "Makefile", "tests/conftest.py"),
    *("benchmarks/__main__.py", "edge/requirements.txt", "edge/board/kseg.service"),
    *("docs/architecture.md", "tests/files/old_run/int8.tflite"),
}


def run_command(
    *command: object, cwd: Path, env=VARIABLES
) -> subprocess.CompletedProcess:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of the source distribution, and the wheel that is built from it.

    A copy of the project is built: what that leaves behind must not stay in it.
    """
    pytest.importorskip("build", reason="pip install -e '.[dev]'")
    pytest.importorskip("setuptools", "77", reason="pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    # Where the environment has it, setuptools need not be fetched.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    run_command(*command, source, cwd=folder, env=os.environ)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The scripts of an environment with the wheel; other packages are those here."""
    folder = tmp_path_factory.mktemp("away") / "venv"
    venv.create(folder)
    python = folder / BIN / "python"
    (wheel,) = built.glob("kseg-*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    run_command(*pip, "--no-index", "--quiet", wheel, cwd=folder)
    # The packages that kseg needs are those installed here. A .pth file adds the folder
    # alone: the .pth files in it, such as that of a checkout, are not read.
    scheme = "nt" if os.name == "nt" else "posix_prefix"
    own = sysconfig.get_path("purelib", scheme, {"base": folder, "platbase": folder})
    paths = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    text = "".join(f"{path}\n" for path in sorted(paths))
    Path(own, "packages.pth").write_text(text, encoding="utf-8")
    return folder / BIN


@pytest.mark.slow
def test_what_is_in_the_wheel(built):
    (wheel,) = built.glob("kseg-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA")))
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    assert tops == {"kseg", "edge"}
    for folder, files in OF_THE_WHEEL.items():
        inside = {name for name in names if name.rpartition("/")[0] == folder}
        others = {name for name in inside if not name.endswith(".py")}
        assert others == {f"{folder}/{file}" for file in files}
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("kseg", "edge")
        for path in (ROOT / package).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    # The shipped models of the checkout, each with its card.
    shipped = {name.partition("/data/")[2] for name in names if ".data/data/" in name}
    assert shipped == {
        f"share/kseg/saved_models/{path.parent.name}/{path.name}"
        for name in SHIPPED
        for path in (ROOT / "saved_models" / name).glob("*")
        if path.name in ("int8.tflite", "card.md")
    }
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert b"License-Expression: Apache-2.0" in metadata


@pytest.mark.slow
def test_what_is_in_the_source_distribution(built):
    (source,) = built.glob("kseg-*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= OF_THE_SOURCE
    assert not {name for name in names if "__pycache__" in name or ".venv" in name}


@pytest.mark.slow
def test_the_wheel_trains_exports_and_runs_live(installed, tmp_path):
    """Nothing is imported from the checkout."""
    code = "import edge, kseg; print(kseg.__file__, edge.__file__, sep='\\n')"
    done = run_command(installed / "python", "-c", code, cwd=tmp_path)
    for file in done.stdout.split("\n")[:2]:
        assert Path(file).is_relative_to(installed.parent), file

    # As conftest.py does: what this machine remembers of models decides nothing.
    run = partial(run_command, cwd=tmp_path, env={**VARIABLES, "KSEG_CACHE": "cache"})
    kseg = installed / "kseg"
    write_data(tmp_path / "data", {"train": 8, "val": 4}, (32, 32))
    model = ["--model", "dense", "--width", "4", "--size", "32x32", "--batch-size", "4"]
    command = [kseg, "train", "--data", tmp_path / "data", "--epochs", "1", *model]
    run(*command, "--output", "run")
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000  # its templates
    # After an epoch int8 may cost more than 0.02.
    run(kseg, "export", "run", "--max-drop", "1")
    live = [kseg, "live", Path("run", "int8.tflite"), "--source", "shapes"]
    live += ["--headless", "--max-frames", "5", "--stats", "stats.json"]
    run(*live)
    assert '"frames": 5' in (tmp_path / "stats.json").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in text
