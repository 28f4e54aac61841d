"""Addresses and access tokens of the browser view."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.errors import InputError
from edge.display.web.access import listen
from tests.support.posix import needs_posix

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def listener():
    """`listener(address, token)` opens one; it is closed after the test."""
    doors = []

    def make(*arguments):
        doors.append(listen(*arguments))
        return doors[-1]

    yield make
    for made in doors:
        made.sock.close()


def test_a_port_alone_is_loopback_without_a_token(listener):
    made = listener("0")
    assert (made.host, made.token) == ("127.0.0.1", "")
    assert made.sock.getsockname()[0] == "127.0.0.1"
    assert made.url == f"http://127.0.0.1:{made.port}/"


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "LOCALHOST"])
def test_loopback_addresses_need_no_token(listener, host):
    assert listener(f"{host}:0").token == ""


def test_other_addresses_get_a_new_random_token(listener):
    first, second = listener("0.0.0.0:0"), listener("0.0.0.0:0")
    assert len(first.token) >= 20  # 16 bytes in base64
    assert first.token != second.token
    assert first.url.endswith(f":{first.port}/?token={first.token}")
    assert "0.0.0.0" not in first.url  # not an address that can be opened


def test_a_given_token_is_used_on_loopback_too(listener):
    made = listener("127.0.0.1:0", "open-sesame")
    assert made.token == "open-sesame"
    assert made.accepts_token(["", "open-sesame"])
    assert not made.accepts_token(["", "open-sesam", "öpen-sesame"])


def test_the_send_buffer_is_limited(listener):
    """Accepted sockets inherit the limit; Linux doubles it for its own use."""
    made = listener("0")
    with socket.create_connection(("127.0.0.1", made.port)):
        made.sock.setblocking(True)
        accepted, _ = made.sock.accept()
        with accepted:
            held = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert held <= 2 * 2**16


def test_a_port_in_use_is_one_line(listener):
    port = listener("0").port
    with pytest.raises(InputError, match=f"--serve {port}: the port is in use"):
        listen(str(port))


@pytest.mark.parametrize(
    "address",
    ["", "http", "65536", "-1", ":8080", "a:b:80", "1.2.3.4", "[::1]", "a b:1"],
)
def test_an_invalid_address_is_an_error(address):
    with pytest.raises(InputError, match="write PORT or HOST:PORT"):
        listen(address)


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_an_address_of_another_machine_is_an_error(host):
    with pytest.raises(InputError, match=f"--serve {host}:0: not an address of this"):
        listen(f"{host}:0")


@pytest.mark.parametrize("token", ["", "short", "spaces in it", "ümlaut-ümlaut"])
def test_a_short_or_unsafe_token_is_an_error(token):
    with pytest.raises(InputError, match="--token: use at least 8"):
        listen("0", token)


FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.mark.skipif(
    not (FIRST_FREE.is_file() and int(FIRST_FREE.read_text(encoding="utf-8")) > 80),
    reason="here everybody may have port 80",
)
@needs_posix
def test_a_privileged_port_is_one_line():
    """Root may open it, so the user is changed to nobody first."""
    code = (
        "import encodings.idna, os\n"  # while root's Python is still readable
        "from edge.core.errors import InputError\n"
        "from edge.display.web.access import listen\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: listen('80')\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("--serve 80: ports below 1024")
