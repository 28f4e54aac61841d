"""Training of networks that classify proposals, from the command to the result."""

import numpy as np
import pytest

import kseg
from edge.core.errors import InputError
from edge.model_file.metadata import info_of
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST
from kseg.core.task_defaults import for_task
from kseg.data import shapes
from kseg.models.saving import load_model
from kseg.training.detection.rcnn import finish_rcnn

SMALL = {"width": 4, "fc_width": 16, "size": (64, 64), "batch_size": 2, "epochs": 1}


@pytest.fixture(scope="module", params=("fast_rcnn", "rcnn"))
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KSEG_CACHE", str(folder / "cache"))
        counts = {"train": 4, "val": 2, "test": 1}
        patch.setattr(shapes, "OBJECT_SCENES", counts)
        yield kseg.train("shapes", model=request.param, output=folder / "run", **SMALL)


@pytest.mark.slow
def test_a_run_is_evaluated_and_predicts(run):
    assert run.config.task == "detection" and 0 <= run.metrics["box_ap"] <= 1
    model = kseg.load(run).with_decoder({"score": 0.0})
    found = model.predict(kseg.open_data(task="detection").split("val").read(0).image)
    assert len(found) and found.size == (128, 128)
    assert np.isfinite(found.boxes).all()


@pytest.mark.slow
def test_it_is_not_exported(run):
    with pytest.raises(InputError, match=f"{run.config.model} is not exported: it "):
        kseg.export(run)


@pytest.mark.slow
def test_rcnn_ends_with_linear_classifiers_once(run):
    path = run.folder / BEST
    hinge = info_of(path).decoder.get("classifier") == "hinge"
    assert hinge == (run.config.model == "rcnn")
    if hinge:
        margins = load_model(path).get_layer("score_margin")
        assert all(weights.any() for weights in margins.get_weights())
        before = path.read_bytes()
        finish_rcnn(run.config, kseg.open_data(task="detection"), run.folder)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("model", "option", "value"),
    [("fast_rcnn", "mosaic", 0.5), ("rcnn", "strides", (8,)), ("rcnn", "rotate", 9.0)],
)
def test_options_without_effect_are_refused(model, option, value):
    config = TrainConfig(model=model, **{option: value})
    with pytest.raises(InputError, match=f"--{option}: has no effect on --model"):
        for_task(config, {"model", option}, "detection")


def test_defaults_of_the_networks():
    config = for_task(TrainConfig(model="rcnn"), {"model"}, "detection")
    assert (config.batch_size, config.peak_rate) == (4, 1e-3)
