"""The last events."""

from dataclasses import replace

import pytest

from edge.display.web import event_history
from edge.display.web.event_history import EventHistory
from edge.events.event import ENDED, EventChange
from tests.support.events import END, ENDED_EVENT, EVENT, START, shown


def test_running_events_come_first_and_have_lasted_until_now():
    history = EventHistory()
    history.take(shown(END))
    second = replace(EVENT, id="2", start=7.0)
    started = replace(EVENT, id="3", start=8.0)
    history.take(replace(shown(START), running=(second, started)))
    found = history.latest(10, seconds=9.5)
    assert [each["id"] for each in found] == ["3", "2", ENDED_EVENT.id]
    assert [each["seconds"] for each in found] == [1.5, 2.5, 4.5]
    assert [each["running"] for each in found] == [True, True, False]
    assert found[2]["peak"] == pytest.approx(0.56789)
    assert "event" not in found[0]
    assert len(history.latest(2, 9.5)) == 2


def test_the_newest_of_a_limited_number_of_events_are_kept(monkeypatch):
    monkeypatch.setattr(event_history, "MOST_EVENTS", 3)
    history = EventHistory()
    for number in range(5):
        event = replace(ENDED_EVENT, id=str(number))
        history.take(shown(EventChange(ENDED, event)))
    assert [each["id"] for each in history.latest(10, 0)] == ["4", "3", "2"]
