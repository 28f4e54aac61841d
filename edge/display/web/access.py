"""Where the page of edge/display/web/page.html is served, and who may come in."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass
from typing import Optional

from edge.core.errors import InputError

LOOPBACK = "127.0.0.1"
HELD = 1 << 16  # bytes that may wait for a slow viewer: what waits there gets old
REMEDIES = {
    errno.EADDRINUSE: "another program has this port, name another",
    errno.EACCES: "ports below 1024 are the system's, name another such as 8080",
}


def address_of(text: str) -> tuple[str, int]:
    """What --serve was given. Raises InputError for what is no address.

    >>> address_of("8080"), address_of("0.0.0.0:80"), address_of("[::1]:0")
    (('127.0.0.1', 8080), ('0.0.0.0', 80), ('::1', 0))
    """
    match = re.fullmatch(r"(?:(\[[\da-fA-F:.]+\]|[^:\[\]\s]+):)?(\d{1,5})", text)
    if not match or int(match[2]) > 65535:
        raise InputError(
            f"--serve {text}: write PORT or HOST:PORT, such as 0.0.0.0:8080"
        )
    return (match[1] or LOOPBACK).strip("[]").lower(), int(match[2])


def is_loopback(host: str) -> bool:
    """Whether an IP address (127.0.0.0/8, ::1) or `localhost` leads to this machine.

    >>> [is_loopback(host) for host in ("127.0.0.2", "::1", "0.0.0.0", "a.example")]
    [True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_address() -> str:
    """The address by which others reach this machine, as far as it can tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of documentation; sends nothing
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


@dataclass(frozen=True)
class Listener:
    """A listening socket, and the token that those who come must have; "" for none."""

    listening: socket.socket
    host: str
    token: str

    @property
    def port(self) -> int:
        return self.listening.getsockname()[1]

    @property
    def url(self) -> str:
        host = own_address() if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        query = f"?token={self.token}" if self.token else ""
        return f"http://{host}:{self.port}/{query}"

    @property
    def cookie(self) -> str:
        return f"kseg-{self.port}"  # browsers do not keep cookies apart by port

    def accepts_token(self, tokens: list[str]) -> bool:
        """Whether one of the tokens is right, in a time that tells nothing of it."""
        return any(
            hmac.compare_digest(token.encode(), self.token.encode()) for token in tokens
        )

    def accepts_host(self, host: str) -> bool:
        """Whether a browser that was told `host` meant this machine.

        Without a token, a page from elsewhere could else have its own name lead to
        127.0.0.1 and read the pictures (DNS rebinding).
        """
        return is_loopback(host) or host == self.host


def listen(address: str, token: Optional[str] = None) -> Listener:
    """A socket at an address; beyond loopback with a token, if need be a new one.

    Raises InputError where the address cannot be had, and for a token that is too short
    or does not fit into an address.
    """
    host, port = address_of(address)
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{8,}", token):
        raise InputError("--token: take at least 8 letters and digits")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, place = min(found)  # IPv4 where there is one
        listening = socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        remedy = REMEDIES.get(number, "is no address here, 127.0.0.1 and 0.0.0.0 are")
        raise InputError(f"--serve {address}: {remedy}") from None
    listening.setblocking(False)
    # Those that it accepts inherit this.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD)
    near = is_loopback(listening.getsockname()[0])
    return Listener(
        listening, host, token or ("" if near else secrets.token_urlsafe(16))
    )
