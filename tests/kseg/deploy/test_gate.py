"""Exports that the gate cannot judge: no labels, or no finite metric."""

import json
import math
import shutil

import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from edge.core.images import read_image, write_mask
from edge.model_file.metadata import info_of
from kseg.cli.export import main
from kseg.core.configs import ExportConfig
from kseg.deploy.export import export
from kseg.deploy.parity import check_gate


def copied(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_validation_data_without_labels_is_rejected(trained, data_folder, tmp_path):
    """A nan drop would pass the gate: nan > 0.02 is false."""
    run, data = copied(trained, tmp_path), tmp_path / "data"
    shutil.copytree(data_folder, data)
    for path in (data / "val" / "masks").iterdir():
        size = read_image(path, 1).shape[:2]
        write_mask(path, np.full(size, 255, np.uint8))
    options = ["--data", str(data), "--quantize", "float32"]
    with pytest.raises(
        GateFailed, match="nothing is labelled in the .* of val"
    ) as error:
        main([str(run), *options])
    assert error.value.status == 3
    assert not (run / "parity.json").exists()
    assert not (run / "float32.tflite").exists()


def test_a_run_that_diverged_is_not_exported(trained, tmp_path):
    """Its scores are nan: every pixel would be of class 0, in the file as in Keras."""
    from kseg.models.saving import load_model, save_model

    run = copied(trained, tmp_path)
    model, info = load_model(run / "model.keras"), info_of(run / "model.keras")
    weights = model.get_weights()
    weights[0][...] = np.nan
    model.set_weights(weights)
    save_model(model, run / "model.keras", info)
    with pytest.raises(InputError, match="weights are not finite .*training diverged"):
        export(ExportConfig(run=str(run), quantize=("float32",)))
    assert not (run / "float32.tflite").exists()


def test_a_drop_that_is_no_number_does_not_pass():
    parity = {
        "headline": "mean_iou",
        "keras": {"drop": 0.0},
        "int8": {"drop": math.nan},
    }
    with pytest.raises(GateFailed, match="^int8: mean IoU is not a finite number"):
        check_gate(parity, 0.5)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_run_without_a_finite_metric_is_rejected(trained, tmp_path, value):
    run = copied(trained, tmp_path)
    (run / "metrics.json").write_text(json.dumps({"mean_iou": value}), encoding="utf-8")
    with pytest.raises(InputError, match="no finite mean IoU"):
        export(ExportConfig(run=str(run), quantize=("float32",)))
    assert not (run / "float32.tflite").exists()


@pytest.mark.slow
def test_an_interrupted_run_is_exported_by_its_history(trained, tmp_path):
    """Without metrics.json, the best epoch of history.csv is used."""
    run = copied(trained, tmp_path)
    (run / "metrics.json").unlink()
    done = export(ExportConfig(run=str(run), quantize=("float32",)))
    assert done.files["float32"].is_file()
    (run / "history.csv").unlink()
    with pytest.raises(InputError, match="no finite mean IoU"):
        export(ExportConfig(run=str(run), quantize=("float32",)))
