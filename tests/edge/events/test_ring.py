"""The last seconds as JPEG, within a bound."""

import numpy as np

from edge.events.ring import Picture, Ring, decoded, encoded


def test_a_picture_is_the_view():
    view = np.full((20, 30, 3), (10, 120, 240), np.uint8)
    picture = encoded(view, 1.5)
    assert picture.seconds == 1.5
    assert np.abs(decoded(picture).astype(int) - view).max() <= 3


def test_what_is_too_old_is_dropped():
    ring = Ring(seconds=2.0)
    for seconds in (0, 1, 2, 3.5):
        ring.add(Picture(seconds, b"x" * 10))
    assert [picture.seconds for picture in ring.since(0)] == [2, 3.5]
    assert [picture.seconds for picture in ring.since(3)] == [3.5]
    assert ring.bytes == 20


def test_what_is_too_much_is_dropped():
    ring = Ring(seconds=100.0, most_bytes=25)
    for seconds in range(5):
        ring.add(Picture(seconds, b"x" * 10))
    assert [picture.seconds for picture in ring.since(0)] == [3, 4]
    ring.add(Picture(5, b"x" * 100))  # one picture is always there
    assert (len(ring), ring.bytes) == (1, 100)


def test_a_source_that_starts_again():
    ring = Ring(seconds=10.0)
    ring.add(Picture(50, b"x")), ring.add(Picture(1, b"yy"))
    assert (len(ring), ring.bytes) == (1, 2)
