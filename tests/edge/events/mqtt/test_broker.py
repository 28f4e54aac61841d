"""Addresses and passwords of brokers."""

import ssl

import pytest

from edge.core.errors import InputError
from edge.core.redaction import redact
from edge.events.mqtt.broker import (
    Broker,
    check_prefix,
    parse_broker,
    password_of,
    tls_context,
)


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("pi", Broker("pi", 1883)),
        ("pi.local:1884", Broker("pi.local", 1884)),
        ("me@pi", Broker("pi", 1883, user="me")),
        ("[fe80::1]", Broker("fe80::1", 1883)),
        ("mqtt://pi", Broker("pi", 1883)),
        ("MQTTS://pi", Broker("pi", 8883, tls=True)),
        ("mqtts://me%40home@[::1]:9/a/b/", Broker("::1", 9, True, "me@home", "a/b")),
        (
            "mqtt://me@example.org@pi/door",
            Broker("pi", 1883, False, "me@example.org", "door"),
        ),
        ("my_broker/front%20door", Broker("my_broker", 1883, prefix="front door")),
    ],
)
def test_an_address_is_parsed(text, broker):
    assert parse_broker(text) == broker


@pytest.mark.parametrize(
    "text", ["", ":1883", "pi:0", "pi:65536", "pi:x", "http://pi", "a b", "mqtt://"]
)
def test_other_texts_are_no_address(text):
    with pytest.raises(InputError, match="no address of a broker; write HOST, "):
        parse_broker(text)


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://me:S3cretWord@pi",
        "me:S3cretWord@pi:1",
        "mqtt://me:S3cret/Word@pi",
        "me:@pi",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_shown(text):
    with pytest.raises(InputError) as caught:
        parse_broker(text)
    assert "cret" not in str(caught.value)
    assert "--mqtt" in str(caught.value)


@pytest.mark.parametrize(
    "prefix", ["a+b", "a/#", "/a", "a//b", "$SYS/a", "a\nb", "x" * 201]
)
def test_a_prefix_that_mqtt_does_not_allow_is_refused(prefix):
    with pytest.raises(InputError, match="--mqtt-prefix: .* cannot begin topics"):
        check_prefix(prefix)


def test_a_password_comes_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "password"
    file.write_text("pass word#1\n", encoding="utf-8")
    assert password_of(file, "of the environment") == "pass word#1"
    assert password_of(None, "of the environment") == "of the environment"
    assert password_of(None, "") == ""
    assert redact("it was 'pass word#1'") == "it was '***'"
    assert "pass word" not in repr(Broker("pi", 1, password="pass word#1"))


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff\xfe\xff"])
def test_a_file_without_one_password_is_refused(content, tmp_path):
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(InputError, match="--mqtt-password-file .*password: "):
        password_of(file, "")


def test_a_password_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"missing: cannot be read \(No such file"):
        password_of(tmp_path / "missing", "")


def test_certificates_are_checked():
    context = tls_context(None)
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname


def test_a_file_without_a_certificate_is_refused(tmp_path):
    file = tmp_path / "ca.pem"
    with pytest.raises(InputError, match="--mqtt-ca .*cannot be read"):
        tls_context(file)
    file.write_text("no certificate", encoding="utf-8")
    with pytest.raises(InputError, match="has no certificate; give a PEM file"):
        tls_context(file)
