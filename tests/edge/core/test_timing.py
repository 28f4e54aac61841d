"""Times and rates with a clock set by the test."""

import pytest

from edge.core.timing import WARM_UP, Rate, StageTimer, time_in_turns


def stages_of(millis: list[float]) -> StageTimer:
    """Stages with these times of "work", in order."""
    ticks = iter([tick for m in millis for tick in (0.0, m / 1e3)])
    stages = StageTimer(clock=lambda: next(ticks))
    for _ in millis:
        with stages.stage("work"):
            pass
    return stages


@pytest.mark.parametrize(
    ("millis", "p50", "p95"),
    [
        ([10], 10, 10),
        # Between 10 and 20, 0.5 and 0.95 of the way.
        ([10, 20], 15, 19.5),
        # Five in order: the third; 0.95 * 4 = 3.8, so 4 + 0.8 * (100 - 4).
        ([4, 1, 100, 2, 3], 3, 80.8),
        # Six are too few to drop any: between 3 and 4; 0.95 * 5 = 4.75.
        ([6, 5, 4, 3, 2, 1], 3.5, 5.75),
        # Of seven the first three are warm-up, which leaves 1, 2, 3, 4.
        ([900, 800, 700, 1, 2, 3, 4], 2.5, 3.85),
    ],
)
def test_median_and_95th_percentile(millis, p50, p95):
    assert WARM_UP == 3
    assert stages_of(millis).summary() == {"work": {"p50": p50, "p95": p95}}


def test_stages_are_timed_separately():
    ticks = iter([0.0, 0.001, 0.001, 0.004])
    stages = StageTimer(clock=lambda: next(ticks))
    for name in ("capture", "draw"):
        with stages.stage(name):
            pass
    summary = stages.summary()
    assert list(summary) == ["capture", "draw"]
    assert (summary["capture"]["p50"], summary["draw"]["p50"]) == (1, 3)


def test_a_stage_that_fails_is_not_counted():
    stages = StageTimer()
    with pytest.raises(ZeroDivisionError), stages.stage("work"):
        1 / 0  # noqa: B018
    assert stages.summary() == {}


def test_without_times_the_summary_is_empty():
    assert StageTimer().summary() == {}


@pytest.mark.parametrize(
    ("times", "window", "fps"),
    [
        ([], 0, 0.0),
        ([1.0], 0, 0.0),
        ([1.0, 1.0], 0, 0.0),
        # Five frames a quarter of a second apart: four intervals in one second.
        ([0.0, 0.25, 0.5, 0.75, 1.0], 0, 4.0),
        # Only the last three: two intervals in half a second.
        ([0.0, 5.0, 5.25, 5.5], 3, 4.0),
    ],
)
def test_fps_counts_intervals(times, window, fps):
    ticks = iter(times)
    rate = Rate(window, clock=lambda: next(ticks))
    for _ in times:
        rate.tick()
    assert rate.fps == fps


def test_the_last_time_of_a_stage_can_be_read_and_discarded():
    stages = stages_of([10, 20])
    assert stages.last("work") == {"work": pytest.approx(20)}
    stages.discard_last("work")
    assert stages.last("work") == {"work": pytest.approx(10)}
    stages.discard_last("work")
    assert stages.summary() == {}


# Interleaved timing


class Work:
    """Calls with their own clock: slow after another call, fast when repeated."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def call(self, name: str, slow: float, fast: float):
        def run() -> None:
            self.now += fast if self.order[-1:] == [name] else slow
            self.order.append(name)

        return run

    def turns(self, **limits):
        calls = {"a": self.call("a", 0.5, 0.25), "b": self.call("b", 1.0, 0.125)}
        return time_in_turns(calls, clock=lambda: self.now, **limits)


def test_calls_alternate_and_the_second_of_two_runs_is_counted():
    work = Work()
    assert work.turns(rounds=3) == {"a": [250.0] * 3, "b": [125.0] * 3}
    assert work.order == ["a", "a", "b", "b"] * 3


@pytest.mark.parametrize(
    ("seconds", "rounds"),
    # A round takes 0.5 + 0.25 + 1 + 0.125 = 1.875 s.
    [(0.0, 1), (1.0, 1), (1.875, 2), (2.0, 2), (5.0, 3), (100.0, 4)],
)
def test_no_round_starts_after_the_time_limit(seconds, rounds):
    work = Work()
    times = work.turns(rounds=4, seconds=seconds)
    assert work.order == ["a", "a", "b", "b"] * rounds  # a round is always completed
    assert [len(each) for each in times.values()] == [rounds] * 2


def test_without_calls_the_result_is_empty():
    assert time_in_turns({}, rounds=3) == {}
