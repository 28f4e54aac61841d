"""A run begun by another backend on another machine: measured, continued, exported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kseg

ROOT = Path(__file__).resolve().parents[3]
# Ctrl-C within a step: JAX then has deleted the weights that Keras knows.
BEGIN = """
import os, signal, sys
import keras
import kseg

sent = []
make = keras.Model.make_train_function

def make_interrupted(model, force=False):
    make(model, force)
    train = model.train_function

    def step(*inputs):
        sent.append(len(sent) == 1 and os.kill(os.getpid(), signal.SIGINT))
        return train(*inputs)

    model.train_function = step

keras.Model.make_train_function = make_interrupted
run = kseg.train(
    sys.argv[1], output=sys.argv[2], size=(32, 32), width=4, epochs=2, batch_size=2,
    auxiliary=0.4, context="pyramid",
)
assert run.stopped and len(sent) == 2, sent
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend", ["jax", pytest.param("torch", marks=pytest.mark.full)]
)
def test_a_run_is_measured_continued_and_exported(backend, data_folder, tmp_path):
    pytest.importorskip(backend)
    there, here = tmp_path / "there", tmp_path / "here"
    shutil.copytree(data_folder, there / "photos")
    subprocess.run(
        [sys.executable, "-c", BEGIN, str(there / "photos"), str(there / "run")],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    there.rename(here)
    run, data = here / "run", here / "photos"
    written = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    measured = kseg.evaluate(run, data=data)
    assert measured["mean_iou"] == pytest.approx(written["mean_iou"], abs=1e-3)
    continued = kseg.train(data, output=run, resume=True)
    assert not continued.stopped and len(continued.history) == 2
    files = kseg.export(run, data=data, quantize=("float32", "int8"), max_drop=1.0)
    assert {file.name for file in files.values()} == {"float32.tflite", "int8.tflite"}
