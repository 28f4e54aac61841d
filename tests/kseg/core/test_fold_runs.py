"""Folders of a k-fold training, and names of several models."""

import json

import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig, to_record
from kseg.core.fold_runs import (
    FOLD,
    Fold,
    is_several,
    read_fold,
    resolve_runs,
    trained_folds,
    write_fold,
)
from kseg.core.runs import BEST, CONFIG, count_folds, find_model


def run(folder, **options):
    """A run folder, as far as it is looked at here."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"config": to_record(TrainConfig(**options)), "data": {}}
    (folder / CONFIG).write_text(json.dumps(content), encoding="utf-8")
    if options.get("fold") is not None or not options.get("folds"):
        (folder / BEST).write_bytes(b"")
    return folder


@pytest.fixture
def folds(tmp_path):
    """Three folds; the last one is not finished."""
    folder = run(tmp_path / "k", folds=3)
    for number in range(3):
        each = run(folder / f"fold{number}", folds=3, fold=number)
        write_fold(each, Fold([f"train/{number}.png"], finished=number < 2))
    return folder


def test_the_folder_of_a_fold_is_inside_that_of_all():
    assert str(TrainConfig(output="a", folds=3).run_folder) == "a"
    assert TrainConfig(output="a", folds=3, fold=2).run_folder.parts == ("a", "fold2")
    assert TrainConfig(folds=4).run_folder.name == "shapes-unet-plain-folds4"


def test_a_k_fold_run_is_told_from_its_folds_and_other_runs(folds, tmp_path):
    single = run(tmp_path / "single")
    assert count_folds(folds) == 3
    assert [count_folds(p) for p in (folds / "fold0", single, tmp_path)] == [0, 0, 0]
    for model in (folds, f"{single},{folds}", "a,b"):
        assert is_several(str(model))
    assert not is_several(str(single)) and not is_several("grouping:color")
    comma = run(tmp_path / "a,b")
    assert not is_several(str(comma)) and resolve_runs(str(comma)) == [comma]


def test_names_are_resolved_to_runs(folds, tmp_path):
    single = run(tmp_path / "single")
    both = [folds / "fold0", folds / "fold1"]
    assert resolve_runs(str(folds)) == both == trained_folds(folds)
    assert resolve_runs(str(single)) == [single]
    assert resolve_runs(f"{single},{folds}") == [single, *both]
    assert resolve_runs(f"{folds}/fold2,{single / BEST}") == [
        folds / "fold2",
        single / BEST,
    ]


def test_names_that_are_wrong_are_one_line(folds, tmp_path):
    single = run(tmp_path / "single")
    for model, message in {
        f"{single},": "has an empty name",
        f"{single},{tmp_path / 'gone'}": "gone: no such run folder",
        f"{single},{single}": "names a run twice",
        f"{folds},{folds}/fold1": "names a run twice",
        str(tmp_path): f"has no {BEST}",
    }.items():
        with pytest.raises(InputError, match=message):
            resolve_runs(model)


def test_what_needs_one_model_says_which_there_are(folds):
    with pytest.raises(
        InputError, match="has 3 folds .* such as .*fold0, or .*--teacher"
    ):
        find_model(str(folds))


def test_no_finished_fold_says_how_to_go_on(folds):
    for number in range(3):
        write_fold(folds / f"fold{number}", Fold([]))
    with pytest.raises(
        InputError, match=r"no fold is finished; .* --output .*--resume"
    ):
        trained_folds(folds)


def test_a_fold_is_read_as_it_was_written(tmp_path):
    fold = Fold(["train/ä.png"], finished=True)
    write_fold(tmp_path / "f", fold)
    assert read_fold(tmp_path / "f") == fold
    (tmp_path / "f" / FOLD).write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        read_fold(tmp_path / "f")
    with pytest.raises(InputError, match="is missing"):
        read_fold(tmp_path)
