"""How long objects stay in a zone, and how often its edge is crossed."""

from edge.zones.visits import Place, Visits

IN, OUT = Place(2, True), Place(2, False)
NOTHING = {"dwell": 0, "mean_dwell": 0, "entered": 0, "left": 0}


def after(*frames):
    """The values of class 2 after (seconds, {track: place}) frames."""
    visits = Visits()
    for seconds, places in frames:
        visits.take(seconds, places)
    return visits.values().get(2, NOTHING)


def test_the_time_in_the_zone():
    assert after((1, {7: IN}), (2.5, {7: IN}))["dwell"] == 1.5


def test_of_several_objects_the_longest_counts():
    values = after((0, {1: IN}), (1, {1: IN, 2: IN}), (4, {1: IN, 2: IN}))
    assert values["dwell"] == 4


def test_crossing_the_edge():
    values = after((0, {7: OUT}), (1, {7: IN}), (3, {7: IN}))
    assert (values["entered"], values["left"], values["dwell"]) == (1, 0, 2)
    values = after((0, {7: OUT}), (1, {7: IN}), (3, {7: IN}), (4, {7: OUT}))
    assert (values["left"], values["dwell"]) == (0, 2)  # not yet: it may come back
    values = after(
        *((0, {7: OUT}), (1, {7: IN}), (3, {7: IN}), (4, {7: OUT}), (5, {7: OUT}))
    )
    assert values == {"dwell": 0, "mean_dwell": 2, "entered": 1, "left": 1}


def test_an_object_found_inside_crosses_nothing():
    values = after((0, {7: IN}), (1, {7: IN}), (9, {}))
    assert values == {"dwell": 0, "mean_dwell": 1, "entered": 0, "left": 0}


def test_a_box_that_trembles_on_the_edge_comes_and_goes_once():
    places = [OUT, IN, OUT, IN, OUT, IN, IN, OUT, OUT, OUT, OUT, OUT, OUT, OUT]
    frames = [(index / 5, {7: place}) for index, place in enumerate(places)]
    values = after(*frames)
    assert (values["entered"], values["left"]) == (1, 1)
    assert values["mean_dwell"] == 6 / 5 - 1 / 5


def test_an_object_that_is_not_found_for_a_while_has_stayed():
    frames = [(0, {7: OUT}), (1, {7: IN}), (2, {}), (3.5, {}), (4, {7: IN})]
    assert after(*frames[:4])["dwell"] == 0  # since it was seen last
    assert after(*frames) == {**NOTHING, "dwell": 3, "entered": 1}


def test_an_object_that_went_out_and_is_lost_has_left():
    values = after((0, {7: OUT}), (1, {7: IN}), (2, {7: OUT}), (2.5, {}), (6, {}))
    assert (values["entered"], values["left"]) == (1, 1)


def test_it_may_come_again():
    places = [OUT, IN, OUT, OUT, IN, OUT, OUT]
    values = after(*((index, {7: place}) for index, place in enumerate(places)))
    assert (values["entered"], values["left"], values["mean_dwell"]) == (2, 2, 0)


def test_a_source_that_starts_again_ends_visits_without_counting_them():
    values = after((50, {7: IN}), (60, {7: IN}), (0, {7: IN}))
    assert values == NOTHING


def test_frames_far_apart():
    values = after((0, {7: OUT}), (50, {7: IN}), (100, {7: IN}), (150, {7: OUT}))
    assert values == {"dwell": 50, "mean_dwell": 0, "entered": 1, "left": 0}


def test_forgotten_tracks_take_no_memory():
    visits = Visits()
    for index in range(1000):
        visits.take(index / 10, {index: IN if index % 2 else OUT})
    assert len(visits._visits) + len(visits._outside) < 50
    assert visits.values()[2]["mean_dwell"] == 0
