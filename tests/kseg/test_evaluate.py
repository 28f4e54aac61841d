import json

import numpy as np
import pytest

from edge.command import BadInput
from kseg.data import open_data
from kseg.evaluate import confusion_over, main
from kseg.runs import open_segmenter


def test_a_run_evaluates_to_what_training_reported(trained, tmp_path):
    main([str(trained), "--json", str(tmp_path / "m.json")])
    reported = json.loads((trained / "metrics.json").read_text())
    assert json.loads((tmp_path / "m.json").read_text()) == reported


def test_json_to_stdout_is_all_of_stdout(trained, capsys):
    main([str(trained), "--split", "train", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["images"] == 16


def test_a_tflite_file_is_evaluated_by_the_same_measure(exported, capsys, tmp_path):
    """The confusion matrix counted here pixel by pixel, from the files themselves."""
    main([str(exported / "int8.tflite"), "--json", "-", "--output", str(tmp_path)])
    metrics = json.loads(capsys.readouterr().out)
    data = open_data(
        str(json.loads((exported / "config.json").read_text())["data"]["name"])
    )
    segmenter = open_segmenter(exported / "int8.tflite")
    hits = np.zeros(6)
    union = np.zeros(6)
    for index in range(4):
        image, mask = data.split("val").read(index)
        labels = segmenter.predict(image)
        for c in range(6):
            hits[c] += ((mask == c) & (labels == c)).sum()
            union[c] += ((mask == c) | (labels == c)).sum()
    iou = hits[union > 0] / union[union > 0]
    assert metrics["mean_iou"] == pytest.approx(iou.mean())
    assert (tmp_path / "samples.png").exists() and (tmp_path / "confusion.png").exists()


def test_parity_and_evaluate_agree(exported, capsys):
    main([str(exported / "int8.tflite"), "--json", "-"])
    metrics = json.loads(capsys.readouterr().out)
    parity = json.loads((exported / "parity.json").read_text())
    assert metrics["mean_iou"] == pytest.approx(parity["int8"]["mean_iou"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/model"], "no such run folder or model file"),
        (["{run}", "--split", "test"], "has no split 'test'; it has train, val"),
        (["{run}", "--data", "no/data"], "no such data folder"),
    ],
)
def test_bad_use_names_the_value(trained, arguments, complaint):
    with pytest.raises(BadInput, match=complaint):
        main([argument.format(run=trained) for argument in arguments])


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "x.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(BadInput, match="x.keras: is no Keras model, or ends early"):
        main([str(path), "--data", "shapes"])


def test_data_of_other_classes_are_refused(trained, tmp_path, data_folder):
    other = tmp_path / "other"
    other.mkdir()
    (other / "train").symlink_to(data_folder / "train")
    (other / "val").symlink_to(data_folder / "val")
    with pytest.raises(BadInput, match="knows the classes background, disc"):
        main([str(trained), "--data", str(other)])


def test_a_picture_below_the_minimum_is_named(trained):
    data = open_data("shapes")
    segmenter = open_segmenter(trained / "model.keras")

    class Small:
        names, sizes = ["tiny"], [(8, 8)]

        def read(self, index):
            return np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)

    with pytest.raises(BadInput, match="tiny: .*minimum of 16x16"):
        confusion_over(segmenter, Small(), data.num_classes)


def test_a_damaged_model_is_one_line(trained, tmp_path):
    """Its zip is whole, its weights are not: the checksum tells."""
    content = bytearray((trained / "model.keras").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path = tmp_path / "x.keras"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="x.keras: is no model that Keras can load"):
        main([str(path), "--data", "shapes"])
