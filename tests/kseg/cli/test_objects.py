"""`kseg evaluate`, `predict` and `summary` of networks that find objects."""

import json

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.core.images import read_image, read_raw
from edge.predict.results import Detections
from kseg.cli import evaluate, predict, summary
from kseg.evaluation.open import open_predictor


@pytest.fixture
def grey(tmp_path):
    """An image without any object."""
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((48, 64, 3), 128, np.uint8)).save(path)
    return path


def test_an_evaluation_prints_classes_and_totals(trained_objects, capsys):
    evaluate.main([str(trained_objects)])
    text = capsys.readouterr().out
    path = trained_objects / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:2] == ["class", "AP"]
    disc = metrics["per_class"]["disc"]
    first = ["disc", f"{disc['ap']:.4f}", f"{disc['ap50']:.4f}"]
    assert first in [line[:3] for line in lines]
    recalls = [f"{metrics[f'{kind}_ar100']:.4f}" for kind in ("mask", "box")]
    assert ["AR100", *recalls] in lines
    assert ["panoptic", "quality", "(PQ)", f"{metrics['pq']:.4f}"] in lines
    assert "count error per image" in text
    assert f"8 images with {metrics['objects']} objects" in text


def test_predictions_are_those_of_the_model(
    trained_objects, object_data, tmp_path, capsys
):
    image = object_data / "val" / "images" / "s1.png"
    options = ["--output", str(tmp_path / "out"), "--json", "-", "--score", "0.4"]
    predict.main([str(trained_objects), str(image), *options])
    record = json.loads(capsys.readouterr().out)[str(image)]
    model = open_predictor(trained_objects / "model.keras")
    expected: Detections = model.with_decoder({"score": 0.4}).predict(read_image(image))
    assert [each["score"] for each in record["objects"]] == pytest.approx(
        expected.scores.tolist(), abs=1e-4
    )
    assert record["counts"] == expected.counts(model.info)
    found = read_raw(tmp_path / "out" / "masks" / "s1.png")
    np.testing.assert_array_equal(found, expected.label_map())


def test_an_image_without_objects(trained_objects, grey, tmp_path, capsys):
    options = ["--output", str(tmp_path / "out"), "--score", "1"]
    predict.main([str(trained_objects), str(grey), *options])
    assert capsys.readouterr().out == f"{grey}: no objects\n"
    predict.main([str(trained_objects), str(grey), *options, "--json", "-"])
    record = json.loads(capsys.readouterr().out)
    assert record == {str(grey): {"objects": [], "counts": {}}}
    assert (read_raw(tmp_path / "out" / "masks" / "grey.png") == 0).all()
    assert (read_image(tmp_path / "out" / "overlays" / "grey.jpg") == 128).all()


@pytest.mark.parametrize("option", ["--score", "--nms", "--max-objects"])
def test_a_semantic_model_has_no_options_of_objects(trained, grey, tmp_path, option):
    words = [str(trained), str(grey), "--output", str(tmp_path / "out"), option, "1"]
    with pytest.raises(
        InputError, match=f"{option}: has no effect on a semantic model"
    ):
        predict.main(words)
    assert not (tmp_path / "out").exists()


def test_a_summary_has_all_outputs(capsys):
    summary.main(["instances", "--size", "64x96", "--num-classes", "5", "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    cells = 8 * 12 + 4 * 6 + 2 * 3
    assert found["outputs"] == {
        "scores": [cells, 5],
        "boxes": [cells, 4],
        "coefficients": [cells, 32],
        "prototypes": [16, 24, 32],
    }
    summary.main(["instances", "--size", "64x96"])
    text = capsys.readouterr().out
    assert "instances_plain, 64x96x3 -> 4 outputs" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["scores", f"{cells}x21"] in lines and ["boxes", f"{cells}x4"] in lines
    assert ["prototypes", "16x24x32"] in lines
