"""Variants of a training: their file, their runs and their table."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks.ablation import (
    AblationConfig,
    check_runs,
    check_same,
    choose,
    main,
    read_variants,
    table,
    trained,
    training,
    with_differences,
)
from edge.core.errors import InputError
from kseg.core.configs import to_record
from kseg.core.results import Run
from kseg.core.runs import CHECKPOINT, CONFIG
from kseg.data.open import open_data
from kseg.training.checkpoint import STATE, TrainingState
from kseg.training.fit import fit

ROOT = Path(__file__).resolve().parents[2]
FILE = """
[train]
epochs = 1
size = "32x32"
learning-rate = 0.01

[variants.dice]
loss = "ce+dice"

[variants.wide]
width = 8
epochs = 2
"""


def write(folder, text=FILE):
    path = folder / "variants.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_variant_has_the_common_options_too(tmp_path):
    variants = read_variants(write(tmp_path))
    common = {"epochs": 1, "size": (32, 32), "learning_rate": 0.01}
    assert variants == {
        "base": common,
        "dice": {**common, "loss": "ce+dice"},
        "wide": {**common, "width": 8, "epochs": 2},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepochs = 1\n", r"has no \[variants.NAME\]; add one"),
        ("[variant.a]\nepochs = 1\n", r"'variant' is not .*variants"),
        ("[variants.a]\nepoch = 1\n", r"\[variants.a\] 'epoch' is not .*epochs"),
        ("[variants.a]\nepochs = 'x'\n", r"\[variants.a\] epochs: 'x' is not"),
        ("[variants.a]\nseed = 1\n", r"\[variants.a\] seed: is set by the comparison"),
        ("[variants.base]\nepochs = 1\n", r"variants.base: write a table"),
        ("[variants]\na = 1\n", r"variants.a: write a table"),
        ('[variants."a/b"]\nepochs = 1\n', r"variants.a/b: write a table"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_variants(write(tmp_path, text))


def test_some_variants_are_chosen(tmp_path):
    variants = read_variants(write(tmp_path))
    assert choose(variants, ("wide", "base"), "f") == ["base", "wide"]
    with pytest.raises(InputError, match="--only wid: f has no such variant.*wide"):
        choose(variants, ("wid",), "f")


def write_run(config, **facts):
    """Leaves the config.json of a training of `config`."""
    config.run_folder.mkdir(parents=True)
    record = {"config": to_record(config), "data": facts}
    (config.run_folder / CONFIG).write_text(json.dumps(record), encoding="utf-8")


def test_a_run_with_other_options_is_refused(tmp_path):
    config = AblationConfig(variants="f", data="shapes")
    options = {"epochs": 1, "width": 8, "size": (32, 32)}
    plain = training(config, options, tmp_path / "a" / "seed1", 1)
    assert plain.seed == 1 and plain.run_folder == tmp_path / "a" / "seed1"
    check_same(plain)  # nothing is there
    write_run(plain, fingerprint=open_data("shapes").fingerprint)
    check_same(plain)
    check_same(replace(plain, size=None))
    for changed, message in {
        replace(plain, width=16): "was trained with --width 8, not 16; remove",
        replace(plain, size=(64, 64)): "was trained with --size .*32.*, not .*64",
    }.items():
        with pytest.raises(InputError, match=message):
            check_same(changed)


def test_a_run_of_other_data_is_refused(tmp_path, data_folder):
    config = AblationConfig(data=str(data_folder))
    plain = training(config, {"epochs": 1}, tmp_path / "a" / "seed0", 0)
    write_run(plain, fingerprint=open_data("shapes").fingerprint)
    with pytest.raises(InputError, match="a.seed0: was trained on other images or la"):
        check_same(plain)


def test_all_runs_of_the_table_are_checked(tmp_path):
    config = AblationConfig(data="shapes", seeds=1, only=("base",))
    variants = {"base": {"epochs": 1}, "wide": {"epochs": 1, "width": 8}}
    facts = {"fingerprint": open_data("shapes").fingerprint}
    write_run(training(config, variants["base"], tmp_path / "base/seed0", 0), **facts)
    check_runs(config, variants, tmp_path)
    write_run(
        training(config, {"epochs": 2, "width": 8}, tmp_path / "wide/seed1", 1), **facts
    )
    with pytest.raises(InputError, match="wide.seed1: was trained with --epochs 2"):
        check_runs(config, variants, tmp_path)


def test_a_variant_may_set_what_is_the_default_of_masks(tmp_path):
    options = {"task": "instance", "batch_size": 8}
    config = training(AblationConfig(data="shapes"), options, tmp_path / "seed0", 0)
    state = TrainingState({"config": to_record(replace(config, batch_size=16))})
    config.run_folder.mkdir()
    content = np.frombuffer(json.dumps(asdict(state)).encode(), np.uint8)
    np.savez(config.run_folder / CHECKPOINT, **{STATE: content})
    with pytest.raises(InputError, match="--batch-size 8: the resumed .* with 16"):
        trained(config)


class AtOnce(keras.callbacks.Callback):
    """Ends a training, as Ctrl-C does."""

    def __init__(self, saver):
        super().__init__()
        self.saver = saver

    def on_train_batch_end(self, batch, logs=None):
        self.saver.stop()


@pytest.mark.slow
def test_a_training_that_was_stopped_is_continued(data_folder, tmp_path, caplog):
    options = {"model": "dense", "width": 2, "size": (32, 32), "epochs": 2}
    config = AblationConfig(data=str(data_folder))
    config = training(config, options, tmp_path / "base" / "seed0", 0)
    data, folder = open_data(config.data), config.run_folder
    assert fit(config, data, folder, watch=lambda saver: [AtOnce(saver)])
    with caplog.at_level("INFO"):
        trained(config)
    assert "resuming from the checkpoint of step" in caplog.text
    assert [row["epoch"] for row in Run.open(folder).history] == [1, 2]


def test_differences_are_of_the_same_seeds():
    rows = [
        {"name": "base", "values": {"seed0": 0.5, "seed1": 0.75}},
        {"name": "more", "values": {"seed1": 0.875, "seed2": 0.25}},
        {"name": "none", "values": {"seed0": None}},
    ]
    found = [row["difference"] for row in with_differences(rows)]
    assert found == [0.0, 0.125, None]


def test_the_table_has_a_row_for_each_variant():
    row = {"headline": "mean_iou", "epoch_seconds": 2.0, "std": None, "mean": 0.5}
    rows = [
        {**row, "name": "base", "values": {"seed0": 0.5}, "difference": 0.0},
        {
            **row,
            "name": "more",
            "values": {"seed0": 0.5, "seed1": 0.75},
            "mean": 0.625,
            "std": 0.1768,
            "difference": 0.125,
            "epoch_seconds": 3.0,
        },
    ]
    lines = table({"variants": rows, "effects": []}).splitlines()
    assert lines[2].split() == ["base", "1", "0.5000", "-", "+0.0000", "2.0", "1.00"]
    assert lines[3].split() == "more 2 0.6250 0.1768 +0.1250 3.0 1.50".split()


def test_the_files_of_the_project():
    for path in (ROOT / "recipes" / "ablation").glob("*.toml"):
        assert len(read_variants(path)) > 1


@pytest.mark.slow
def test_variants_are_trained_and_kept(tmp_path, data_folder, capsys):
    text = (
        '[train]\nepochs = 1\nsize = "32x32"\nwidth = 4\n[variants.few]\nimages = 2\n'
    )
    output = tmp_path / "runs"
    arguments = ["--variants", str(write(tmp_path, text)), "--data", str(data_folder)]
    arguments += ["--output", str(output), "--json", str(tmp_path / "results.json")]
    main(arguments)
    assert "few" in capsys.readouterr().out
    written = (output / "few" / "seed0" / "metrics.json").stat().st_mtime_ns
    main(arguments)  # nothing is trained again
    assert (output / "few" / "seed0" / "metrics.json").stat().st_mtime_ns == written
    assert (output / "ablation.png").is_file()
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    base, few = results["variants"]
    assert few["options"] == {"images": 2} and base["difference"] == 0.0
    assert few["images"] == 2 < base["images"]
    assert results == json.loads((output / "ablation.json").read_text(encoding="utf-8"))
