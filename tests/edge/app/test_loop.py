"""The camera loop: its sinks, drawing, and how it ends."""

import time

import numpy as np
import psutil
import pytest

from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.app.stats import statistics, table
from edge.core.errors import GateFailed
from edge.core.interrupts import Interrupt
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View, toggle_class
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.predict.smoothing import VoteSmoother
from edge.video.frames import Frame, Source
from tests.support.engines import ArrayEngine
from tests.support.object_results import DETECTION, Counted, Repeated, detections
from tests.support.viewer import watch_of

INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 9), (200, 100, 0)))
SIZE = (120, 300)
LONG = 60  # seconds, the time limit of tests that may hang


class Threshold(ArrayEngine):
    """An engine that labels bright pixels."""

    def __init__(self):
        super().__init__(SIZE)

    def labels(self, image: np.ndarray) -> np.ndarray:
        return (image[..., 0] > 127).astype(np.uint8)


class Notes:
    """A sink that stores all frames."""

    def __init__(self, wants_view: bool = True):
        self.wants_view, self.taken = wants_view, []

    def take(self, displayed: DisplayFrame) -> None:
        self.taken.append(displayed)


def make_frames(count: int):
    for index in range(count):
        yield Frame(np.full((*SIZE, 3), 20 * index, np.uint8), index / 10)


def live(source: Source, *sinks, controls=None) -> CameraLoop:
    controls = controls or Controls(View())
    predictor = SemanticPredictor(Threshold(), INFO)
    return CameraLoop(Feed(source, predictor, sinks, controls))


def test_sinks_get_every_frame_in_order():
    notes = Notes()
    loop = live(Source(make_frames(12), "file"), notes)
    loop.run()
    assert [displayed.index for displayed in notes.taken] == list(range(12))
    assert [displayed.seconds for displayed in notes.taken] == [
        i / 10 for i in range(12)
    ]
    assert not any(displayed.redrawn for displayed in notes.taken)
    last = notes.taken[-1]
    assert (last.result.labels == 1).all()
    # Far from legend and caption: half of 220 and half of the colour, in BGR.
    assert last.view[-5, -5].tolist() == [110, 160, 210]
    stages = {"capture", "preprocess", "inference", "postprocess", "draw"}
    assert set(last.millis) == stages
    assert (loop.rate.count, loop.dropped) == (12, 0)


def test_sinks_are_told_how_many_frames_were_dropped():
    class Slow(Notes):
        def take(self, displayed):
            super().take(displayed)
            time.sleep(0.05)

    def fast():
        for frame in make_frames(12):
            yield frame
            time.sleep(0.01)

    notes = Slow()
    loop = live(Source(fast(), "camera", live=True), notes)
    loop.run()
    told = [displayed.dropped for displayed in notes.taken]
    assert told[0] == 0 and told == sorted(told)
    assert 0 < told[-1] <= loop.dropped


def test_objects_and_crossings_are_counted():
    found = detections((0, 0.9, 20, 40, 60, 80), (2, 0.5, 0, 0, 3, 2), size=SIZE)
    notes, predictor = Notes(), Repeated(found, DETECTION)
    feed = Feed(
        *(Source(make_frames(3), "file"), predictor, [notes], Controls(View())),
        *(lambda result: result[np.array([0])], Counted(), "track"),
    )
    loop = CameraLoop(feed)
    loop.run()
    assert list(feed.objects) == [1, 1, 1]
    assert [displayed.crossings["dog"]["up"] for displayed in notes.taken] == [1, 2, 3]
    assert "track" in notes.taken[0].millis
    # A caption with them, darkened to a third: the second frame has no rate yet.
    assert (notes.taken[1].view[-10:, 2] == 20 // 3).all()
    stats = statistics(loop)
    assert stats["objects"] == {"p50": 1.0, "p95": 1.0}
    assert stats["crossings"] == {"dog": {"down": 0, "up": 3}}
    lines = [" ".join(line.split()) for line in table(stats).splitlines()]
    assert lines[-2:] == ["objects 1.0 1.0 a frame", "dog crossed: 0 down, 3 up"]


def test_nothing_is_drawn_without_a_viewer():
    notes = Notes(wants_view=False)
    loop = live(Source(make_frames(3), "file"), notes)
    loop.run()
    assert [displayed.view for displayed in notes.taken] == [None] * 3
    assert "draw" not in loop.feeds[0].predictor.stages.summary()


def test_after_a_sink_has_failed_the_others_still_get_the_frame_and_its_events():
    class Full(Notes):
        def take(self, displayed):
            raise GateFailed("the disk is full")

    notes, controls = Notes(), Controls(View())
    feed = Feed(
        *(Source(make_frames(3), "file"), SemanticPredictor(Threshold(), INFO)),
        *([Full(), notes], controls),
        watch=watch_of(info=INFO),
    )
    with pytest.raises(GateFailed, match="the disk is full"):
        CameraLoop(feed).run()
    changes = [change for displayed in notes.taken for change in displayed.events]
    assert [(change.kind, change.event.reason) for change in changes] == [
        ("started", ""),  # dark from the first frame on
        ("ended", "failed"),
    ]


def test_a_limit_ends_the_loop():
    notes = Notes()
    live(Source(make_frames(1000), "file"), notes).run(limit=4)
    assert len(notes.taken) == 4


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("paused", [False, True])
def test_a_signal_whose_exception_was_dropped_ends_the_loop(paused):
    """As Python drops one that is raised while it removes an object."""
    controls, interrupt = Controls(View()), Interrupt()

    class Removed:
        def __del__(self):
            interrupt()

    class Viewer(Notes):
        def take(self, displayed):
            super().take(displayed)
            controls.paused = paused
            Removed()

    viewer = Viewer()
    loop = live(Source(make_frames(9), "file"), viewer, controls=controls)
    with pytest.raises(KeyboardInterrupt):
        loop.run(stopped=lambda: interrupt.seen)
    assert len(viewer.taken) == 1


def test_a_viewer_can_end_the_loop_and_change_the_view():
    controls = Controls(View(legend=False))

    class Viewer(Notes):
        def take(self, displayed):
            super().take(displayed)
            controls.view = toggle_class(controls.view, 1)
            controls.ended = displayed.index == 2

    viewer = Viewer()
    bright = Source(
        (Frame(np.full((*SIZE, 3), 220, np.uint8), 0.0) for _ in "abcdef"), ""
    )
    live(bright, viewer, controls=controls).run()
    values = [displayed.view[0, 0].tolist() for displayed in viewer.taken]
    assert values == [[110, 160, 210], [220, 220, 220], [110, 160, 210]]


def test_a_view_change_while_paused_is_shown_at_once():
    controls = Controls(View(legend=False))

    class Viewer(Notes):
        def take(self, displayed):
            super().take(displayed)
            controls.paused = True

        def poll(self, millis):
            if controls.paused and len(self.taken) == 1:
                controls.view = toggle_class(controls.view, 0)
            controls.ended = len(self.taken) == 2

    viewer = Viewer()
    live(Source(make_frames(9), "file"), viewer, controls=controls).run()
    assert [(displayed.index, displayed.redrawn) for displayed in viewer.taken] == [
        (0, False),
        (0, True),
    ]
    assert viewer.taken[0].view.any()  # blended with the colour of "dark"
    assert not viewer.taken[1].view.any()  # "dark" is hidden


@pytest.mark.parametrize("is_live", [True, False])
def test_viewers_are_notified_when_a_live_source_stalls(is_live, monkeypatch):
    monkeypatch.setattr("edge.app.feed.STALL_SECONDS", 0.1)
    notes = Notes()

    def away():
        """Ends after the viewers were notified, or after the time limit."""
        yield from make_frames(1)
        until = time.monotonic() + (LONG if is_live else 0.5)  # 5 * STALL_SECONDS
        while time.monotonic() < until and not any(
            displayed.redrawn for displayed in notes.taken
        ):
            time.sleep(0.01)

    live(Source(away(), "camera", live=is_live), notes).run()
    redrawn = [displayed for displayed in notes.taken if displayed.redrawn]
    assert bool(redrawn) == is_live
    for displayed in redrawn:  # the frame with a caption
        assert (displayed.view != notes.taken[0].view).any()
        assert (displayed.view[0, -5:] == notes.taken[0].view[0, -5:]).all()


def test_memory_does_not_grow():
    """Two thousand frames, after five hundred for warm-up."""
    process, sizes = psutil.Process(), []

    class Scale(Notes):
        def take(self, displayed):
            if displayed.index in (500, 1999):
                sizes.append(process.memory_info().rss)

    frames = (Frame(np.zeros((*SIZE, 3), np.uint8), i / 25) for i in range(2000))
    controls = Controls(View())
    predictor = SemanticPredictor(Threshold(), INFO)
    source, smooth = Source(frames, "file"), VoteSmoother(3)
    CameraLoop(Feed(source, predictor, [Scale()], controls, smooth)).run()
    warm, end = sizes
    assert end - warm < 5 * 2**20  # 2,000 frames are 206 MiB
