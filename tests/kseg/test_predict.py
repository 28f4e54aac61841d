import json

import numpy as np
import pytest
from PIL import Image

from edge import shapes
from edge.command import BadInput
from edge.images import read_image
from kseg.predict import main
from kseg.runs import open_segmenter


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(2):
        Image.fromarray(shapes.scene(3, index, (50, 70))[0]).save(
            folder / f"p{index}.png"
        )
    return folder


@pytest.mark.parametrize("model", ["model.keras", "float32.tflite", "int8.tflite", ""])
def test_masks_hold_the_labels_of_the_segmenter(exported, pictures, tmp_path, model):
    out, path = tmp_path / "out", exported / model
    main([str(path), str(pictures), "--output", str(out)])
    segmenter = open_segmenter(path if model else exported / "model.keras")
    for name in ("p0", "p1"):
        image = read_image(pictures / f"{name}.png")
        with Image.open(out / "masks" / f"{name}.png") as mask:
            assert mask.mode == "P"
            assert mask.getpalette()[3:6] == list(shapes.COLORS[1])
            np.testing.assert_array_equal(np.asarray(mask), segmenter.predict(image))
        assert read_image(out / "overlays" / f"{name}.jpg").shape == (50, 70, 3)
    assert not list(out.rglob(".*"))


def test_shares_add_up(trained, pictures, capsys):
    picture = pictures / "p0.png"
    main([str(trained), str(picture), "--output", str(pictures / "o"), "--json", "-"])
    shares = json.loads(capsys.readouterr().out)[str(picture)]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)


def test_pictures_that_would_collide_are_refused(trained, pictures):
    with pytest.raises(BadInput, match="would both become p0.png"):
        main([str(trained), str(pictures), str(pictures / "p0.png")])


@pytest.mark.parametrize("model", ["model.keras", "int8.tflite"])
def test_a_picture_below_the_minimum_is_named(exported, tmp_path, model):
    path = tmp_path / "small.png"
    Image.fromarray(np.zeros((9, 60, 3), np.uint8)).save(path)
    with pytest.raises(BadInput, match="small.png: .*9x60.*minimum of 16x16"):
        main([str(exported / model), str(path), "--output", str(tmp_path / "o")])


def test_missing_picture(trained):
    with pytest.raises(BadInput, match="gone.jpg: no such picture"):
        main([str(trained), "gone.jpg"])
