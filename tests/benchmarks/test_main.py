"""The benchmarks as commands: their options and how they are found."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from setuptools import find_namespace_packages

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.ablation import AblationConfig
from benchmarks.architectures import ArchitecturesConfig
from benchmarks.decoding import DecodingConfig
from benchmarks.depthwise import DepthwiseConfig
from benchmarks.drawing import DrawingConfig
from benchmarks.export import ExportBenchmarkConfig
from benchmarks.localize import LocalizeConfig
from benchmarks.object_inference import ObjectInferenceConfig
from benchmarks.objects import ObjectsConfig
from benchmarks.padding import PaddingConfig
from benchmarks.proposals import ProposalsConfig
from benchmarks.resume import ResumeConfig
from benchmarks.sliding import SlidingConfig
from benchmarks.soak import SoakConfig
from benchmarks.sources import SourcesConfig
from benchmarks.step import StepConfig
from benchmarks.training import TrainBenchmarkConfig
from edge.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "architectures": ArchitecturesConfig,
    "objects": ObjectsConfig,
    "ablation": AblationConfig,
    "train": TrainBenchmarkConfig,
    "step": StepConfig,
    "depthwise": DepthwiseConfig,
    "object-inference": ObjectInferenceConfig,
    "sliding": SlidingConfig,
    "resume": ResumeConfig,
    "export": ExportBenchmarkConfig,
    "decoding": DecodingConfig,
    "proposals": ProposalsConfig,
    "drawing": DrawingConfig,
    "localize": LocalizeConfig,
    "soak": SoakConfig,
    "sources": SourcesConfig,
    "padding": PaddingConfig,
}
OPTIONS = {
    "architectures": (
        "--data --models --encoder --weights --epochs --batch-size --size "
        "--calibration-images --output --json"
    ),
    "objects": "--models --encoder --epochs --size --images --output --json",
    "ablation": "--variants --data --seeds --only --output --json",
    "train": (
        "--data --model --encoder --task --strides --auxiliary --boundary --batch-size "
        "--size --steps --rounds --precision --json"
    ),
    "step": "--data --model --encoder --batch-size --size --steps --precision --json",
    "depthwise": "--encoder --size --batch-size --precision --rounds --json",
    "object-inference": "--model --size --threads --images --rounds --python --json",
    "sliding": "--data --rounds --json",
    "resume": "--kills --seed --json",
    "export": "--run --data --calibration-images --json",
    "decoding": "--rounds --json",
    "proposals": "--runs --images --json",
    "drawing": "--objects --frame --rounds --json",
    "localize": "--encoder --size --epochs --batch-size --seed --json",
    "soak": "--frames --minutes --seed --model --max-age --json",
    "sources": "--model --sources --frame --frames --rounds --json",
    "padding": "--run --data --size --json",
    "mediapipe": (
        "--engines --delegate --threads --frames --rounds --headless --json --source "
        "--python --mediapipe-model --compare"
    ),
}


def help_of(name: str, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_shows_the_options_of_each_benchmark(name, capsys):
    lines = help_of(name, capsys).splitlines()
    shown = {line.split()[0] for line in lines if line.startswith("  --")}
    assert shown - {"--config", "--help-all"} == set(OPTIONS[name].split())


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_shows_the_command(name, capsys):
    text = help_of(name, capsys)
    command = "python -m benchmarks" if name == "mediapipe" else "kseg benchmark"
    assert f"\n    {command} {name}" in text


@pytest.mark.parametrize("name", CONFIGS)
def test_each_option_has_a_default(name):
    module = import_module(f"benchmarks.{BENCHMARKS[name].module}")
    config = module.parse(CONFIGS[name], name, module.__doc__, [])
    assert config == CONFIGS[name]()
    fields = {f"--{f.name.replace('_', '-')}" for f in dataclasses.fields(config)}
    assert fields == set(OPTIONS[name].split())


def test_help_lists_the_benchmarks(capsys):
    main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(OPTIONS)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give a benchmark: architectures, objects"),
        (["nothing"], "nothing: no such benchmark; use architectures, objects"),
        (["--data", "d", "train"], "--data: no such benchmark"),
        (["resume", "--batch-size", "4"], "unrecognized arguments: --batch-size 4"),
        (["sliding", "--kills", "4"], "unrecognized arguments: --kills 4"),
        (["train", "--model", "nothing"], "invalid choice: 'nothing'"),
        (["export"], "benchmark export: --run is required; give a run folder"),
    ],
)
def test_usage_errors_are_one_line(argv, message):
    with pytest.raises(InputError) as error:
        main(argv)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_imports_no_heavy_package(name):
    code = (
        "import sys\n"
        "from benchmarks.__main__ import main\n"
        "try:\n"
        f"    main(['{name}', '--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "    sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = started([sys.executable, "-c", code], ROOT, ROOT)
    assert done.returncode == 0, done.stderr


# How they are found


def started(command: list[str], path: Path, folder: Path):
    """Runs a command in `folder` with `path` first on Python's path."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
    )


def test_kseg_benchmark_runs_the_benchmarks_of_the_checkout(tmp_path):
    """In any folder, including one with another package named benchmarks."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__main__.py").write_text(
        "raise SystemExit('wrong')", encoding="utf-8"
    )
    command = [sys.executable, "-m", "kseg.benchmark"]
    done = started([*command, "--help"], ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\n  mediapipe " in done.stdout
    done = started([*command, "sliding", "--kills", "1"], ROOT, tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "kseg benchmark: unrecognized arguments: --kills 1 "
        "(see kseg benchmark sliding --help)\n"
    )


def test_without_a_checkout_the_error_says_where_they_are(tmp_path):
    for package in ("kseg", "edge"):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=unwanted)
    for command in ("kseg.benchmark", "kseg"):
        words = ["benchmark"] if command == "kseg" else []
        arguments = [sys.executable, "-m", command, *words, "sliding"]
        done = started(arguments, tmp_path, tmp_path)
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith("kseg benchmark: the benchmarks are in a checkout")


def test_benchmarks_are_not_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    include = settings["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = set(find_namespace_packages(str(ROOT), include=include))
    assert {"kseg", "kseg.cli", "edge", "edge.app", "edge.display.web"} <= packages
    assert {name.partition(".")[0] for name in packages} == {"kseg", "edge"}
