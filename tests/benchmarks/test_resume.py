import pytest

from benchmarks.resume import ResumeConfig, check_equal, run_kill_test, table
from edge.core.errors import GateFailed


def test_parts_that_differ_are_named():
    expected = {"weights/0": b"12", "optimizer/0": b"3", "history.csv": []}
    check_equal(expected, dict(expected), step=4)
    other = {**expected, "weights/0": b"13"}
    with pytest.raises(GateFailed, match="at step 4: 1 of 3 parts differ.*weights/0"):
        check_equal(expected, other, step=4)
    with pytest.raises(GateFailed, match="history.csv"):
        check_equal(expected, {"weights/0": b"12", "optimizer/0": b"3"}, step=4)


@pytest.mark.slow
def test_killed_trainings_end_bit_identical():
    """Kills and resumes a real training at a random time."""
    figures = run_kill_test(ResumeConfig(kills=1))
    assert len(figures["resumed_at_steps"]) == 1
    assert all(0 < step <= 24 for step in figures["resumed_at_steps"])
    assert "1 trainings killed and resumed, all results equal" in table(figures)
