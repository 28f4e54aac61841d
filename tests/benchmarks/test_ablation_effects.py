"""What each option of a comparison contributed."""

from pathlib import Path

import pytest

from benchmarks.ablation import read_variants, table
from benchmarks.ablation_effects import effects

ROOT = Path(__file__).resolve().parents[2]


def row(options, *values):
    named = {f"seed{index}": value for index, value in enumerate(values)}
    return {"options": options, "values": named}


def test_an_effect_is_the_mean_with_the_option_less_that_without_it():
    rows = [
        row({}, 1.0),
        row({"ema": 0.9}, 4.0),
        row({"width": 8}, 2.0),
        row({"ema": 0.9, "width": 8}, 6.0),
    ]
    ema, width = effects(rows)
    # (4 + 6) / 2 - (1 + 2) / 2 and (2 + 6) / 2 - (1 + 4) / 2
    assert (ema["option"], ema["value"]) == ("ema", 0.9)
    assert ema["effect"] == pytest.approx(3.5)
    assert width["effect"] == pytest.approx(1.5)
    # Four results, three unknowns: the rests are 1/4, -1/4, -1/4, 1/4. An effect is the
    # difference of two means of two results, each with the variance 4 * (1/16).
    assert ema["error"] == pytest.approx(0.5)


def test_values_of_one_option_and_seeds_are_told_apart():
    rows = [
        row({}, 1.0, 2.0),
        row({"ema": 0.9}, 1.5, None),
        row({"ema": 0.99, "width": 8}, None, 5.0),
        row({"width": 8}, 2.0, None),
    ]
    found = {(each["option"], each["value"]): each["effect"] for each in effects(rows)}
    assert found == {
        ("ema", 0.9): pytest.approx(0.5),
        ("ema", 0.99): pytest.approx(2.0),
        ("width", 8): pytest.approx(1.0),
    }


@pytest.mark.parametrize(
    "rows",
    [
        [row({}, 1.0), row({"ema": 0.9}, 2.0), row({"width": 8}, 3.0)],
        [row({}, 1.0), row({"ema": 0.9, "width": 8}, 2.0)],
        [row({}, None), row({"ema": 0.9, "width": 8}, None)],
    ],
    ids=["one option each", "always together", "without results"],
)
def test_where_nothing_can_be_added_to_the_differences(rows):
    assert effects(rows) == []


def test_the_options_of_the_defaults_are_told_apart():
    variants = read_variants(ROOT / "recipes" / "ablation" / "defaults.toml")
    truth = {name: 0.01 * index for index, name in enumerate(changed(variants))}
    rows = [
        row(options, 0.5 + sum(truth[name] for name in options))
        for options in changed_options(variants)
    ]
    assert len(rows) == 12 and len(truth) == 11
    assert {each["option"]: each["effect"] for each in effects(rows)} == {
        name: pytest.approx(value, abs=1e-12) for name, value in truth.items()
    }
    for name in truth:
        assert sum(name in options for options in changed_options(variants)) == 6


def changed_options(variants):
    base = variants["base"]
    return [
        {name: value for name, value in options.items() if base.get(name) != value}
        for options in variants.values()
    ]


def changed(variants):
    return sorted({name for options in changed_options(variants) for name in options})


def test_the_largest_effect_is_first_in_the_table():
    shown = {"headline": "mean_iou", "epoch_seconds": 1.0, "std": None, "mean": 0.5}
    rows = [{**row({}, 0.5), **shown, "name": "base", "difference": 0.0}]
    found = [
        {"option": "ema", "value": 0.9, "effect": -0.01, "error": 0.002},
        {"option": "batch_size", "value": 4, "effect": 0.02, "error": None},
    ]
    lines = table({"variants": rows, "effects": found}).splitlines()
    assert lines[-2].split() == ["--batch-size", "4", "+0.0200", "-"]
    assert lines[-1].split() == ["--ema", "0.9", "-0.0100", "0.0020"]
    assert len(table({"variants": rows, "effects": []}).splitlines()) == 3
