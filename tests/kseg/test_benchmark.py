import json

import pytest

from kseg.benchmark import main, table


@pytest.mark.slow
def test_train_gives_both_figures_and_their_ratio(data_folder, capsys):
    arguments = ["train", "--data", str(data_folder), "--size", "32x32"]
    main(
        [
            *arguments,
            "--batch-size",
            "2",
            "--steps",
            "2",
            "--rounds",
            "2",
            "--json",
            "-",
        ]
    )
    figures = json.loads(capsys.readouterr().out)
    assert figures["size"] == [32, 32] and figures["batch_size"] == 2
    assert figures["pipeline_step_millis"] > 0 and figures["memory_step_millis"] > 0
    rate = 1e3 * 2 / figures["pipeline_step_millis"]
    assert figures["images_per_second"] == pytest.approx(rate, rel=0.01)


def test_table_names_each_figure():
    text = table(
        {
            "model": "unet-plain",
            "size": (64, 80),
            "batch_size": 8,
            "pipeline_step_millis": 103.0,
            "memory_step_millis": 100.0,
            "input_cost": 0.03,
            "images_per_second": 77.67,
        }
    )
    assert "crops 64x80" in text and "3.0% of a step" in text
