"""The order of what is sent, worked out by hand."""

from edge.events.mqtt.outbox import WINDOW, Message, Outbox


def event(number):
    return Message("events", str(number).encode())


def state(topic, value):
    return Message(topic, value.encode(), retain=True)


class Wire:
    """Takes what is sent, and numbers it from 1."""

    def __init__(self):
        self.sent = []

    def __call__(self, message):
        self.sent.append(message.payload.decode())
        return len(self.sent)


def sent(outbox):
    wire = Wire()
    outbox.send(wire)
    return wire.sent


def test_events_keep_their_order_and_states_their_newest_value():
    outbox = Outbox()
    outbox.set_state(state("a", "old"))
    outbox.set_state(state("b", "b"))
    for number in range(3):
        outbox.add_event(event(number))
    outbox.set_state(state("a", "new"))
    assert sent(outbox) == ["0", "1", "2", "new", "b"]
    assert sent(outbox) == []


def test_an_event_waits_until_it_is_acknowledged():
    outbox = Outbox()
    outbox.add_event(event(1))
    outbox.set_state(state("a", "x"))
    outbox.send(Wire())
    assert (outbox.waiting, outbox.empty) == (1, False)
    outbox.acknowledge(1)
    assert (outbox.waiting, outbox.empty) == (0, False)
    outbox.acknowledge(7)  # unknown
    outbox.acknowledge(2)
    assert outbox.empty


def test_after_a_lost_connection_events_are_sent_again_in_order_with_all_states():
    outbox = Outbox()
    outbox.set_state(state("a", "x"))
    for number in range(4):
        outbox.add_event(event(number))
    outbox.send(Wire())
    outbox.acknowledge(1)  # of event 0
    outbox.acknowledge(5)  # of the state
    outbox.add_event(event(4))
    outbox.restart()
    assert sent(outbox) == ["1", "2", "3", "4", "x"]


def test_only_some_messages_are_on_their_way_at_a_time():
    outbox = Outbox()
    for number in range(WINDOW + 5):
        outbox.add_event(event(number))
    wire = Wire()
    outbox.send(wire)
    assert len(wire.sent) == WINDOW
    outbox.acknowledge(1)
    outbox.send(wire)
    assert wire.sent[-1] == str(WINDOW)
    assert outbox.waiting == WINDOW + 4


def test_of_too_many_events_the_oldest_are_lost_and_counted():
    outbox = Outbox(most_events=3)
    assert [outbox.add_event(event(n)) for n in range(5)] == [False] * 3 + [True] * 2
    assert (outbox.lost, outbox.waiting) == (2, 3)
    assert sent(outbox) == ["2", "3", "4"]


def test_a_picture_is_sent_once_and_not_after_a_lost_connection():
    outbox = Outbox()
    picture = Message("picture", b"jpeg", retain=True, quality=0)
    outbox.set_picture(picture)
    assert sent(outbox) == ["jpeg"]
    assert outbox.empty
    outbox.set_picture(picture)
    outbox.restart()
    assert sent(outbox) == []


def test_what_fails_to_be_sent_is_sent_again():
    def broken(_):
        raise OSError("no connection")

    outbox = Outbox()
    outbox.add_event(event(1))
    try:
        outbox.send(broken)
    except OSError:
        outbox.restart()
    assert sent(outbox) == ["1"]
