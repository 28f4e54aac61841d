"""Address and access token of the browser view."""

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
SEND_BUFFER = 1 << 16  # bytes per viewer; small, so that slow viewers get new images
REMEDIES = {
    errno.EADDRINUSE: "the port is in use by another program; choose another",
    errno.EACCES: "ports below 1024 need privileges; choose another, such as 8080",
}
UNKNOWN_ADDRESS = "not an address of this machine; use 127.0.0.1 or 0.0.0.0"


def parse_address(text: str) -> tuple[str, int]:
    """Parse the address of --serve. Raises InputError if it is invalid.

    >>> parse_address("8080"), parse_address("0.0.0.0:80"), parse_address("[::1]:0")
    (('127.0.0.1', 8080), ('0.0.0.0', 80), ('::1', 0))
    """
    match = re.fullmatch(r"(?:(\[[\da-fA-F:.]+\]|[^:\[\]\s]+):)?(\d{1,5})", text)
    if not match or int(match[2]) > 65535:
        raise InputError(
            f"--serve {text}: write PORT or HOST:PORT, such as 0.0.0.0:8080"
        )
    return (match[1] or LOOPBACK).strip("[]").lower(), int(match[2])


def is_loopback(host: str) -> bool:
    """Whether a host is an IP address of 127.0.0.0/8, ::1, or `localhost`.

    >>> [is_loopback(host) for host in ("127.0.0.2", "::1", "0.0.0.0", "a.example")]
    [True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_address() -> str:
    """This machine's address in the network; its host name if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a reserved address; sends nothing
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


@dataclass(frozen=True)
class Listener:
    """A listening socket and the access token; "" if none is required."""

    sock: socket.socket
    host: str
    token: str

    @property
    def port(self) -> int:
        return self.sock.getsockname()[1]

    @property
    def url(self) -> str:
        host = own_address() if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        query = f"?token={self.token}" if self.token else ""
        return f"http://{host}:{self.port}/{query}"

    @property
    def cookie(self) -> str:
        return f"kseg-{self.port}"  # browsers share cookies between ports

    def accepts_token(self, tokens: list[str]) -> bool:
        """Whether one of the tokens is valid, compared in constant time."""
        return any(
            hmac.compare_digest(token.encode(), self.token.encode()) for token in tokens
        )

    def accepts_host(self, host: str) -> bool:
        """Whether the `Host` header of a request names this machine.

        Without a token and this check, another web page could resolve its own name to
        127.0.0.1 and read the images (DNS rebinding).
        """
        return is_loopback(host) or host == self.host


def listen(address: str, token: Optional[str] = None) -> Listener:
    """Open a socket at an address; outside loopback with a token, random by default.

    Raises InputError if the address cannot be used, and for a token that is too short
    or has characters that a URL does not allow.
    """
    host, port = parse_address(address)
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{8,}", token):
        raise InputError("--token: use at least 8 characters of A-Z, a-z, 0-9, - and _")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, place = min(found)  # IPv4 if available
        listening = socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        remedy = REMEDIES.get(number, UNKNOWN_ADDRESS)
        raise InputError(f"--serve {address}: {remedy}") from None
    listening.setblocking(False)
    # Accepted connections inherit this.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    local = is_loopback(listening.getsockname()[0])
    # Hexadecimal: a token that begins with a - would be read as an option of --token.
    return Listener(listening, host, token or ("" if local else secrets.token_hex(16)))
