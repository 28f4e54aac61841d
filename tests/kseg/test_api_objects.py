"""The Python API on a run that finds objects, and on data of objects."""

from itertools import islice

import numpy as np
import pytest

import kseg
from kseg.core.results import Evaluation
from tests.support.object_folders import write_file

COUNTS = {"train": 4, "val": 4}


@pytest.fixture(scope="module")
def image_file(object_data):
    return object_data / "val" / "images" / "s0.png"


def test_data_are_opened_for_a_task(object_data):
    sample = kseg.open_data(object_data).split("val").read(0)
    assert len(sample.target.masks) == len(sample.target.boxes)
    boxes = kseg.open_data(object_data, task="detection").split("val").read(0)
    assert boxes.target.masks is None
    assert kseg.open_data("shapes", task="instance").task == "instance"
    assert kseg.open_data("shapes").split("val").read(0).target.ndim == 2
    with pytest.raises(kseg.InputError, match="unknown task 'pose'"):
        kseg.open_data("shapes", task="pose")


def test_predictions_are_instances(trained_objects, image_file):
    (found,) = kseg.predict(trained_objects, image_file)
    assert isinstance(found.result, kseg.Instances) and len(found.result)
    assert found._repr_png_().startswith(b"\x89PNG")
    (best,) = kseg.predict(trained_objects, image_file, max_objects=1)
    assert best.result.scores.tolist() == found.result.scores[:1].tolist()
    (more,) = kseg.predict(trained_objects, image_file, score=0.05, nms=1.0)
    assert len(more.result) > len(found.result)
    (none,) = kseg.predict(trained_objects, image_file, score=1.0)
    assert len(none.result) == 0
    np.testing.assert_array_equal(none.overlay, kseg.read_image(image_file))


def test_a_loaded_model_predicts_and_draws(trained_objects, image_file):
    model, image = kseg.load(trained_objects), kseg.read_image(image_file)
    result = model.predict(image)
    assert set(result.counts(model.info)) <= set(model.info.class_names)
    drawn = kseg.draw(image, result, model.info, outlines=True, legend=True)
    assert drawn.shape == image.shape and (drawn != image).any()
    none = model.with_decoder({"score": 1.0}).predict(image)
    np.testing.assert_array_equal(kseg.draw(image, none, model.info), image)


def test_a_stream_gives_instances(trained_objects):
    model = kseg.load(trained_objects)
    pairs = kseg.stream(model, "shapes")
    for image, result in islice(pairs, 2):
        assert isinstance(result, kseg.Instances)
        assert result.size == image.shape[:2]
    pairs.close()


def test_an_evaluation_shows_tables(trained_objects, tmp_path):
    found = kseg.evaluate(trained_objects, output=tmp_path)
    assert found.headline == "mask_ap" and 0 < found.value <= 1
    page = found._repr_html_()
    assert "<th>masks</th><th>boxes</th>" in page
    assert "<th>score of best F1</th>" in page and "<td>disc</td>" in page
    assert {path.name for path in tmp_path.iterdir()} == {
        *("samples.png", "precision_recall.png", "errors.png"),
    }
    assert "<th>score of best F1</th>" in kseg.Run.open(trained_objects)._repr_html_()


def test_boxes_alone_are_measured_on_request(trained_objects, tmp_path):
    boxes = write_file(tmp_path / "boxes", COUNTS, outlines=False)
    with pytest.raises(kseg.InputError, match="boxes only; use --task detection"):
        kseg.evaluate(trained_objects, boxes)
    found = kseg.evaluate(trained_objects, boxes, task="detection")
    assert found.headline == "box_ap" and "mask_ap" not in found


def test_a_model_and_data_that_do_not_fit(trained_objects, trained, data_folder):
    with pytest.raises(kseg.InputError, match="labelled for semantic, but the task of"):
        kseg.evaluate(trained_objects, data_folder)
    with pytest.raises(kseg.InputError, match="its task is semantic.*--task semantic"):
        kseg.evaluate(trained, task="instance")


def test_data_of_objects_suit_a_semantic_model(trained, object_data):
    """Objects with outlines can be painted as classes of pixels."""
    assert kseg.evaluate(trained, object_data).headline == "mean_iou"


def test_a_metric_that_is_not_defined_has_no_value():
    empty = {"mask_ap": None, "per_class": {}, "images": 1, "objects": 0}
    found = Evaluation("m", "d", "val", "mask_ap", empty)
    assert found.value is None and "<td>-</td>" in found._repr_html_()


def test_report_and_summary_of_a_run(trained_objects, object_data, tmp_path):
    report = kseg.report(trained_objects, output=tmp_path / "page.html")
    assert report.path.is_file() and "<th>masks</th>" in report._repr_html_()
    summary = kseg.summary(trained_objects)
    assert {*summary["outputs"]} == {"scores", "boxes", "coefficients", "prototypes"}


def test_the_doctor_draws_what_training_sees(object_data, tmp_path):
    options = {"output": tmp_path, "show_augmentation": True, "task": "detection"}
    found = kseg.doctor(object_data, **options)
    assert found.task == "detection"
    assert (tmp_path / "augmentation.png").is_file()
    with pytest.raises(kseg.InputError, match="--elastic: has no effect on the task"):
        kseg.doctor(object_data, **options, elastic=3.0)
