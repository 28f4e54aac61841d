import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from importlib import metadata
from typing import get_type_hints

import pytest

from edge.video import scenes
from kseg.cli.parser import parse, parse_given
from kseg.core.configs import TrainConfig
from kseg.core.options import Names, Scales, Share, Size, Strides
from kseg.core.provenance import command_line, describe_devices, machine, versions
from kseg.core.runs import recorded_config
from kseg.core.task_defaults import for_task
from kseg.data.open import open_data

SHOW = "from kseg.core import provenance; print(provenance.describe_devices())"
DOC = "About it.\n\n  kseg train\n"


def parsed(line: str) -> TrainConfig:
    words = shlex.split(line)
    assert words[:2] == ["kseg", "train"]
    return parse(TrainConfig, "kseg train", DOC, words[2:])


def another(field):
    """A value of the field's kind that is not its default."""
    if isinstance(field.default, bool):
        return not field.default
    if isinstance(field.default, int):
        return field.default + 3
    if isinstance(field.default, float):
        return 0.125
    if "choices" in field.metadata:
        return field.metadata["choices"][1]
    kinds = {Size | None: (64, 96), int | None: 4, float | None: 0.5, Strides: (4, 8)}
    kinds[Share | None] = 0.5
    kinds |= {Names: ("a", "it's"), Scales: (0.75, 1.0)}
    return kinds.get(get_type_hints(TrainConfig)[field.name], "it's a name")


@pytest.mark.parametrize("field", fields(TrainConfig), ids=lambda field: field.name)
def test_the_command_gives_the_run_again(field):
    config = replace(TrainConfig(data="my photos"), **{field.name: another(field)})
    started = {"resume": False, "overwrite": False, "json": ""}
    assert parsed(command_line(config)) == replace(config, **started)


def test_the_command_has_what_is_no_default_of_the_task():
    config = for_task(TrainConfig(), set(), "instance")
    assert "--batch-size 8" in command_line(replace(config, batch_size=8))


def test_the_command_of_an_older_run_has_what_that_version_did():
    line = command_line(recorded_config({"config": {"loss": "ohem"}}))
    again = parse(TrainConfig, "kseg train", "", shlex.split(line)[2:])
    assert (again.hard_probability, again.hard_share) == (0.0, 0.25)
    assert "hard" not in command_line(recorded_config({"config": {"loss": "ce"}}))


def test_the_command_of_an_older_run_has_the_former_learning_rate():
    options = {"task": "semantic", "encoder": "mobilenetv2", "weights": "imagenet"}
    ran = recorded_config({"config": options})  # its rate was not recorded
    again, given = parse_given(
        TrainConfig, "kseg train", "", shlex.split(command_line(ran))[2:]
    )
    again = for_task(again, given, "semantic")
    assert (again.peak_rate, again.encoder_rate) == (1e-3, 1.0)
    assert again.schedule == "cosine"


def test_the_fingerprint_is_of_contents_not_of_places(data_folder, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(data_folder, copy)
    before = open_data(str(data_folder)).fingerprint
    assert len(before) == 16 and int(before, 16)
    assert open_data(str(copy)).fingerprint == before


def test_the_devices_are_described(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert describe_devices() in ("CPU, oneDNN off", "tensorflow, 1 GPU")


@pytest.mark.slow
def test_the_devices_are_those_of_the_backend():
    pytest.importorskip("jax")
    shown = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.splitlines()[-1] == "jax, CPU"


def swap(one, other):
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def rename_class(folder):
    path = folder / "classes.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace("disc", "disk"), encoding="utf-8"
    )


CHANGES = {
    "two masks swapped": lambda folder: swap(
        folder / "train/masks/s0.png", folder / "train/masks/s1.png"
    ),
    "an image less": lambda folder: (folder / "val/images/s3.png").unlink(),
    "a picture in another split": lambda folder: [
        (folder / "train" / kind / "s15.png").rename(folder / "val" / kind / "s15.png")
        for kind in ("images", "masks")
    ],
    "a class of another name": rename_class,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_fingerprint_sees(change, data_folder, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(data_folder, folder)
    before = open_data(str(folder)).fingerprint
    change(folder)
    assert open_data(str(folder)).fingerprint != before


def test_procedural_scenes_have_one_too():
    assert open_data("shapes").fingerprint == open_data("shapes").fingerprint
    assert scenes.CLASSES  # the scenes are the package's own


def test_versions_and_machine():
    found = versions()
    assert found["keras"] == metadata.version("keras")
    assert {"kseg", "tensorflow", "numpy", "python", "backend"} <= set(found)
    there = machine()
    assert there["processor"] and there["threads"] >= 1 and "cpu:0" in there["devices"]
