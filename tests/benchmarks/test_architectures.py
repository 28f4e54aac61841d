import json
from dataclasses import replace

import cv2
import pytest

from benchmarks.architectures import (
    NETWORKS,
    SEMANTIC,
    ArchitecturesConfig,
    check_budget,
    compare,
    table,
    train,
    train_config,
)
from edge.core.errors import InputError
from kseg.core.names import UPSAMPLINGS
from kseg.core.runs import run_config
from kseg.data.open import open_data


def test_every_architecture_is_compared():
    assert {model for model, _ in NETWORKS} == set(SEMANTIC)
    assert {upsampling for _, upsampling in NETWORKS} <= {"", *UPSAMPLINGS}
    assert len(set(NETWORKS)) == len(NETWORKS)


# Budgets


def test_all_networks_have_the_same_budget(tmp_path):
    config = ArchitecturesConfig(data="d", epochs=3, batch_size=5, size=(64, 96))
    for model, upsampling in NETWORKS:
        training = train_config(config, model, upsampling, tmp_path)
        assert (training.model, training.upsampling) == (model, upsampling)
        assert (training.data, training.epochs, training.batch_size) == ("d", 3, 5)
        name = f"{model}-{upsampling}" if upsampling else model
        assert training.run_folder == tmp_path / name


def test_networks_with_valid_padding_choose_their_own_crop(tmp_path):
    config = ArchitecturesConfig(size=(64, 96))
    sizes = {m: train_config(config, m, "", tmp_path).size for m in SEMANTIC}
    assert sizes.pop("unet_paper") is None and sizes.pop("patch") is None
    assert set(sizes.values()) == {(64, 96)}


def test_the_encoder_applies_to_networks_that_have_one(tmp_path):
    config = ArchitecturesConfig(encoder="mobilenetv2", weights="imagenet")
    for model in ("unet", "fcn8s"):
        training = train_config(config, model, "", tmp_path)
        assert (training.encoder, training.weights) == ("mobilenetv2", "imagenet")
    for model in ("dense", "patch", "unet_paper"):
        training = train_config(config, model, "", tmp_path)
        assert (training.encoder, training.weights) == ("plain", "none")


def test_procedural_shapes_are_not_augmented(tmp_path):
    plain = train_config(ArchitecturesConfig(), "unet", "", tmp_path)
    assert (plain.scale, plain.color) == (1, 0)
    varied = train_config(ArchitecturesConfig(data="d"), "unet", "", tmp_path)
    assert varied.scale > 1 and varied.color > 0


# Existing runs


@pytest.fixture
def existing(trained):
    """The options of an existing run, and its data."""
    config = replace(run_config(trained), output=str(trained))
    return config, open_data(config.data)


def test_a_complete_run_is_not_trained_again(existing, trained, capsys):
    before = (trained / "last.keras").stat()
    check_budget(existing[0])
    train(*existing)
    assert capsys.readouterr().err == "already trained\n"
    assert (trained / "last.keras").stat() == before


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"epochs": 3}, "--epochs 2"),
        ({"batch_size": 8}, "--batch-size 4"),
        ({"encoder": "mobilenetv2"}, "--encoder plain"),
        ({"weights": "imagenet"}, "--weights none"),
        ({"data": "elsewhere"}, "--data /"),
        ({"size": (32, 32)}, "--size 64x64"),
    ],
)
def test_a_run_with_another_budget_is_rejected(existing, trained, change, option):
    config, _ = existing
    with pytest.raises(
        InputError, match=f"was trained with {option}.*another"
    ) as error:
        check_budget(replace(config, **change))
    assert str(trained) in str(error.value) and "\n" not in str(error.value)


# Complete comparisons


def arguments_of(data_folder, folder, **values):
    options = {"models": ("dense", "patch"), "epochs": 1, "batch_size": 4, **values}
    return ArchitecturesConfig(
        data=str(data_folder), output=str(folder), calibration_images=4, **options
    )


@pytest.fixture(scope="module")
def compared(data_folder, tmp_path_factory):
    """The folder and the results of a comparison of two networks."""
    folder = tmp_path_factory.mktemp("architectures")
    return folder, compare(arguments_of(data_folder, folder))


@pytest.mark.slow
def test_a_comparison_writes_its_results_and_figures(compared):
    folder, figures = compared
    assert (
        json.loads((folder / "architectures.json").read_text(encoding="utf-8"))
        == figures
    )
    assert [row["name"] for row in figures["networks"]] == ["patch-nearest", "dense"]
    for row in figures["networks"]:
        metrics = json.loads(
            (folder / row["name"] / "metrics.json").read_text(encoding="utf-8")
        )
        parity = json.loads(
            (folder / row["name"] / "parity.json").read_text(encoding="utf-8")
        )
        assert row["mean_iou"] == metrics["mean_iou"]
        assert 0 <= row["boundary_iou"] <= 1
        assert row["int8_drop"] == parity["int8"]["drop"]
        assert row["int8_millis"] > 0 and row["float32_millis"] > 0
        assert row["parameters"] > 1e4 and row["multiply_adds"] > 1e7
        assert row["epoch_seconds"] > 0
    for name in ("architectures.png", "predictions.png"):
        assert cv2.imread(str(folder / name)).shape[1] > 640
    assert not list(folder.rglob(".*part*"))


@pytest.mark.slow
def test_a_second_comparison_trains_nothing(compared, data_folder, capsys):
    folder, figures = compared
    runs = [folder / row["name"] / "last.keras" for row in figures["networks"]]
    before = [path.stat().st_mtime_ns for path in runs]
    again = compare(arguments_of(data_folder, folder))
    assert capsys.readouterr().err.count("already trained\n") == 2
    assert [path.stat().st_mtime_ns for path in runs] == before
    for row, first in zip(again["networks"], figures["networks"], strict=True):
        for name in ("name", "mean_iou", "boundary_iou", "parameters", "int8_drop"):
            assert row[name] == first[name]


@pytest.mark.slow
def test_another_budget_needs_another_folder(compared, data_folder):
    folder, _ = compared
    before = (folder / "architectures.json").read_bytes()
    with pytest.raises(InputError, match="patch-nearest: was trained with --epochs 1"):
        compare(arguments_of(data_folder, folder, epochs=2))
    assert (folder / "architectures.json").read_bytes() == before


def test_the_table_shows_each_result():
    row = {
        "name": "fcn8s-transposed",
        "mean_iou": 0.81234,
        "boundary_iou": 0.4567,
        "parameters": 1_234_567,
        "multiply_adds": 9_876_543_210,
        "epoch_seconds": 12.3,
        "float32_millis": 34.56,
        "int8_millis": 7.89,
        "int8_drop": 0.0012,
    }
    line = table({"networks": [row]}).splitlines()[-1].split()
    expected = "fcn8s-transposed 0.812 0.457 1.23 9.88 12 34.6 7.9 +0.001"
    assert line == expected.split()
