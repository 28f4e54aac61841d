"""Labels of new images in the form of those of a data folder."""

import json
from pathlib import Path
from types import SimpleNamespace

from kseg.data.merging import labels as module
from kseg.data.merging.labels import Addition, Labels, object_moves


def write_objects(folder: Path, letter: str, images: int, objects: int) -> None:
    """An objects.json of images LETTER0.png, ... with some objects each."""
    size = {"width": 9, "height": 9}
    names = [f"{letter}{number}.png" for number in range(images)]
    entries = [{"id": k, "file_name": name, **size} for k, name in enumerate(names)]
    annotations = [
        {"id": k, "image_id": k // objects, "category_id": 1, "bbox": [0, 0, k % 9, 1]}
        for k in range(images * objects)
    ]
    content = {"images": entries, "annotations": annotations}
    content["categories"] = [{"id": 1, "name": "a"}]
    folder.mkdir(parents=True)
    (folder / "objects.json").write_text(json.dumps(content), encoding="utf-8")


def test_adding_objects_takes_the_ids_that_are_there_once(tmp_path, monkeypatch):
    """Not once for each new object, which takes minutes in a large folder."""
    write_objects(tmp_path / "data" / "train", "old", images=50, objects=4)
    write_objects(tmp_path / "new" / "train", "new", images=20, objects=3)
    real, calls = module.id_of, []
    monkeypatch.setattr(module, "id_of", lambda i: calls.append(i) or real(i))
    data = SimpleNamespace(class_names=("a",))
    labels = Labels(data, data, {0: 0}, tmp_path / "data", tmp_path / "new")
    names = [f"new{number}.png" for number in range(20)]
    additions = [Addition("train", 0, Path(n), "train", n) for n in names]
    (move,) = object_moves(labels, additions, tmp_path)
    assert len(calls) == 50 + 200
    content = json.loads(move.file.read_bytes())
    assert [entry["id"] for entry in content["images"]] == list(range(70))
    added = content["annotations"][200:]
    assert [each["id"] for each in added] == list(range(200, 260))
    assert [each["image_id"] for each in added] == [50 + k // 3 for k in range(60)]
    assert [each["bbox"][2] for each in added] == [k % 9 for k in range(60)]
