import json
import multiprocessing
from dataclasses import replace

import pytest

from benchmarks.pytorch_step import pytorch_process
from benchmarks.training import (
    NAMES,
    TrainBenchmarkConfig,
    main,
    summary,
    train_table,
    training_config,
)
from edge.core.errors import InputError
from kseg.core.configs import TrainConfig

# Two rounds with 4 images per step: (wall-clock, processor) milliseconds.
ROUNDS = [
    {
        "pipeline": (110.0, 200.0),
        "memory": (100.0, 180.0),
        "pytorch": (120.0, 210.0),
        "convolutions": (80.0, 150.0),
    },
    {
        "pipeline": (206.0, 202.0),
        "memory": (200.0, 182.0),
        "pytorch": (200.0, 214.0),
        "convolutions": (120.0, 150.0),
    },
]


def test_ratios_are_computed_within_a_round():
    figures = summary(ROUNDS, batch_size=4)
    # The ratio of the medians, 158 / 150, would give 0.0533.
    assert figures["input_cost"] == pytest.approx((0.10 + 0.03) / 2)
    assert figures["speed_of_pytorch"] == pytest.approx((1.2 + 1.0) / 2)
    assert figures["convolutions_share"] == pytest.approx((0.8 + 0.6) / 2)
    assert figures["step_millis"]["memory"] == 150
    assert figures["processor_millis"]["memory"] == 181
    assert figures["images_per_second"]["memory"] == pytest.approx(26.67)


def test_summary_without_pytorch():
    rounds = [{k: v for k, v in x.items() if k != "pytorch"} for x in ROUNDS]
    figures = summary(rounds, batch_size=4)
    assert figures["speed_of_pytorch"] is None
    assert "pytorch" not in figures["step_millis"]
    assert "PyTorch" not in train_table(shown(figures))


def shown(figures: dict) -> dict:
    return {
        "model": "unet-plain",
        "size": (64, 80),
        "batch_size": 4,
        "threads": 2,
        "precision": "float32",
        "peak_mebibytes": {"kseg": 1500},
        **figures,
    }


def test_the_table_shows_each_result():
    text = train_table(shown(summary(ROUNDS, batch_size=4)))
    assert text.startswith(
        "unet-plain, crops 64x80, batches of 4, 2 threads, float32\n"
    )
    for line in (
        "the input pipeline adds 6.5% to a step in memory",
        "convolutions take 70% of a step in memory",
        "speed relative to PyTorch: 1.10",
        "peak memory: kseg 1500 MiB",
    ):
        assert f"\n{line}" in text
    assert "150.0" in text and "181.0" in text and "26.67" in text


def test_the_training_has_the_defaults_of_its_task():
    options = TrainBenchmarkConfig(model="instances", size=(64, 64), batch_size=2)
    training = training_config(options)
    assert (training.task, training.batch_size) == ("instance", 2)
    assert training.size == (64, 64)
    assert (training.weight_decay, training.ema) == (0.05, 0.999)
    assert training_config(replace(options, task="detection")).task == "detection"
    plain = training_config(TrainBenchmarkConfig())
    assert (plain.task, plain.ema, plain.loss) == ("semantic", 0, "ce")
    with pytest.raises(InputError, match="--strides: has no effect"):
        training_config(TrainBenchmarkConfig(strides=(4, 8, 16)))


def test_boxes_without_masks_are_detected(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "objects.json").write_text("{}", encoding="utf-8")
    options = TrainBenchmarkConfig(data=str(tmp_path), model="instances")
    assert training_config(options).task == "detection"


@pytest.mark.slow
def test_pytorch_times_a_step_in_a_separate_process(capsys):
    pytest.importorskip("torch", reason="pip install -e '.[torch]'")
    import numpy as np

    images = np.zeros((2, 32, 32, 3), np.float32)
    masks = np.zeros((2, 32, 32), np.uint8)
    network = {"name": "unet", "num_classes": 3, "width": 4}
    with pytorch_process(TrainConfig(ema=0.9)) as pytorch:
        assert pytorch.prepare(network, images, masks)
        assert all(millis > 0 for millis in pytorch.millis(2))
        assert pytorch.peak > 100
    network = {"name": "segnet", "num_classes": 3, "width": 4}
    with pytorch_process(TrainConfig()) as pytorch:
        assert not pytorch.prepare(network, images, masks)
    assert not multiprocessing.active_children()
    assert "PyTorch is skipped: " in (line := capsys.readouterr().err)
    assert "MaxUnpool" in line


@pytest.mark.slow
def test_the_benchmark_of_objects(tmp_path, capsys):
    pytest.importorskip("torch", reason="pip install -e '.[torch]'")
    folder = object_folder(tmp_path, count=4)
    arguments = ["--data", str(folder), "--model", "instances", "--size", "64x64"]
    counts = ["--batch-size", "2", "--steps", "1", "--rounds", "1"]
    main([*arguments, *counts, "--strides", "4,8,16", "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["model"] == "instances-plain" and figures["size"] == [64, 64]
    assert min(figures["step_millis"].values()) > 0
    assert set(figures["step_millis"]) == {*NAMES} - {"without_heads"}
    assert figures["speed_of_pytorch"] > 0


def object_folder(folder, count: int):
    """A data folder of procedural scenes with their objects as 16-bit images."""
    from PIL import Image

    from edge.video import scenes

    for seed, split in enumerate(("train", "val")):
        for kind in ("images", "instances"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(count):
            image, instances, _ = scenes.scene_objects(seed, index, (64, 64))
            Image.fromarray(image).save(folder / split / "images" / f"s{index}.png")
            path = folder / split / "instances" / f"s{index}.png"
            Image.fromarray(instances).save(path)
    return folder


@pytest.mark.slow
def test_the_benchmark_gives_each_result(data_folder, capsys):
    arguments = ["--data", str(data_folder), "--size", "32x32"]
    counts = ["--batch-size", "2", "--steps", "2", "--rounds", "2"]
    main([*arguments, *counts, "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["size"] == [32, 32] and figures["batch_size"] == 2
    for name in ("pipeline", "memory", "convolutions"):
        millis = figures["step_millis"][name]
        assert millis > 0 and figures["processor_millis"][name] > 0
        rate = figures["images_per_second"][name]
        assert rate == pytest.approx(1e3 * 2 / millis, rel=0.01)
    assert figures["peak_mebibytes"]["kseg"] > 100
