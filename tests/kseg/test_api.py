"""The Python API on real files: small runs, trained once for all tests."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kseg
from kseg.core.names import __version__

ROOT = Path(__file__).parents[2]
TINY = {"model": "dense", "width": 2, "size": (32, 32), "batch_size": 4, "epochs": 1}


@pytest.fixture(scope="module")
def run(data_folder, tmp_path_factory):
    """A run of one epoch, made by the API."""
    folder = tmp_path_factory.mktemp("api") / "run"
    return kseg.train(data_folder, output=folder, **TINY)


@pytest.fixture(scope="module")
def files(run):
    """The run exported to int8, whatever it loses."""
    return kseg.export(run, quantize="int8", max_drop=1.0, calibration_images=4)


def test_the_public_names_are_there_and_said():
    assert kseg.__version__ == __version__
    for name in kseg.__all__:
        assert getattr(kseg, name) is not None, name
    assert set(kseg.__all__) <= set(dir(kseg))
    with pytest.raises(AttributeError, match="'kseg' has no attribute 'tarin'"):
        _ = kseg.tarin


def test_import_takes_no_framework():
    code = (
        "import sys, time; start = time.perf_counter(); import kseg; "
        "seconds = time.perf_counter() - start; "
        "print([m for m in ('numpy', 'cv2', 'keras', 'tqdm') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_run_has_typed_fields_and_shows_itself(run, capsys):
    assert run.folder.is_dir() and run.model.is_file()
    assert run.config.model == "dense" and not run.stopped
    assert run.metrics == json.loads(
        (run.folder / "metrics.json").read_text(encoding="utf-8")
    )
    assert [line["epoch"] for line in run.history] == [1]
    page = run._repr_html_()
    assert "mean iou" in page and "data:image/png;base64," in page
    assert kseg.Run.open(run.folder) == run
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_training_starts_from_a_run_and_reports_its_progress(
    run, data_folder, tmp_path, capsys, caplog
):
    """A run is a path wherever a folder is expected."""
    seen = []
    options = {"init_from": run, "output": tmp_path / "run", **TINY}
    with caplog.at_level(logging.INFO, "kseg"):
        again = kseg.train(data_folder, progress=seen.append, **options)
    assert str(again) == str(tmp_path / "run") and {again} == {again}
    assert again.config.init_from == str(run.folder)
    steps = [x for x in seen if x.unit == "step"]
    assert steps and steps[-1].done == steps[-1].total
    assert "loss" in steps[-1].values
    assert any("dense" in message for message in caplog.messages)
    assert capsys.readouterr().out == ""


def test_evaluation_is_a_mapping_with_a_headline(run, files):
    found = kseg.evaluate(run)
    assert found["mean_iou"] == pytest.approx(run.metrics["mean_iou"])
    assert found.headline == "mean_iou" and found.value == found["mean_iou"]
    assert found.split == "val" and "per_class_iou" in found
    assert "<th>class</th>" in found._repr_html_()
    of_file = kseg.evaluate(files["int8"], data=run.config.data)
    assert 0 <= of_file.value <= 1


def test_an_export_is_a_mapping_of_files(files):
    assert [*files] == ["int8"] and files["int8"].is_file()
    assert files.drops["int8"] == files.parity["int8"]["drop"]
    assert "<td>int8</td>" in files._repr_html_()


def test_a_gate_that_fails_hands_over_what_was_exported(run, monkeypatch):
    from kseg.deploy import parity

    real = parity.measure

    def worse(*args):
        measured = real(*args)
        measured["float32"]["drop"] = 0.5
        return measured

    monkeypatch.setattr("kseg.deploy.export.measure", worse)
    with pytest.raises(kseg.GateFailed, match="float32") as caught:
        kseg.export(run, quantize="float32", max_drop=0.1)
    assert caught.value.result.drops == {"float32": 0.5}


def test_a_loaded_model_predicts_an_image(run, files, data_folder):
    image = kseg.read_image(next((data_folder / "val" / "images").iterdir()))
    for model in (kseg.load(run), kseg.load(files["int8"])):
        result = model.predict(image)
        assert isinstance(result, kseg.SemanticMap)
        assert result.labels.shape == image.shape[:2]
        drawn = kseg.draw(image, result, model.info, outlines=True, legend=True)
        assert drawn.shape == image.shape and drawn.dtype == np.uint8
        assert sum(result.shares(model.info).values()) == pytest.approx(1)


def test_predictions_of_files_show_their_overlay(run, data_folder, tmp_path, capsys):
    images = sorted((data_folder / "val" / "images").iterdir())[:2]
    found = kseg.predict(run, images)
    assert [x.path for x in found] == images
    assert found[0]._repr_png_().startswith(b"\x89PNG")
    assert not Path("predictions").exists()
    written = kseg.predict(run, images[0], output=tmp_path / "out")
    assert len(written) == 1 and len([*(tmp_path / "out" / "masks").iterdir()]) == 1
    assert capsys.readouterr().out == ""


def test_a_stream_gives_frames_with_results(files):
    pairs = kseg.stream(files["int8"], "shapes")
    for _, (image, result) in zip(range(2), pairs, strict=False):
        assert image.ndim == 3 and result.labels.shape == image.shape[:2]
    pairs.close()


def test_report_doctor_summary_and_data(run, data_folder, tmp_path):
    page = kseg.report(run, output=tmp_path / "page.html")
    assert page.path.is_file() and page.figures and "page.html" in page._repr_html_()
    diagnosis = kseg.doctor(data_folder)
    assert diagnosis.ok == (diagnosis.errors == 0)
    assert "<th>severity</th>" in diagnosis._repr_html_()
    figures = kseg.summary("dense", width=2, size=(32, 32))
    assert figures["parameters"] > 0 and "parameters" in figures._repr_html_()
    data = kseg.open_data(data_folder)
    sample = data.split("val").read(0)
    assert sample.image.shape[:2] == sample.target.shape
    assert kseg.info()["kseg"] == __version__


def test_check_lists_issues(files):
    (issues,) = kseg.check(files["int8"]).values()
    assert all(issue.severity in ("error", "warning", "note") for issue in issues)


@pytest.mark.parametrize(
    ("call", "error", "reason"),
    [
        (lambda: kseg.train(epoch=1), TypeError, "did you mean epochs"),
        (lambda: kseg.train("no/such/folder"), kseg.InputError, "no/such/folder"),
        (lambda: kseg.train(epochs=0), kseg.InputError, "^epochs: '0'"),
        (lambda: kseg.train(json="x"), TypeError, "command line"),
        (
            lambda: kseg.train(config=kseg.TrainConfig(), epochs=1),
            TypeError,
            "not both",
        ),
        (
            lambda: kseg.train(
                distribute=True, coordinator="a:1", processes=2, process=0
            ),
            kseg.InputError,
            "from a shell",
        ),
        (lambda: kseg.export("RUN", sparsity=0.3), kseg.InputError, "has no effect"),
        (lambda: kseg.evaluate("RUN", threads=2), kseg.InputError, "has no effect"),
        (lambda: kseg.load("none.tflite"), kseg.InputError, "none.tflite"),
        (lambda: kseg.read_image("none.jpg"), kseg.InputError, "none.jpg"),
    ],
)
def test_bad_input_raises_one_line_and_never_exits(call, error, reason):
    with pytest.raises(error, match=reason) as caught:
        call()
    assert "\n" not in str(caught.value)


# The example of README.md and docs/python.md, on generated scenes.
EXAMPLE = """
import kseg

run = kseg.train("shapes", model="dense", width=2, size=(32, 32), epochs=1)
print(run.folder, run.metrics["mean_iou"])
files = kseg.export(run, quantize=["int8", "float16"], max_drop=1.0)
print(kseg.evaluate(files["int8"], data="shapes")["mean_iou"])

model = kseg.load(files["int8"])
image = kseg.read_image("street.png")
result = model.predict(image)
kseg.write_image("overlay.jpg", kseg.draw(image, result, model.info))
for name, share in result.shares(model.info).items():
    print(f"{name}: {share:.1%}")
"""


@pytest.mark.slow
def test_the_example_runs_away_from_the_checkout(tmp_path):
    kseg.write_image(tmp_path / "street.png", np.full((90, 120, 3), 99, np.uint8))
    command = [sys.executable, "-c", EXAMPLE]
    environment = {**__import__("os").environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, second, *shares = done.stdout.splitlines()
    assert first.startswith("saved_models") and 0 <= float(second) <= 1
    assert shares and all(line.endswith("%") for line in shares)
    assert (tmp_path / "overlay.jpg").is_file()


def test_resume_refuses_what_was_named_and_differs(run, data_folder):
    with pytest.raises(kseg.InputError, match="30"):
        kseg.train(output=run, resume=True, epochs=30)


def test_a_configuration_is_checked_as_keywords_are(tmp_path):
    config = kseg.TrainConfig(epochs=0, output=str(tmp_path / "run"))
    with pytest.raises(kseg.InputError, match="^epochs: '0'"):
        kseg.train(config=config)
    with pytest.raises(TypeError, match="config is a TrainConfig, not dict"):
        kseg.train(config={"epochs": 1})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("street.jpg", "an array, and this is of the type str"),
        (np.zeros((4, 4, 4), np.uint8), r"this is \(4, 4, 4\) uint8"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
    ],
)
def test_what_is_not_an_image_is_refused(run, image, reason, tmp_path):
    with pytest.raises(kseg.InputError, match=reason):
        kseg.load(run).predict(image)
    with pytest.raises(kseg.InputError, match=reason):
        kseg.write_image(tmp_path / "x.png", image)


def test_drawing_needs_the_image_of_the_result(run):
    model = kseg.load(run)
    result = model.predict(np.zeros((40, 48, 3), np.uint8))
    with pytest.raises(kseg.InputError, match="40x40 and its result 40x48"):
        kseg.draw(np.zeros((40, 40, 3), np.uint8), result, model.info)
    with pytest.raises(kseg.InputError, match="opacity 7"):
        kseg.draw(np.zeros((40, 48, 3), np.uint8), result, model.info, opacity=7)
    grey = kseg.draw(np.zeros((40, 48), np.uint8), result, model.info)
    assert grey.shape == (40, 48, 3)


def test_a_video_is_written_frame_by_frame(tmp_path):
    frames = (np.full((48, 64, 3), 40 * k, np.uint8) for k in range(5))
    assert kseg.write_video(tmp_path / "out.mp4", frames, fps=10) == 5
    seen = [*kseg_frames(tmp_path / "out.mp4")]
    assert len(seen) == 5 and abs(int(seen[3].mean()) - 120) < 12
    with pytest.raises(kseg.InputError, match="out.txt"):
        kseg.write_video(tmp_path / "out.txt", [])


def kseg_frames(path):
    """The frames of a video file, RGB."""
    from edge.video.sources import open_source

    with open_source(str(path)) as source:
        for frame in source.frames:
            yield frame.image[..., ::-1]


def test_predictions_show_their_first_overlays(run, data_folder):
    found = kseg.predict(run, (x for x in [data_folder / "val" / "images"]))
    page = found._repr_html_()
    assert page.startswith(f"<p><b>{len(found)} images")
    assert page.count("data:image/png;base64,") == len(found)
    assert found[0] == found[0] and found[0] != found[1]


def test_engines_of_files_only(run, files):
    with pytest.raises(kseg.InputError, match="engine 'tpu' is not one of auto"):
        kseg.load(files["int8"], engine="tpu")
    with pytest.raises(kseg.InputError, match="for .tflite and .onnx files"):
        kseg.load(run, engine="cpu")
    with pytest.raises(kseg.InputError, match="threads -1"):
        kseg.load(files["int8"], threads=-1)
