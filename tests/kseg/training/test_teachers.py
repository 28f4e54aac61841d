"""Which runs can be teachers, and what they predict."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.metadata import info_of
from kseg.core.configs import fold_folder
from kseg.core.fold_runs import Fold, write_fold
from kseg.core.runs import BEST, CONFIG, write_json
from kseg.models.saving import load_model, save_model
from kseg.training.teachers import (
    Predictions,
    check_same_teachers,
    find_teachers,
    record_of_teachers,
    resized,
    softened,
    warn_of_another_division,
    warn_of_seen_images,
)


@pytest.fixture
def teacher(plain_run):
    """A run that tests only read."""
    return plain_run


@pytest.fixture
def copied(teacher, tmp_path):
    folder = tmp_path / "copied"
    shutil.copytree(teacher, folder)
    return folder


def refused(configure, data, *names) -> str:
    config = configure("out", teacher=tuple(map(str, names)))
    with pytest.raises(InputError) as caught:
        find_teachers(config, data)
    message = str(caught.value)
    assert message.startswith("--teacher ") and "\n" not in message
    return message


def test_a_run_is_recorded_with_its_fingerprint(tiny, tiny_config, teacher, copied):
    config = tiny_config("out", teacher=(str(teacher), str(copied)))
    found = find_teachers(config, tiny)
    assert [each.model for each in found] == [teacher / BEST, copied / BEST]
    record = record_of_teachers(found)
    first, second = record["teachers"]
    assert first["run"] == str(teacher) and len(first["fingerprint"]) == 16
    assert first["fingerprint"] == second["fingerprint"]
    assert record_of_teachers([]) == {}


def test_the_finished_folds_of_a_k_fold_run_are_teachers(
    tiny, tiny_config, teacher, tmp_path
):
    write_json(tmp_path / CONFIG, {"config": {"folds": 3}})
    for fold in (2, 0, 1):
        folder = fold_folder(tmp_path, fold)
        shutil.copytree(teacher, folder)
        write_fold(folder, Fold([], finished=fold != 1))
    config = tiny_config("out", teacher=(str(tmp_path), str(tmp_path / "fold1")))
    found = [each.model.parent.name for each in find_teachers(config, tiny)]
    assert found == ["fold0", "fold2", "fold1"]


def test_a_run_that_is_named_twice_is_refused(tiny, tiny_config, teacher):
    assert "names a run twice" in refused(tiny_config, tiny, teacher, teacher)


def test_what_is_no_run_is_refused(tiny, tiny_config, copied, tmp_path):
    missing = tmp_path / "missing"
    assert "missing: no such run" in refused(tiny_config, tiny, missing)
    assert "is a file; give the run" in refused(tiny_config, tiny, copied / BEST)
    assert "has no model.keras; kseg train" in refused(tiny_config, tiny, tmp_path)
    (copied / BEST).unlink()
    assert "has no model.keras: training ended" in refused(tiny_config, tiny, copied)


def test_other_classes_are_refused(tiny, tiny_config, teacher):
    """Names or their order."""
    for names in (tiny.class_names[::-1], tiny.class_names[1:]):
        data = replace(tiny, class_names=names)
        message = refused(tiny_config, data, teacher)
        assert "has the classes class 0, class 1, class 2" in message
        assert f"but {tiny.name} has {names[0]}, " in message
        assert "the same classes in the same order" in message


def test_another_task_is_refused(tiny, tiny_config, copied):
    info = replace(info_of(copied / BEST), task="instance")
    save_model(load_model(copied / BEST), copied / BEST, info)
    assert "its task is instance; give" in refused(tiny_config, tiny, copied)


def test_other_channels_are_refused(tiny, tiny_config, copied):
    record = json.loads((copied / CONFIG).read_text(encoding="utf-8"))
    record["data"]["channels"] = 1
    (copied / CONFIG).write_text(json.dumps(record), encoding="utf-8")
    assert "images of 1 channels, but those of" in refused(tiny_config, tiny, copied)


def test_a_teacher_that_changed_is_refused():
    then = {"teachers": [{"run": "old", "fingerprint": "a"}]}
    moved = {"teachers": [{"run": "new", "fingerprint": "a"}]}
    check_same_teachers(moved, then)
    check_same_teachers({}, {})
    changed = {"teachers": [{"run": "new", "fingerprint": "b"}]}
    with pytest.raises(InputError, match="--teacher new: has changed since"):
        check_same_teachers(changed, then)
    with pytest.raises(InputError, match="--teacher: 1 runs, .* with 0; leave"):
        check_same_teachers(then, {})


# --- predictions ---


def test_softened_probabilities_by_hand():
    """Odds of 1 : 16 become 1 : 4 at T = 2."""
    share = np.float32([[[1 / 17, 16 / 17]]])
    expected = [[[0.2, 0.8]]]
    for scores, head in ((np.log(share), "logits"), (share, "probabilities")):
        np.testing.assert_allclose(softened(scores, head, 2.0), expected, rtol=1e-5)


def test_resizing_to_half_takes_means():
    values = np.arange(8, dtype=np.float32).reshape(2, 4, 1)
    assert resized(values, (1, 2))[..., 0].tolist() == [[2.5, 4.5]]
    assert resized(values, (2, 4)) is values


def logits_of(folder, image: np.ndarray) -> np.ndarray:
    return load_model(folder / BEST)([image[None].astype(np.float32)]).numpy()[0]


def halved(values: np.ndarray) -> np.ndarray:
    height, width, classes = values.shape
    return values.reshape(height // 2, 2, width // 2, 2, classes).mean((1, 3))


def test_the_prediction_is_the_mean_of_an_image_and_its_mirror(
    tiny, tiny_config, teacher
):
    config = tiny_config("out", teacher=(str(teacher),), teacher_flip=True)
    (found,) = find_teachers(config, tiny)
    image = tiny.split("train").read(3).image
    first = halved(softened(logits_of(teacher, image), "logits", 2.0))
    mirror = softened(logits_of(teacher, image[:, ::-1]), "logits", 2.0)
    expected = (first + halved(mirror)[:, ::-1]) / 2
    predicted = Predictions(config, found, tiny).of(3, (16, 16))
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    np.testing.assert_allclose(predicted.sum(-1), 1, atol=1e-5)


def test_scales_are_averaged_at_one_size(tiny, tiny_config, teacher):
    config = tiny_config("out", teacher=(str(teacher),), teacher_scales=(0.5, 1, 2))
    (found,) = find_teachers(config, tiny)
    predictions = Predictions(config, found, tiny)
    image = tiny.split("train").read(0).image
    parts = [predictions.single(image, (16, 16), scale, False) for scale in (0.5, 1, 2)]
    mean = predictions.of(0, (16, 16))
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), atol=1e-6)
    assert mean.shape == (16, 16, tiny.num_classes)


def test_scores_that_are_not_finite_are_refused(tiny, tiny_config, copied):
    """Stored, they would be pixels without soft labels."""
    network, info = load_model(copied / BEST), info_of(copied / BEST)
    network.set_weights([np.full_like(w, 1e30) for w in network.get_weights()])
    save_model(network, copied / BEST, info)
    config = tiny_config("out", teacher=(str(copied),))
    (found,) = find_teachers(config, tiny)
    with pytest.raises(InputError, match="s0.*: its scores are not finite"):
        Predictions(config, found, tiny).of(0, (16, 16))


def test_a_scale_below_the_networks_minimum_is_one_line(tiny, tiny_config, teacher):
    config = tiny_config("out", teacher=(str(teacher),), teacher_scales=(0.01,))
    (found,) = find_teachers(config, tiny)
    predictions = Predictions(config, found, tiny)
    info = predictions.predictor.info
    larger = replace(info, geometry=replace(info.geometry, minimum=2))
    predictions.predictor.info = larger
    with pytest.raises(InputError, match="s0.png: is smaller than the network's min"):
        predictions.of(0, (16, 16))


def test_a_moved_teacher_of_a_resumed_run_is_asked_for(tiny, tiny_config, tmp_path):
    config = tiny_config("out", teacher=(str(tmp_path / "gone"),), resume=True)
    with pytest.raises(InputError) as caught:
        find_teachers(config, tiny)
    assert str(caught.value) == (
        f"--teacher {tmp_path}/gone: no such run folder or model file; if it has "
        "moved, give its new place: --resume --teacher NEW"
    )


def test_teachers_that_have_seen_the_images_of_folds_are_named(
    tiny, tiny_config, teacher, copied, caplog
):
    other = json.loads((copied / CONFIG).read_text(encoding="utf-8"))
    other["data"] |= {"name": "other", "fingerprint": "of others"}
    write_json(copied / CONFIG, other)
    warn_of_seen_images(tiny_config("out", folds=2, teacher=(str(copied),)), tiny)
    assert caplog.text == ""
    both = str(copied), str(teacher)
    warn_of_seen_images(tiny_config("out", folds=2, teacher=both), tiny)
    assert caplog.messages == [
        f"--teacher {teacher}: was trained on images of {tiny.name}, with which the "
        "folds are validated, so their values are too high"
    ]


def test_a_teacher_of_another_division_of_the_images_is_named(
    tiny, tiny_config, teacher, copied, caplog
):
    """As of another seed, where there is no val split."""
    config = tiny_config("out", teacher=(str(teacher), str(copied)))
    warn_of_another_division(find_teachers(config, tiny), tiny)
    assert caplog.text == ""
    record = json.loads((copied / CONFIG).read_text(encoding="utf-8"))
    record["data"]["fingerprint"] = "of another seed"
    write_json(copied / CONFIG, record)
    warn_of_another_division(find_teachers(config, tiny), tiny)
    (message,) = caplog.messages
    assert message.startswith(
        f"--teacher {copied}: was trained on {tiny.name} when its"
    )
    assert "measure on --split test" in message
