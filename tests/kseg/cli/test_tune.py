"""The command kseg tune: bad input, and the exit status."""

import pytest

from edge.core.errors import InputError
from kseg.cli.tune import main

pytest.importorskip("optuna")
FOUND = {"best": None, "headline": "mean_iou", "importance": {}, "trials": []}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hours", "0"], "--hours 0: must be over 0"),
        (["--scale", "0.5"], "--scale 0.5: must be 1 or more"),
        (["--hours", "x"], "'x' is not a number"),
        (["--folds", "3"], "unrecognized arguments"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_bad_input_is_one_line(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        main(options)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("stopped", [True, False])
def test_a_search_without_a_complete_trial(stopped, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        "kseg.training.tuning.search.tune", lambda config, given: (FOUND, stopped)
    )
    if stopped:
        assert main(["--output", str(tmp_path)]) == 130
    else:
        with pytest.raises(InputError, match="no trial was complete in time"):
            main(["--output", str(tmp_path)])
    assert "Next" not in capsys.readouterr().out
