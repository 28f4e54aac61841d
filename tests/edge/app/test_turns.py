"""Fair turns of several sources."""

import threading

from edge.app.turns import Turn, Turns


def test_sources_that_always_have_an_item_take_turns():
    turns, taken = Turns(3), []
    for number in (2, 0, 1):
        turns.put(number, number)
    for _ in range(9):
        number, item = turns.take()
        assert number == item
        taken.append(number)
        turns.put(number, number)
    assert taken == [0, 1, 2] * 3


def test_a_source_without_an_item_is_left_out_and_then_comes_first():
    turns, taken = Turns(3), []
    for _ in range(3):
        turns.replace(0, "fast")
        turns.replace(1, "fast too")
        taken.append(turns.take().number)
    turns.put(2, "slow")
    turns.replace(0, "fast")
    taken.append(turns.take().number)
    assert taken == [0, 1, 0, 2]


def test_a_newer_item_takes_the_place_of_the_older_one():
    turns = Turns(2)
    assert [turns.replace(1, item) for item in "abc"] == [False, True, True]
    assert turns.take() == Turn(1, "c")


def test_putting_waits_for_room_of_its_own_source_only():
    turns = Turns(2)
    assert turns.put(0, "a") and turns.put(1, "b")
    waiting = threading.Thread(target=turns.put, args=(0, "c"))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    assert turns.take() == Turn(0, "a")
    waiting.join(10)
    assert not waiting.is_alive()


def test_the_end_of_a_source_comes_after_its_item_and_once():
    turns, reason = Turns(2), ValueError()
    turns.put(0, "a")
    turns.end(0, reason)
    turns.end(0, KeyError())  # the first reason is kept
    turns.put(1, "b")
    assert not turns.put(0, "c")
    assert turns.ended(0) and not turns.ended(1)
    assert [turns.take() for _ in range(3)] == [(0, "a"), (1, "b"), (0, reason)]
    turns.end_all(reason)
    assert [turns.take(), turns.take()] == [(1, reason), None]


def test_a_source_that_is_dropped_has_no_turn():
    turns = Turns(2)
    turns.put(0, "a")
    turns.drop(0, ValueError())
    turns.put(1, "b")
    turns.end_all(KeyError())
    assert [turns.take().number, turns.take().number, turns.take()] == [1, 1, None]
