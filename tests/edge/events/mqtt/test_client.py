"""The connection to real brokers, also when they fail."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace

import pytest

from edge.core.interrupts import Interrupt
from edge.events.mqtt import client as client_module
from edge.events.mqtt.broker import tls_context
from edge.events.mqtt.discovery import Announcer, Contents
from edge.events.mqtt.outbox import Message
from edge.events.mqtt.topics import Topics
from tests.support.mosquitto import free_port, until
from tests.support.posix import needs_posix

AVAILABILITY = "kseg/door/availability"


def add(outbox, numbers):
    for number in numbers:
        outbox.add_event(Message("kseg/door/events", json.dumps(number).encode()))


def numbers(heard):
    found = [json.loads(m.payload) for m in heard() if m.topic == "kseg/door/events"]
    return list(dict.fromkeys(found))  # a message may come twice


def test_events_states_and_availability_arrive(mosquitto, connect, capsys):
    heard = mosquitto.listen()
    client = connect(mosquitto.port)
    client.outbox.set_state(Message(AVAILABILITY, b"online", retain=True))
    client.outbox.set_state(Message("kseg/door/zones/frame", b"{}", retain=True))
    add(client.outbox, range(50))
    until(lambda: numbers(heard) == list(range(50)))
    until(lambda: client.outbox.empty)
    client.close()
    retained = mosquitto.retained()
    assert retained == {"kseg/door/zones/frame": b"{}", AVAILABILITY: b"offline"}
    values = [m.payload for m in heard() if m.topic == AVAILABILITY]
    assert values == [b"online", b"offline"]
    assert capsys.readouterr().err == f"mqtt 127.0.0.1:{mosquitto.port}: connected\n"


def test_no_event_is_lost_while_the_broker_is_away(mosquitto, connect, capsys):
    heard = mosquitto.listen("#", "-c", "-i", "watcher")
    client = connect(mosquitto.port)
    add(client.outbox, range(3))
    client.outbox.set_state(Message("kseg/door/zones/frame", b"old", retain=True))
    until(lambda: numbers(heard) == [0, 1, 2])
    mosquitto.save()
    mosquitto.kill()
    add(client.outbox, range(3, 60))
    client.outbox.set_state(Message("kseg/door/zones/frame", b"new", retain=True))
    until(lambda: not client.connected)
    add(client.outbox, range(60, 64))
    mosquitto.start()
    until(lambda: len(numbers(heard)) == 64)
    add(client.outbox, range(64, 67))
    until(lambda: len(numbers(heard)) == 67)
    assert numbers(heard) == list(range(67))
    states = [m.payload for m in heard() if m.topic == "kseg/door/zones/frame"]
    assert (states[0], states[-1]) == (b"old", b"new")
    until(lambda: client.outbox.waiting == 0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(": connected") and lines[-1].endswith(": connected again")
    assert sum("the connection is lost; trying again" in x for x in lines) == 1
    assert (
        sum("no connection (Connection refused); trying again" in x for x in lines) <= 1
    )


def test_a_broker_that_comes_later_gets_what_was_before(start_broker, connect, capsys):
    mosquitto = start_broker()
    mosquitto.kill()
    client = connect(mosquitto.port)
    add(client.outbox, range(5))
    until(lambda: "trying again" in capsys.readouterr().err)
    assert not client.connected
    mosquitto.start()
    heard = mosquitto.listen()
    add(client.outbox, range(5, 8))
    until(lambda: 7 in numbers(heard))


def test_the_broker_publishes_the_will_when_the_connection_breaks(mosquitto, connect):
    heard = mosquitto.listen(AVAILABILITY)
    client = connect(mosquitto.port)
    until(lambda: client.connected)
    # Another connection with the same id ends this one, as a new start would.
    connect(mosquitto.port)
    until(lambda: b"offline" in [m.payload for m in heard()])


def test_an_unknown_host_is_one_line(connect, capsys):
    client = connect(1, broker={})
    client.broker = client.broker.__class__("no-such-host.invalid", 1883)
    until(lambda: "no-such-host.invalid" in (text := capsys.readouterr().err) and text)
    time.sleep(0.5)
    assert len(capsys.readouterr().err.splitlines()) <= 1


def test_a_broker_that_comes_while_the_program_ends_gets_the_events(
    mosquitto, connect, capsys
):
    heard = mosquitto.listen("#", "-c", "-i", "watcher")
    mosquitto.save()
    mosquitto.kill()
    client = connect(mosquitto.port)
    add(client.outbox, range(3))
    closing = threading.Thread(target=client.close)
    closing.start()
    time.sleep(0.5)
    mosquitto.start()
    closing.join()
    until(lambda: numbers(heard) == [0, 1, 2])
    assert "not delivered" not in capsys.readouterr().err


def test_without_events_the_end_does_not_wait_for_a_broker(connect, capsys):
    client = connect(free_port())
    client.outbox.set_state(Message("kseg/door/zones/frame", b"{}", retain=True))
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1
    assert "not delivered" not in capsys.readouterr().err


def test_the_end_of_the_program_counts_what_was_not_delivered(
    connect, capsys, monkeypatch
):
    monkeypatch.setattr(client_module, "CLOSE_SECONDS", 0.5)
    client = connect(free_port())
    add(client.outbox, range(3))
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 2
    assert "messages of events that were not delivered: 3" in capsys.readouterr().err


@needs_posix
def test_a_further_ctrl_c_ends_the_wait_for_the_broker(connect, capsys):
    before = signal.signal(signal.SIGINT, Interrupt())
    client = connect(free_port())
    add(client.outbox, range(3))
    began = time.monotonic()
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        client.close()
        assert isinstance(signal.getsignal(signal.SIGINT), Interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 2
    said = capsys.readouterr().err
    assert ": waiting up to 5 s; Ctrl-C ends the wait\n" in said
    assert said.endswith("messages of events that were not delivered: 3\n")


def test_another_program_is_suspected_only_when_losses_repeat(
    mosquitto, connect, capsys
):
    """Two programs with one id end each other's connections."""
    first, second = connect(mosquitto.port), connect(mosquitto.port)
    said = []
    until(lambda: said.append(capsys.readouterr().err) or "repeatedly" in said[-1])
    assert "".join(said).count("the connection is lost; trying again") >= 2
    first.close(), second.close()


def test_a_server_that_accepts_and_is_silent_does_not_hold_the_program(
    connect, monkeypatch, capsys
):
    monkeypatch.setattr(client_module, "CLOSE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(server.getsockname()[1])
        add(client.outbox, [1])
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 2
    assert "messages of events that were not delivered: 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\xff\xff"]
)
def test_a_server_of_another_kind_is_one_line(answer, connect, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_all, args=(server, answer), daemon=True).start()
        connect(server.getsockname()[1])
        line = until(lambda: capsys.readouterr().err)
        time.sleep(0.5)
        server.close()
    assert "trying again" in line and "Traceback" not in line + capsys.readouterr().err


def answer_all(server, answer):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(1000)
            connection.sendall(answer)


def test_entities_of_an_earlier_run_are_removed(mosquitto, connect):
    both = Contents(("frame", "old"), ("cat",), ("share",), picture=False)
    for contents in (both, replace(both, zones=("frame",))):
        announcer = Announcer(Topics("kseg/door"), contents)
        client = connect(mosquitto.port, announcer=announcer)
        client.outbox.set_state(announcer.message)
        for zone in contents.zones:
            topic = announcer.topics.zone(zone)
            client.outbox.set_state(Message(topic, b"{}", retain=True))
        until(lambda: client.connected and not client._renews)  # noqa: B023
        until(lambda: client.outbox.empty)  # noqa: B023
        client.close()
    content = json.loads(mosquitto.retained()[announcer.topic])
    gone, kept = content["components"].values()
    assert gone == {"platform": "sensor"}
    assert kept["name"] == "frame cat share"
    zones = {t for t in mosquitto.retained() if t.startswith("kseg/door/zones/")}
    assert zones == {"kseg/door/zones/frame"}


# Passwords and TLS


@pytest.fixture
def guarded(start_broker, tmp_path):
    """A broker with the user me, whose password is S3cretWord."""
    tool = shutil.which("mosquitto_passwd")
    if not tool:
        pytest.skip("no mosquitto_passwd: apt install mosquitto")
    file = tmp_path / "users"
    command = [tool, "-b", "-c", file, "me", "S3cretWord"]
    subprocess.run(command, check=True, capture_output=True)
    return start_broker("allow_anonymous false", f"password_file {file}")


def test_a_password_is_accepted(guarded, connect):
    client = connect(guarded.port, broker={"user": "me", "password": "S3cretWord"})
    until(lambda: client.connected)


@pytest.mark.parametrize(
    "login", [{}, {"user": "me", "password": "Wr0ngWord"}, {"user": "me"}]
)
def test_a_wrong_password_is_one_line_and_tried_again(
    login, guarded, connect, capsys, monkeypatch
):
    client = connect(guarded.port, broker=login)
    until(lambda: guarded.log().count("not authorised") > 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"mqtt 127.0.0.1:{guarded.port}: the broker refuses the user name or the "
        "password; trying again"
    ]
    assert not client.connected


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A folder with the certificate ca.pem of 127.0.0.1, signed by itself."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl: apt install openssl")
    folder = tmp_path_factory.mktemp("certificate")
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", folder / "key.pem", "-out", folder / "ca.pem"),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def encrypted(start_broker, certificate):
    return start_broker(
        *("allow_anonymous true", f"certfile {certificate}/ca.pem"),
        f"keyfile {certificate}/key.pem",
    )


def test_an_encrypted_connection_with_its_certificate(encrypted, certificate, connect):
    context = tls_context(certificate / "ca.pem")
    client = connect(encrypted.port, broker={"tls": True}, context=context)
    add(client.outbox, range(100))
    until(lambda: client.connected and client.outbox.empty)


# The library leaves the socket of a refused certificate to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_certificate_that_is_not_trusted_is_one_line(encrypted, connect, capsys):
    client = connect(encrypted.port, broker={"tls": True}, context=tls_context(None))
    line = until(lambda: capsys.readouterr().err)
    assert "the broker's certificate is not accepted: self" in line
    assert line.count("\n") == 1 and not client.connected
