"""`kseg doctor` on folders of objects: tables, JSON, exit status and doctor.png."""

import json

import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from edge.core.images import read_image
from kseg.cli.doctor import main
from kseg.reporting.dataset_figures import WIDTH
from tests.support.object_folders import (
    NAMES,
    change_file,
    scene_objects,
    write_file,
    write_maps,
)

COUNTS = {"train": 12, "val": 10}
KEYS = {
    *("data", "task", "harm", "warning", "note", "pictures", "sizes", "kinds"),
    *("objects", "classes", "findings"),
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    return write_file(tmp_path_factory.mktemp("listed"), COUNTS)


def test_a_sound_folder(listed, tmp_path, capsys):
    target = tmp_path / "found.json"
    main([str(listed), "--json", str(target), "--output", str(tmp_path)])
    text = capsys.readouterr().out
    assert "5 classes; 12 train, 10 val" in text and "no errors found" in text
    content = json.loads(target.read_text(encoding="utf-8"))
    assert set(content) == KEYS
    assert (content["task"], content["harm"]) == ("instance", 0)
    objects = [scene_objects(0, index) for index in range(12)]
    numbers = [len(each.boxes) for each in objects]
    areas = np.array([mask.sum() for each in objects for mask in each.masks])
    train = content["objects"]["train"]
    assert train == {
        "count": sum(numbers),
        "crowds": 0,
        "small": int((areas < 1024).sum()),
        "medium": int((areas >= 1024).sum()),
        "large": 0,
        "median": float(np.median(numbers)),
        "max": max(numbers),
    }
    assert f"train          12         {train['count']} " in text
    discs = [np.count_nonzero(each.class_ids == 0) for each in objects]
    record = content["classes"][0]
    assert record["name"] == NAMES[0] and record["objects"]["train"] == sum(discs)
    assert record["pictures"]["train"] == np.count_nonzero(discs)
    assert record["share"]["train"] == pytest.approx(sum(discs) / sum(numbers))
    assert read_image(tmp_path / "doctor.png").shape[1] == WIDTH


def test_a_damaged_folder_is_examined_completely(tmp_path, capsys):
    folder = write_file(tmp_path / "data", COUNTS)

    def change(content):
        first, second, third = content["annotations"][:3]
        first["bbox"][2] = -1
        second["category_id"] = "none"
        third["segmentation"] = [[1, 2]]

    change_file(folder / "train" / "objects.json", change)
    (folder / "val/images/0.png").unlink()
    (folder / "val/images/1.png").write_bytes(b"x")
    with pytest.raises(GateFailed, match="4 kinds of errors; fix them"):
        main([str(folder), "--output", str(tmp_path / "out")])
    text = capsys.readouterr().out
    for words in ("annotation 1 has a", "annotation 2 has", "annotation 3 has a"):
        assert words in text
    assert read_image(tmp_path / "out" / "doctor.png").shape[1] == WIDTH


def test_nothing_that_can_be_counted(tmp_path, capsys):
    folder = write_file(tmp_path / "data", {"train": 2, "val": 2})
    for path in folder.glob("*/objects.json"):
        path.write_text("{", encoding="utf-8")
    with pytest.raises(GateFailed):
        main([str(folder), "--output", str(tmp_path / "out")])
    assert "objects.json that cannot be read" in capsys.readouterr().out
    assert (tmp_path / "out" / "doctor.png").exists()


def test_the_form_of_the_nuclei(tmp_path, capsys):
    """images/ and instances/ of 16 bits, no masks/, no classes.json."""
    folder = write_maps(tmp_path / "data", COUNTS, masks=False)
    main([str(folder), "--json", "-", "--output", str(tmp_path / "out")])
    content = json.loads(capsys.readouterr().out)
    assert content["task"] == "instance"
    (record,) = content["classes"]
    assert record["name"] == "object"
    assert record["objects"]["val"] == sum(
        len(scene_objects(1, index).boxes) for index in range(10)
    )
    (folder / "val/instances/3.png").write_bytes(b"")
    with pytest.raises(GateFailed, match="1 kind of error"):
        main([str(folder)])
    assert "maps or masks that cannot be" in capsys.readouterr().out


def test_boxes_only_are_for_detection(tmp_path, capsys):
    folder = write_file(tmp_path / "data", COUNTS, outlines=False)
    main([str(folder), "--json", "-", "--output", str(tmp_path / "out")])
    assert json.loads(capsys.readouterr().out)["task"] == "detection"


@pytest.mark.parametrize("outlines", [True, False])
def test_what_training_sees(tmp_path, outlines):
    """A row of four images: the original and its crops of five epochs."""
    folder = write_file(tmp_path / "data", COUNTS, outlines)
    crops = ["--show-augmentation", "--size", "32x32"]
    main([str(folder), "--output", str(tmp_path), *crops, "--flip-vertical"])
    height, width = read_image(tmp_path / "augmentation.png").shape[:2]
    assert height > 4 * 240 and width > 6 * 240
    with pytest.raises(InputError, match="--rare-crops: has no effect on the task"):
        main([str(folder), "--output", str(tmp_path), *crops, "--rare-crops", "0.5"])


def test_another_task_than_that_of_the_labels(listed, tmp_path, capsys):
    main([str(listed), "--task", "detection", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["task"] == "detection"
    boxes = write_file(tmp_path / "boxes", COUNTS, outlines=False)
    with pytest.raises(GateFailed):
        main([str(boxes), "--task", "instance"])
    assert "outline" in capsys.readouterr().out
