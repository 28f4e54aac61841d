"""Metrics in the text format of Prometheus, version 0.0.4.

Names follow https://prometheus.io/docs/practices/naming/: base units (seconds, ratios),
and `_total` for what only grows.
"""

from __future__ import annotations

import math
import time
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
)

from edge.display.sinks import DisplayFrame
from edge.display.tasks import IN_BRIEF, SUMMARIES
from edge.events.event import STARTED
from edge.model_file.info import ModelInfo
from edge.zones.measures import (
    COUNT,
    DWELL,
    ENTERED,
    LEFT,
    MEAN_DWELL,
    SHARE,
    Measures,
    rounded,
)
from edge.zones.zone import FRAME

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GAUGE, COUNTER, SUMMARY = "gauge", "counter", "summary"

Labels = Mapping[str, str]


class Family(NamedTuple):
    """The metrics of a name: (suffix of the name, labels, value) of each."""

    name: str
    kind: str
    help: str
    samples: List[Any]


# Measure -> name, kind and help of its metric.
OF_MEASURES = {
    SHARE: ("kseg_class_share_ratio", GAUGE, "Share of the zone's pixels, 0 to 1."),
    COUNT: ("kseg_objects", GAUGE, "Objects in the zone."),
    DWELL: ("kseg_dwell_seconds", GAUGE, "Longest stay of an object that is there."),
    MEAN_DWELL: ("kseg_mean_dwell_seconds", GAUGE, "Mean stay of objects now gone."),
    ENTERED: ("kseg_zone_entered_total", COUNTER, "Objects that entered the zone."),
    LEFT: ("kseg_zone_left_total", COUNTER, "Objects that left the zone."),
}


class Totals:
    """What is counted since the start: frames, seconds of stages, events.

    `rules` are the names of all rules, so that each has a count from the start.
    """

    def __init__(
        self, rules: List[str], clock: Callable[[], float] = time.time
    ) -> None:
        self.clock = clock
        self.frames, self.dropped = 0, 0
        self.last_frame: Optional[float] = None  # seconds since 1970
        self.stages: Dict[str, List[float]] = {}  # stage -> [seconds, runs]
        self.events: Dict[str, int] = dict.fromkeys(rules, 0)

    def take(self, displayed: DisplayFrame) -> None:
        """Count a frame, called by the loop's thread."""
        for change in displayed.events:
            if change.kind == STARTED:
                rule = change.event.rule
                self.events[rule] = self.events.get(rule, 0) + 1
        if displayed.redrawn:
            return
        self.frames += 1
        self.dropped = displayed.dropped
        self.last_frame = self.clock()
        for stage, millis in displayed.millis.items():
            seconds, runs = self.stages.get(stage, (0.0, 0))
            self.stages[stage] = [seconds + millis / 1e3, runs + 1]


def families_of(
    totals: Totals,
    fps: float,
    source: str,
    info: ModelInfo,
    displayed: Optional[DisplayFrame],
) -> List[Family]:
    """The metrics of a source; `displayed` is its newest frame, None before the first.

    `source` is what the source is called.
    """
    families = [*of_program(totals, fps, source, info)]
    if displayed:
        measures = displayed.measures or whole_frame(displayed, info)
        families += [*of_measures(measures), *of_events(totals, displayed)]
    return families


def joined(sources: Mapping[str, Sequence[Family]]) -> List[Family]:
    """The metrics of sources by their names: the label `source` tells them apart.

    A single source, of the name "", has no such label.

    >>> ages = [Family("age", GAUGE, "A.", [("", {}, 1)])]
    >>> joined({"door": ages, "yard": ages})[0].samples
    [('', {'source': 'door'}, 1), ('', {'source': 'yard'}, 1)]
    """
    result: Dict[str, Family] = {}
    for source, families in sources.items():
        label = {"source": source} if source else {}
        for family in families:
            own = result.setdefault(family.name, family._replace(samples=[]))
            for suffix, labels, value in family.samples:
                own.samples.append((suffix, {**label, **labels}, value))
    return list(result.values())


def text_of(families: Sequence[Family]) -> str:
    """Metrics as Prometheus reads them."""
    lines: List[str] = []
    for family in families:
        lines += lines_of(family)
    return "\n".join(lines) + "\n"


def of_program(
    totals: Totals, fps: float, source: str, info: ModelInfo
) -> Iterator[Family]:
    """Frames and the times of stages."""
    labels = {"source": source, "task": info.task}
    yield Family("kseg_info", GAUGE, "Source and task.", [("", labels, 1)])
    for name, kind, text, value in (
        ("kseg_frames_total", COUNTER, "Predicted frames.", totals.frames),
        (
            *("kseg_frames_dropped_total", COUNTER),
            *("Frames of a live source replaced by newer ones.", totals.dropped),
        ),
        ("kseg_frames_per_second", GAUGE, "Of the last 20 frames.", fps),
        (
            *("kseg_last_frame_timestamp_seconds", GAUGE),
            *("When the last frame was predicted, since 1970.", totals.last_frame),
        ),
    ):
        if value is not None:
            yield Family(name, kind, text, [("", {}, value)])
    samples: List[Any] = []
    for stage, (seconds, runs) in list(totals.stages.items()):
        samples.append(("_sum", {"stage": stage}, seconds))
        samples.append(("_count", {"stage": stage}, runs))
    text = "Time of a stage of the camera loop."
    yield Family("kseg_stage_duration_seconds", SUMMARY, text, samples)


def whole_frame(displayed: DisplayFrame, info: ModelInfo) -> Measures:
    """What is in the frame, where no zones are measured: shares or counts.

    Each class has a value: one that is gone must not seem to stay.
    """
    summary = IN_BRIEF.get(info.task, SUMMARIES[info.task])(displayed.result, info)
    classes: Dict[str, Dict[str, float]] = {name: {} for name in info.class_names}
    for key, measure in (("shares", SHARE), ("counts", COUNT)):
        for name in info.class_names if key in summary else ():
            classes[name][measure] = summary[key].get(name, 0)
    return Measures({FRAME: classes})


def of_measures(measures: Measures) -> Iterator[Family]:
    """Each measure of each class in each zone."""
    for measure, (name, kind, text) in OF_MEASURES.items():
        samples = [
            ("", {"zone": zone, "class": class_name}, rounded(measure, values[measure]))
            for zone, classes in measures.zones.items()
            for class_name, values in classes.items()
            if measure in values
        ]
        yield Family(name, kind, text, samples)


def of_events(totals: Totals, displayed: DisplayFrame) -> Iterator[Family]:
    """Events and crossings of the line of --count-line."""
    running = [event.rule for event in displayed.running]
    counts = list(totals.events.items())
    started = [("", {"rule": rule}, count) for rule, count in counts]
    now = [("", {"rule": rule}, running.count(rule)) for rule, _ in counts]
    yield Family("kseg_events_total", COUNTER, "Events that started.", started)
    yield Family("kseg_events_running", GAUGE, "Events that run.", now)
    crossed = [
        ("", {"class": class_name, "direction": way}, count)
        for class_name, ways in (displayed.crossings or {}).items()
        for way, count in ways.items()
    ]
    text = "Objects that crossed the line."
    yield Family("kseg_line_crossings_total", COUNTER, text, crossed)


def lines_of(family: Family) -> Iterator[str]:
    """The lines of a family; none without a metric.

    >>> list(lines_of(Family("a_ratio", "gauge", "A.", [("", {"zone": 'x"y'}, 0.5)])))
    ['# HELP a_ratio A.', '# TYPE a_ratio gauge', 'a_ratio{zone="x\\\\"y"} 0.5']
    """
    if family.samples:
        yield f"# HELP {family.name} {family.help}"
        yield f"# TYPE {family.name} {family.kind}"
    for suffix, labels, value in family.samples:
        pairs = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())
        shown = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}{suffix}{shown} {number_text(value)}"


def escaped(text: str) -> str:
    """The value of a label between its quotation marks."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return text.encode("utf-8", "backslashreplace").decode()


def number_text(value: float) -> str:
    """A number as Prometheus reads it.

    >>> number_text(3), number_text(0.25), number_text(float("nan"))
    ('3', '0.25', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value if isinstance(value, int) else float(value))
