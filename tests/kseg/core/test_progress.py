import numpy as np
import pytest

from kseg.core.progress import (
    AHEAD,
    bar,
    evenly_spaced,
    in_parallel,
    reported_to,
    shown,
)


@pytest.mark.parametrize(
    ("total", "count", "indices"),
    [
        (10, 4, [0, 3, 6, 9]),
        (3, 4, [0, 1, 2]),
        (1, 4, [0]),
        (5, 1, [0]),
        (0, 4, []),
        (8, 5, [0, 2, 4, 5, 7]),  # of 3.5, rounded to even
    ],
)
def test_evenly_spaced(total, count, indices):
    assert evenly_spaced(total, count) == indices


@pytest.mark.parametrize("total", [7, 40, 367])
def test_evenly_spaced_begins_and_ends_with_the_ends(total):
    for count in range(2, total + 1):
        found = evenly_spaced(total, count)
        assert len(set(found)) == count and found[0] == 0 and found[-1] == total - 1
        assert np.ptp(np.diff(found)) <= 1


def test_in_parallel_keeps_the_order_and_the_first_failure():
    assert in_parallel(lambda x: x * x, [*range(50)], "squares") == [
        x * x for x in range(50)
    ]
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda x: 1 / x, [2, 1, 0], "inverses")


def test_progress_goes_to_a_function_that_asks_for_it(capsys):
    seen = []
    with reported_to(seen.append):
        assert [*bar(range(5), "counting", unit="image", mininterval=0)] == [*range(5)]
        with bar(total=4, text="training", mininterval=0) as shown:
            shown.set_postfix({"loss": "0.5000"}, refresh=False)
            shown.update(4)
    first = [x for x in seen if x.stage == "counting"]
    assert (first[-1].done, first[-1].total, first[-1].unit) == (5, 5, "image")
    assert [x.done for x in first] == sorted(x.done for x in first)
    assert seen[-1].stage == "training" and seen[-1].done == 4
    assert seen[-1].values == {"loss": "0.5000"} and seen[-1].seconds >= 0
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_again_after_the_block():
    with reported_to(lambda progress: None):
        pass
    assert bar([1], "one").disable  # no terminal here


def test_a_failure_ends_the_work_that_has_not_begun():
    done = []

    def work(number):
        done.append(number)
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        in_parallel(work, [0, *range(1, 10_000)], "inverses")
    assert len(done) <= 2 * AHEAD


def test_without_a_terminal_lines_show_the_time_left(caplog, monkeypatch):
    times = iter([0.0, 1.0, 3.0, 4.0, 14.0, 15.0])  # of the start and after each item
    monkeypatch.setattr("kseg.core.progress.time.monotonic", lambda: next(times))
    assert [*shown("abcde", "checking photos", 5)] == [*"abcde"]
    assert [record.getMessage() for record in caplog.records] == [
        "checking photos: 2 of 5, about 4 s left",  # 1.5 s each
        "checking photos: 4 of 5, about 4 s left",  # 3.5 s
    ]
