"""Calls in other processes: their order, their results and their errors."""

import pytest

from edge.core.errors import InputError
from kseg.data import proposal_workers
from kseg.data.proposal_workers import workers


def write_number(folder, number, text):
    if number == 5 and text == "fail":
        raise InputError(f"{folder}: number 5")
    (folder / f"{number}.txt").write_text(text, encoding="utf-8")


@pytest.fixture(params=(1000, 2), ids=("here", "processes"))
def least(request, monkeypatch):
    monkeypatch.setattr(proposal_workers, "LEAST_ITEMS", request.param)


def test_every_number_is_called_once(least, tmp_path):
    with workers(write_number, (tmp_path,), ("yes",), 6) as run:
        assert len(list(run(range(6)))) == 6
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.txt" for n in range(6)}


def test_an_error_of_a_call_is_raised_here(least, tmp_path):
    with pytest.raises(InputError, match="number 5$"):
        with workers(write_number, (tmp_path,), ("fail",), 6) as run:
            list(run(range(6)))
