import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.core.images import read_image
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.results import SemanticMap
from edge.predict.tta import TTA
from edge.video import scenes
from kseg.cli.predict import class_shares, main
from kseg.data.open import open_data
from kseg.evaluation.grouping import GROUPINGS, label_by_majority
from kseg.evaluation.open import open_predictor
from kseg.models.saving import load_model, replace_info
from tests.support.posix import needs_linux

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(2):
        Image.fromarray(scenes.scene(3, index, (50, 70))[0]).save(
            folder / f"p{index}.png"
        )
    return folder


@pytest.mark.parametrize("model", ["model.keras", "float32.tflite", "int8.tflite", ""])
def test_masks_hold_the_labels_of_the_predictor(exported, pictures, tmp_path, model):
    out, path = tmp_path / "out", exported / model
    main([str(path), str(pictures), "--output", str(out)])
    predictor = open_predictor(path if model else exported / "model.keras")
    for name in ("p0", "p1"):
        image = read_image(pictures / f"{name}.png")
        with Image.open(out / "masks" / f"{name}.png") as mask:
            assert mask.mode == "P"
            assert mask.getpalette()[3:6] == list(scenes.COLORS[1])
            np.testing.assert_array_equal(
                np.asarray(mask), predictor.predict(image).labels
            )
        assert read_image(out / "overlays" / f"{name}.jpg").shape == (50, 70, 3)
    colors = read_image(out / "legend.png")
    assert all((colors == color).all(axis=2).any() for color in scenes.COLORS[1:])
    assert not list(out.rglob(".*"))


def test_shares_add_up(trained, pictures, capsys):
    picture = pictures / "p0.png"
    main([str(trained), str(picture), "--output", str(pictures / "o"), "--json", "-"])
    shares = json.loads(capsys.readouterr().out)[str(picture)]
    confidence = shares.pop("confidence")
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert list(confidence["classes"]) == list(shares)
    mean = sum(shares[name] * value for name, value in confidence["classes"].items())
    assert confidence["mean"] == pytest.approx(mean, abs=1e-3)


def test_the_confidence_is_the_calibrated_one(trained, pictures, tmp_path, capsys):
    """The mean over the pixels of the largest softmax of logits / temperature."""
    picture, model = pictures / "p0.png", tmp_path / "model.keras"
    shutil.copy(trained / "model.keras", model)
    info, means = info_of(model), {}
    for temperature in (1.0, 5.0):
        replace_info(model, replace(info, decoder={"temperature": temperature}))
        main([str(model), str(picture), "--output", str(tmp_path), "--json", "-"])
        found = json.loads(capsys.readouterr().out)[str(picture)]
        means[temperature] = found["confidence"]["mean"]
    image = read_image(picture)
    logits = load_model(model)([image[None]]).numpy()[0]
    for temperature, mean in means.items():
        odds = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
        expected = (1 / odds.sum(axis=-1)).mean()
        assert mean == pytest.approx(expected, abs=1e-3)


def test_labels_alone_have_no_confidence(exported, pictures, capsys):
    picture, model = pictures / "p0.png", exported / "float32.tflite"
    main([str(model), str(picture), "--output", str(pictures / "o"), "--json", "-"])
    assert "confidence" not in json.loads(capsys.readouterr().out)[str(picture)]
    assert info_of(model).decoder == info_of(exported / "model.keras").decoder


def test_a_class_named_confidence_keeps_its_share():
    info = ModelInfo(("confidence", "b"), ((0, 0, 1), (0, 1, 0)))
    result = SemanticMap(np.uint8([[0, 1]]), np.float32([[0.5, 0.5]]))
    assert class_shares(result, info) == {"confidence": 0.5, "b": 0.5}


def test_pictures_that_would_collide_are_refused(trained, pictures):
    with pytest.raises(InputError, match="would be named p0.png"):
        main([str(trained), str(pictures), str(pictures / "p0.png")])


@pytest.mark.parametrize("model", ["model.keras", "int8.tflite"])
def test_a_picture_below_the_minimum_is_named(exported, tmp_path, model):
    path = tmp_path / "small.png"
    Image.fromarray(np.zeros((9, 60, 3), np.uint8)).save(path)
    with pytest.raises(InputError, match="small.png: .*9x60.*minimum of 16x16"):
        main([str(exported / model), str(path), "--output", str(tmp_path / "o")])


def test_missing_picture(trained):
    with pytest.raises(InputError, match="gone.jpg: no such image or folder"):
        main([str(trained), "gone.jpg"])


def test_passes_are_made(trained, pictures, tmp_path):
    options = ["--tile", "32x32", "--flip", "--scales", "0.75,1"]
    main([str(trained), str(pictures), *options, "--output", str(tmp_path / "out")])
    passes = TTA(tile=(32, 32), flip=True, scales=(0.75, 1.0))
    predictor = open_predictor(trained / "model.keras", tta=passes)
    with Image.open(tmp_path / "out" / "masks" / "p0.png") as mask:
        labels = predictor.predict(read_image(pictures / "p0.png")).labels
        np.testing.assert_array_equal(np.asarray(mask), labels)


def test_passes_that_cannot_be_leave_no_folder(exported, pictures, tmp_path):
    arguments = [str(exported / "int8.tflite"), str(pictures), "--flip"]
    with pytest.raises(InputError, match="outputs labels only"):
        main([*arguments, "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


# The highest so far of this process's own memory; getrusage would begin with its
# parent's, whose pages it had until it became another program.
PEAK = """
import sys
from kseg.core import backend

def megabytes():
    with open("/proc/self/status") as lines:
        return next(int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM"))

backend.start()
before = megabytes()
command, *arguments = sys.argv[1:]
__import__(f"kseg.cli.{command}", fromlist=["main"]).main(arguments)
print(before, megabytes())
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A folder with a photo of 12 megapixels, its mask, and a network of 21 classes as
    Keras and TFLite have it."""
    from kseg.deploy.conversion.tflite import convert
    from kseg.deploy.heads import logits
    from kseg.models import build_model, geometry
    from kseg.models.saving import save_model

    folder = tmp_path_factory.mktemp("large")
    image, mask = scenes.scene(0, 0, (3000, 4000))
    for name in ("one", "two"):
        for kind, array in ("images", image), ("masks", mask):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(folder / kind / f"{name}.png")
    names = tuple(f"class {index}" for index in range(21))
    classes = {"classes": [{"name": name} for name in names]}
    (folder / "classes.json").write_text(json.dumps(classes), encoding="utf-8")
    model = build_model("unet", 21)
    info = ModelInfo(names, palette(21), geometry=geometry(model))
    save_model(model, folder / "model.keras", info)
    path = folder / "logits.tflite"
    path.write_bytes(convert(model, "float32", (512, 512), logits, list))
    info.attach(path)
    return folder


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize(
    ("command", "model"),
    [("predict", "model.keras"), ("evaluate", "logits.tflite")],
)
def test_12_megapixels_of_21_classes_stay_under_a_gigabyte(large, command, model):
    """Beyond what TensorFlow takes to be imported. All scores at once would be 1 GB."""
    what = [str(large / "images" / "one.png"), "--output", str(large / "out")]
    if command == "evaluate":
        what = ["--data", str(large)]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, command, str(large / model), *what, "--full-size"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    before, peak = map(float, done.stdout.splitlines()[-1].split())
    print(f"{command} {model}: {before:.0f} MB imported, {peak:.0f} at most")
    assert 0 < peak - before < 1000


# --- groupings ---


@pytest.fixture
def strokes(pictures):
    """A masks folder beside the pictures: a stroke of class 1 and one of class 0."""
    folder = pictures.parent / "strokes"
    folder.mkdir()
    for index in range(2):
        mask = np.full((50, 70), 255, np.uint8)
        mask[25, 10:30] = index
        mask[5, 40:60] = 0
        Image.fromarray(mask).save(folder / f"p{index}.png")
    classes = [{"name": "ground"}, {"name": "thing", "color": [9, 8, 7]}]
    (pictures.parent / "classes.json").write_text(
        json.dumps({"classes": classes}), encoding="utf-8"
    )
    return folder


def read_mask(path):
    with Image.open(path) as mask:
        assert mask.mode == "P"
        return np.asarray(mask), mask.getpalette()


def test_a_grouping_writes_ids_of_segments(pictures, tmp_path, capsys):
    arguments = ["--segments", "30", "--output", str(tmp_path / "out")]
    main(["grouping:edges", str(pictures), *arguments])
    image = read_image(pictures / "p0.png")
    mask, colors = read_mask(tmp_path / "out" / "masks" / "p0.png")
    np.testing.assert_array_equal(mask, GROUPINGS["edges"](image, 30))
    assert colors[:3] == [128, 0, 0]
    assert read_image(tmp_path / "out" / "overlays" / "p0.jpg").shape == (50, 70, 3)
    assert "p0.png: segment " in capsys.readouterr().out
    assert not (tmp_path / "out" / "classes.json").exists()
    assert not (tmp_path / "out" / "legend.png").exists()


def test_strokes_become_segments_of_a_data_folder(pictures, strokes, tmp_path, capsys):
    """The pictures beside the masks that were written: ready to be trained on."""
    out = tmp_path / "out"
    arguments = ["--truth", str(strokes), "--output", str(out), "--json", "-"]
    main(["grouping:color", str(pictures), "--segments", "12", *arguments])
    shares = json.loads(capsys.readouterr().out)
    pictures.rename(out / "images")
    data = open_data(str(out))
    assert data.class_names == ("ground", "thing")
    for index, name in enumerate(("p0", "p1")):
        image = read_image(out / "images" / f"{name}.png")
        segments = GROUPINGS["color"](image, 12)
        with Image.open(strokes / f"{name}.png") as file:
            expected = label_by_majority(segments, np.asarray(file), 2)
        mask, colors = read_mask(out / "masks" / f"{name}.png")
        np.testing.assert_array_equal(mask, expected)
        assert colors[3:6] == [9, 8, 7]
        assert set(np.unique(mask)) == ({0, 255} if index == 0 else {0, 1, 255})
        unlabelled = shares[str(pictures / f"{name}.png")]["unlabelled"]
        assert unlabelled == pytest.approx((mask == 255).mean(), abs=1e-4)


def test_without_classes_ids_have_numbers(pictures, strokes, tmp_path, capsys):
    (pictures.parent / "classes.json").unlink()
    out = tmp_path / "out"
    main(
        ["grouping:color", str(pictures), "--truth", str(strokes), "--output", f"{out}"]
    )
    assert "class 0 " in capsys.readouterr().out
    assert read_mask(out / "masks" / "p0.png")[1][255 * 3 :] == [0, 0, 0]


def test_strokes_are_not_written_over(pictures, strokes, tmp_path):
    strokes.rename(tmp_path / "masks")
    arguments = ["--truth", str(tmp_path / "masks"), "--output", str(tmp_path)]
    with pytest.raises(InputError, match="would overwrite those of --truth"):
        main(["grouping:color", str(pictures), *arguments])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["grouping:hue", "{pictures}"], "unknown kind of grouping; use one of"),
        (["grouping:color", "{pictures}", "--segments", "1"], "--segments 1: .* 254"),
        (
            ["{run}", "{pictures}", "--segments", "9"],
            "--segments: applies to grouping:KIND only",
        ),
        (["{run}", "{pictures}", "--truth", "{strokes}"], "--truth names the segments"),
        (["grouping:color", "{pictures}", "--truth", "no"], "no: no such folder"),
        (
            ["grouping:color", "{other}", "--truth", "{strokes}"],
            "q.png: has no mask in",
        ),
        (["grouping:color", "{large}", "--truth", "{strokes}"], "50x70, .* is 60x70"),
    ],
)
def test_bad_use_of_groupings(trained, pictures, strokes, arguments, complaint):
    places = {"run": trained, "pictures": pictures, "strokes": strokes}
    for name, path in ("other", "q.png"), ("large", "large/p0.png"):
        places[name] = pictures.parent / path
        places[name].parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((60, 70, 3), np.uint8)).save(places[name])
    out = pictures.parent / "out"
    arguments = [argument.format(**places) for argument in arguments]
    with pytest.raises(InputError, match=complaint) as refusal:
        main([*arguments, "--output", str(out)])
    assert "\n" not in str(refusal.value) and refusal.value.status == 2
    assert not out.exists()
