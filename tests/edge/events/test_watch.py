"""Measures and events in the camera loop."""

import numpy as np
import pytest

from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View
from edge.events.conditions import Comparison, Quantity
from edge.events.engine import Engine
from edge.events.rule import Rule
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.video.frames import Frame, Source
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone
from tests.support.engines import ArrayEngine

INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 9), (200, 100, 0)))
LEFT = Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
SHARE = Quantity("share", "bright", "left", "share(bright, left)")


class Threshold(ArrayEngine):
    """An engine that labels bright pixels."""

    def __init__(self):
        super().__init__((8, 8))

    def labels(self, image: np.ndarray) -> np.ndarray:
        return (image[..., 0] > 127).astype(np.uint8)


class Notes:
    wants_view = False

    def __init__(self):
        self.taken = []

    def take(self, displayed: DisplayFrame) -> None:
        self.taken.append(displayed)


def frames(levels):
    """Frames of 8x8, ten a second, whose left half has the given levels."""
    for index, level in enumerate(levels):
        image = np.zeros((8, 8, 3), np.uint8)
        image[:, :4] = level
        yield Frame(image, index / 10)


def run(levels, *sinks, limit=None):
    rule = Rule("glare", "...", Comparison(SHARE, ">", 0.5), cool_down_seconds=0)
    watch = Watch(Measurer(INFO, [LEFT], smoothing_seconds=0), Engine([rule], "cam"))
    feed = Feed(
        *(Source(frames(levels), "file"), SemanticPredictor(Threshold(), INFO)),
        *(sinks, Controls(View())),
        watch=watch,
    )
    loop = CameraLoop(feed)
    loop.run(limit)
    return loop


def test_sinks_get_measures_and_events():
    notes = Notes()
    loop = run((0, 255, 255, 0, 0), notes)
    values = [each.measures.value("share", "bright", "left") for each in notes.taken]
    assert values == [0, 1, 1, 0, 0]
    assert notes.taken[1].measures.value("share", "bright", "frame") == 0.5
    kinds = [[change.kind for change in each.events] for each in notes.taken]
    assert kinds == [[], ["started"], [], ["ended"], []]
    assert [len(each.running) for each in notes.taken] == [0, 1, 1, 0, 0]
    assert notes.taken[2].running[0].rule == "glare"
    ended = notes.taken[3].events[0].event
    assert (ended.start, ended.end, ended.reason) == (0.1, pytest.approx(0.3), "over")
    assert "zones" in loop.feeds[0].predictor.stages.summary()


@pytest.mark.parametrize(("limit", "reason"), [(None, "end of source"), (2, "stopped")])
def test_events_that_run_at_the_end_are_ended_with_a_reason(limit, reason):
    notes = Notes()
    run((0, 255, 255), notes, limit=limit)
    last = notes.taken[-1]
    assert last.redrawn and not last.running
    assert [(c.kind, c.event.reason) for c in last.events] == [("ended", reason)]


def test_an_error_of_a_sink_ends_events_for_the_others():
    class Broken(Notes):
        def take(self, displayed):
            if displayed.index == 2 and not displayed.redrawn:
                raise OSError("the disk")

    notes = Notes()
    with pytest.raises(OSError, match="the disk"):
        run((255, 255, 255, 255), notes, Broken())
    assert [c.event.reason for c in notes.taken[-1].events] == ["failed"]


def test_without_a_watch_there_are_no_measures():
    notes = Notes()
    source = Source(frames((0,)), "file")
    predictor = SemanticPredictor(Threshold(), INFO)
    CameraLoop(Feed(source, predictor, [notes], Controls(View()))).run()
    assert notes.taken[0].measures is None and notes.taken[0].events == ()
