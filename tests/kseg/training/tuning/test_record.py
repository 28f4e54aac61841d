"""What a search writes."""

import json
from types import SimpleNamespace

from kseg.cli.parser import parse
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, HISTORY
from kseg.training.tuning.record import (
    BEST_OPTIONS,
    TRIALS,
    to_toml,
    trial_folder,
    write_search,
)


def trial(number, state, value, **options):
    notes = {
        "options": options,
        "seconds": 2.0,
        "ended": "pruned" * (state == "PRUNED"),
    }
    return SimpleNamespace(
        number=number,
        state=SimpleNamespace(name=state),
        value=value,
        params=options,
        intermediate_values={} if value is None else {1: value / 2, 2: value},
        user_attrs=notes,
    )


TRIED = [
    trial(0, "COMPLETE", 0.5, loss="ce"),
    trial(1, "COMPLETE", 0.75, loss="ce+dice"),
    trial(2, "PRUNED", 0.8, loss="ohem"),  # not trained to its end: not the best
    trial(3, "FAIL", None, loss="ce"),
    trial(4, "RUNNING", None, loss="ce"),
]
FACTS = {"headline": "mean_iou", "epochs": 4}


def test_the_best_options_can_be_given_to_a_training(tmp_path):
    fixed = {"data": 'my "photos"', "size": (64, 96), "flip": False, "width": 4}
    found = write_search(tmp_path, fixed, TRIED, FACTS)
    assert found["best"] == 1
    path = tmp_path / BEST_OPTIONS
    assert path.read_text(encoding="utf-8").startswith("# trial 1: mean_iou 0.7500 ")
    config = parse(TrainConfig, "kseg train", "", ["--config", str(path)])
    assert config == TrainConfig(**fixed, loss="ce+dice")


def test_the_table_of_trials(tmp_path):
    found = write_search(tmp_path, {}, TRIED, FACTS)
    assert found == json.loads((tmp_path / TRIALS).read_text(encoding="utf-8"))
    rows = [(t["state"], t["value"], t["epochs"], t["ended"]) for t in found["trials"]]
    assert rows == [
        ("complete", 0.5, 2, ""),
        ("complete", 0.75, 2, ""),
        ("pruned", 0.8, 2, "pruned"),
        ("failed", None, 0, ""),
    ]


def test_weights_are_kept_of_the_best_trial_alone(tmp_path):
    for number in range(3):
        trial_folder(tmp_path, number).mkdir()
        for name in (BEST, HISTORY):
            (trial_folder(tmp_path, number) / name).write_bytes(b"")
    write_search(tmp_path, {}, TRIED, FACTS)
    kept = [(trial_folder(tmp_path, n) / BEST).is_file() for n in range(3)]
    assert kept == [False, True, False]
    assert all((trial_folder(tmp_path, n) / HISTORY).is_file() for n in range(3))


def test_no_best_options_without_a_complete_trial(tmp_path):
    assert write_search(tmp_path, {}, TRIED[2:], FACTS)["best"] is None
    assert not (tmp_path / BEST_OPTIONS).exists()


def test_toml_can_hold_any_text():
    import tomllib

    values = {"data": 'a\\b "c" \x7f é', "rate": 1e-05, "on": True, "n": 3}
    assert tomllib.loads(to_toml(values)) == values
