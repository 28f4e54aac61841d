"""The topics that the camera publishes, below a prefix."""

from __future__ import annotations

import re
import socket
import unicodedata
from dataclasses import dataclass
from hashlib import sha256

LONGEST_NAME = 60  # characters of a camera's name by default


@dataclass(frozen=True)
class Topics:
    """Topics below `prefix`, such as home/door."""

    prefix: str

    @property
    def name(self) -> str:
        """The last level of the prefix, which names the camera."""
        return self.prefix.rpartition("/")[2]

    @property
    def node(self) -> str:
        """An id of A-Z, a-z, 0-9, _ and -, the same for the same prefix only."""
        return f"{plain(self.prefix)}_{digest(self.prefix)}"

    @property
    def client_id(self) -> str:
        """At most 23 letters and digits, which every broker accepts.

        The same at each start: the broker then ends a connection of the start before,
        whose last will would else come minutes after a power cut.
        """
        return f"kseg{sha256(self.prefix.encode()).hexdigest()[:19]}"

    @property
    def availability(self) -> str:
        return f"{self.prefix}/availability"

    @property
    def events(self) -> str:
        return f"{self.prefix}/events"

    @property
    def picture(self) -> str:
        return f"{self.prefix}/picture"

    def zone(self, name: str) -> str:
        return f"{self.prefix}/zones/{level(name)}"

    def rule(self, name: str) -> str:
        return f"{self.prefix}/rules/{level(name)}"


def level(name: str) -> str:
    """A name as one level of a topic: what MQTT does not allow there as %-codes.

    >>> level("front door"), level("a/b+c"), level("50 %")
    ('front door', 'a%2Fb%2Bc', '50 %25')
    """
    return "".join(
        "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "surrogatepass"))
        if c in "/+#%" or unicodedata.category(c)[0] == "C"
        else c
        for c in name
    )


def plain(name: str) -> str:
    """A name of A-Z, a-z, 0-9, _ and - only; others may become the same.

    >>> plain("home/front door")
    'home_front_door'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:LONGEST_NAME]


def digest(name: str) -> str:
    """Eight characters that differ for different names."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def default_prefix(source: str) -> str:
    """The prefix for a source, by its name and that of this machine."""
    parts = (re.sub(r"[^\w.]+", "-", x) for x in (socket.gethostname(), source))
    name = "-".join(part.strip("-.") for part in parts).strip("-")
    return f"kseg/{name[:LONGEST_NAME] or 'camera'}"
