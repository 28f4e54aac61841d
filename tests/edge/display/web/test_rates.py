"""Token buckets, with times set by hand."""

from edge.display.web import rates
from edge.display.web.rates import RateLimit


def test_a_client_may_ask_at_once_what_it_has_saved_and_then_at_the_rate():
    now = [0.0]
    limit = RateLimit(per_second=2, most=3, clock=lambda: now[0])
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    now[0] = 0.25  # half a token, of which a refused request takes none
    assert limit.take("a") == 0.25
    now[0] = 0.5
    assert limit.take("a") == 0
    now[0] = 100.0  # never more than three
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_costly_request_takes_several_tokens():
    limit = RateLimit(per_second=1, most=6, clock=lambda: 0.0)
    assert [limit.take("a", 5), limit.take("a", 5), limit.take("a", 1)] == [0, 4, 0]


def test_clients_are_counted_apart_and_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(rates, "MOST_CLIENTS", 2)
    limit = RateLimit(per_second=1, most=1, clock=lambda: 0.0)
    assert [limit.take(name) for name in "abab"] == [0, 0, 1, 1]
    assert limit.take("c") == 0  # a is forgotten
    assert [limit.take("b"), limit.take("a")] == [1, 0]
