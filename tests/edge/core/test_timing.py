"""Times and rates, on a clock that the test sets."""

import pytest

from edge.core.timing import WARM_UP, Rate, StageTimer


def stages_of(millis: list[float]) -> StageTimer:
    """Stages in which "work" took these times, in order."""
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
        # Six are too few to leave any out: between 3 and 4; 0.95 * 5 = 4.75.
        ([6, 5, 4, 3, 2, 1], 3.5, 5.75),
        # Of seven the first three are warm-up, which leaves 1, 2, 3, 4.
        ([900, 800, 700, 1, 2, 3, 4], 2.5, 3.85),
    ],
)
def test_median_and_95th_percentile(millis, p50, p95):
    assert WARM_UP == 3
    assert stages_of(millis).summary() == {"work": {"p50": p50, "p95": p95}}


def test_stages_are_kept_apart():
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


def test_nothing_measured_is_nothing():
    assert StageTimer().summary() == {}


@pytest.mark.parametrize(
    ("times", "window", "fps"),
    [
        ([], 0, 0.0),
        ([1.0], 0, 0.0),
        ([1.0, 1.0], 0, 0.0),
        # Five frames a quarter of a second apart: four intervals in one second.
        ([0.0, 0.25, 0.5, 0.75, 1.0], 0, 4.0),
        # The last three alone: two intervals in half a second.
        ([0.0, 5.0, 5.25, 5.5], 3, 4.0),
    ],
)
def test_fps_counts_intervals(times, window, fps):
    ticks = iter(times)
    rate = Rate(window, clock=lambda: next(ticks))
    for _ in times:
        rate.tick()
    assert rate.fps == fps


def test_the_last_time_of_a_stage_can_be_asked_for_and_left_out():
    stages = stages_of([10, 20])
    assert stages.last("work") == {"work": pytest.approx(20)}
    stages.forget("work")
    assert stages.last("work") == {"work": pytest.approx(10)}
    stages.forget("work")
    assert stages.summary() == {}
