"""A new task works in all commands without changes to kseg.

It trains, validates, reports, exports to int8, passes the accuracy gate and runs in the
camera loop, with only tests/support/toy_task.py and its entries in the dicts.
"""

import json

import numpy as np
import pytest

from edge.app import camera
from edge.core.errors import InputError
from edge.core.images import read_image
from edge.model_file.metadata import read_info
from edge.predict import open_predictor
from edge.predict.tta import TTA
from edge.video import scenes
from kseg.core.configs import ExportConfig, TrainConfig
from kseg.data.open import open_data
from kseg.deploy.export import export
from kseg.deploy.parity import check_gate
from kseg.reporting.run_report import write_run_report
from kseg.training.fit import fit
from tests.kseg.conftest import write_data
from tests.support import toy_task

pytestmark = pytest.mark.slow  # the run and its exports take 5 s
OPTIONS = {"size": (32, 32), "batch_size": 4, "epochs": 2, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    """A run of the toy task and its exports; the task is registered meanwhile."""
    folder = tmp_path_factory.mktemp("toy")
    data = folder / "data"
    write_data(data, {"train": 8, "val": 3}, (32, 48))
    classes = json.loads((data / "classes.json").read_text(encoding="utf-8"))
    (data / "classes.json").write_text(
        json.dumps({**classes, "task": "toy"}), encoding="utf-8"
    )
    with toy_task.registered():
        config = TrainConfig(
            data=str(data), model="toy", width=4, output=str(folder / "run"), **OPTIONS
        )
        opened = open_data(str(data))
        assert not fit(config, opened, folder / "run")
        metrics = write_run_report(opened, folder / "run")
        exporting = ExportConfig(
            run=str(folder / "run"),
            quantize=("float32", "int8"),
            calibration_images=4,
        )
        yield folder / "run", metrics, export(exporting)


def test_it_trains_and_validates(toy_run):
    run, metrics, _ = toy_run
    history = (run / "history.csv").read_text(encoding="utf-8").splitlines()
    assert "val_toy_iou" in history[0] and len(history) == 3
    assert 0 < metrics["toy_iou"] < 1 and 0 <= metrics["share_error"] < 1
    assert json.loads((run / "metrics.json").read_text(encoding="utf-8")) == metrics
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "toy iou" in page.lower() and "3 images were seen." in page


def test_it_exports_to_int8_and_passes_the_gate(toy_run):
    run, _, exported = toy_run
    parity = json.loads((run / "parity.json").read_text(encoding="utf-8"))
    assert parity["headline"] == "toy_iou"
    assert parity["float32"]["agreement"] == 1
    check_gate(exported.parity, 0.1)
    info = read_info(run / "int8.tflite")
    assert (info.task, info.head) == ("toy", "raw")
    assert sorted(info.outputs) == ["scores", "shares"]


def test_each_output_has_its_own_scale(toy_run):
    run, *_ = toy_run
    predictor = open_predictor(run / "int8.tflite")
    specs = predictor.engine.outputs
    by_role = {specs[index].scale for index in predictor.indices.values()}
    assert len(by_role) == 2 and 0 not in by_role


def test_the_outputs_are_identified_by_role_not_by_order(toy_run):
    """Both files give the same result, whatever the order of their outputs."""
    run, *_ = toy_run
    image, _ = scenes.scene(5, 0, (32, 48))
    exact, rounded = (
        open_predictor(run / f"{scheme}.tflite").predict(image)
        for scheme in ("float32", "int8")
    )
    assert exact.shares.sum() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(exact.shares, rounded.shares, atol=0.15)
    assert (exact.labels == rounded.labels).mean() > 0.7


def test_it_runs_in_the_camera_loop(toy_run, tmp_path):
    run, *_ = toy_run
    options = ["--source", "shapes", "--headless", "--max-frames", "3"]
    lines, masks, video = (tmp_path / x for x in ("l.jsonl", "masks", "seen.mp4"))
    options += ["--frames-json", str(lines), "--masks", str(masks)]
    options += ["--record", str(video)]
    assert camera.main([str(run / "int8.tflite"), *options]) == 0
    first = json.loads(lines.read_text(encoding="utf-8").splitlines()[0])
    assert set(first["predicted_shares"]) == set(
        read_info(run / "int8.tflite").class_names
    )
    assert read_image(masks / "000002.png", 1).shape == (480, 640, 1)
    assert video.stat().st_size > 0


def test_options_that_the_task_does_not_support_are_refused(toy_run, tmp_path):
    run, *_ = toy_run
    with pytest.raises(InputError, match="--steady: not available for the task toy"):
        camera.main([str(run / "int8.tflite"), "--source", "shapes", "--steady", "3"])
    with pytest.raises(InputError, match="task toy has no test-time"):
        open_predictor(run / "int8.tflite", tta=TTA(flip=True))


def test_a_network_of_another_task_is_refused(toy_run, tmp_path):
    run, *_ = toy_run
    data = open_data(str(run.parent / "data"))
    config = TrainConfig(data="x", model="dense", output=str(tmp_path / "r"), **OPTIONS)
    with pytest.raises(InputError, match="--model dense: is for the task semantic"):
        fit(config, data, tmp_path / "r")


def test_a_file_of_an_unknown_task_is_refused(toy_run, tmp_path):
    """The error names the task."""
    run, *_ = toy_run
    from edge.predict import PREDICTORS

    predictor = PREDICTORS.pop("toy")
    try:
        with pytest.raises(InputError, match="task toy is unknown; .* has semantic"):
            open_predictor(run / "int8.tflite")
    finally:
        PREDICTORS["toy"] = predictor
