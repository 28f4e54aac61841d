"""Metrics, read by the parser of Prometheus's own client."""

from dataclasses import replace

import numpy as np
import pytest

from edge.display.sinks import DisplayFrame
from edge.display.web.metrics import Totals, families_of, text_of
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.zones.measures import Measures
from tests.support.events import END, EVENT, START
from tests.support.object_results import INSTANCE, instances

NASTY = 'a "quoted" \\ name\nof two lines'
INFO = ModelInfo(class_names=("dark", NASTY), colors=((0, 0, 9), (200, 100, 0)))
HALF = SemanticMap(np.repeat(np.uint8([[0, 1]]), 2, axis=0))
MILLIS = {"inference": 20.0}
FRAME = DisplayFrame(0, 0.0, np.zeros((2, 2, 3), np.uint8), HALF, None, MILLIS)


def samples(totals, info=INFO, displayed=FRAME, fps=12.5):
    """(name, labels in order) -> value, and name -> type."""
    parser = pytest.importorskip("prometheus_client.parser")
    text = text_of(families_of(totals, fps, "camera", info, displayed))
    families = list(parser.text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    found = {
        (each.name, *each.labels.values()): each.value
        for family in families
        for each in family.samples
    }
    return found, {family.name: family.type for family in families}


def test_frames_and_seconds_of_stages():
    totals = Totals([], clock=lambda: 1000.5)
    totals.take(FRAME)
    totals.take(replace(FRAME, millis={"inference": 30.0, "draw": 2.0}, dropped=3))
    totals.take(replace(FRAME, redrawn=True))  # the same frame again
    found, types = samples(totals)
    assert found["kseg_frames_total",] == 2
    assert found["kseg_frames_dropped_total",] == 3
    assert found["kseg_frames_per_second",] == 12.5
    assert found["kseg_last_frame_timestamp_seconds",] == 1000.5
    assert found["kseg_stage_duration_seconds_sum", "inference"] == pytest.approx(0.05)
    assert found["kseg_stage_duration_seconds_count", "inference"] == 2
    assert found["kseg_stage_duration_seconds_sum", "draw"] == pytest.approx(0.002)
    assert found["kseg_info", "camera", "semantic"] == 1
    assert types["kseg_stage_duration_seconds"] == "summary"
    assert types["kseg_frames"] == "counter"


def test_without_zones_each_class_has_its_share_of_the_frame():
    totals = Totals([])
    found, types = samples(totals)
    assert found["kseg_class_share_ratio", "frame", NASTY] == 0.5
    empty = replace(FRAME, result=SemanticMap(np.zeros((2, 2), np.uint8)))
    found, _ = samples(totals, displayed=empty)
    assert found["kseg_class_share_ratio", "frame", NASTY] == 0  # and is not missing
    assert types["kseg_class_share_ratio"] == "gauge"


def test_without_zones_each_class_has_its_number_of_objects():
    rows = (0, 0.9, 20, 40, 60, 80), (0, 0.8, 90, 9, 130, 30)
    objects = replace(FRAME, result=instances(*rows, size=(240, 320)))
    found, _ = samples(Totals([]), INSTANCE, objects)
    assert found["kseg_objects", "frame", "dog"] == 2
    assert found["kseg_objects", "frame", "cat"] == 0


def test_measures_of_zones():
    values = {"share": 0.25, "count": 2.0, "dwell": 4.5, "entered": 7.0}
    measured = replace(FRAME, measures=Measures({"door": {"dark": values}}))
    found, types = samples(Totals([]), displayed=measured)
    assert found["kseg_class_share_ratio", "door", "dark"] == 0.25
    assert found["kseg_objects", "door", "dark"] == 2
    assert found["kseg_dwell_seconds", "door", "dark"] == 4.5
    assert found["kseg_zone_entered_total", "door", "dark"] == 7
    assert types["kseg_zone_entered"] == "counter"
    assert not any(name[0] == "kseg_zone_left_total" for name in found)


def test_events_are_counted_from_zero():
    totals = Totals(["smoke", "fire"])
    found, _ = samples(totals)
    assert found["kseg_events_total", "smoke"] == 0
    begun = replace(FRAME, events=(START,), running=(EVENT,))
    totals.take(begun)
    found, _ = samples(totals, displayed=begun)
    assert found["kseg_events_total", "smoke"] == 1
    assert found["kseg_events_running", "smoke"] == 1
    assert found["kseg_events_running", "fire"] == 0
    totals.take(replace(FRAME, events=(END,), redrawn=True))
    found, _ = samples(totals)
    assert found["kseg_events_total", "smoke"] == 1
    assert found["kseg_events_running", "smoke"] == 0


def test_crossings_of_the_line():
    crossed = replace(FRAME, crossings={"dark": {"up": 3, "down": 0}})
    found, _ = samples(Totals([]), displayed=crossed)
    assert found["kseg_line_crossings_total", "dark", "up"] == 3


def test_before_the_first_frame():
    found, _ = samples(Totals(["smoke"]), displayed=None)
    assert found["kseg_frames_total",] == 0
    assert not any("timestamp" in name[0] for name in found)
