"""The MQTT broker of --mqtt: its address and what logs in there."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote, unquote

from edge.core.errors import InputError, quoted, reason_of
from edge.core.inputs import read_secret
from edge.core.redaction import remember

PORT, TLS_PORT = 1883, 8883  # by default
LONGEST_PREFIX = 200  # characters
ADDRESS = re.compile(
    r"(?:(?P<scheme>mqtts?)://)?(?:(?P<user>[^/]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?(?:/(?P<prefix>.*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Broker:
    """Where a broker is. `prefix` is that of the address, "" if it has none.

    `tls` is whether the connection is encrypted. Its context is made by the client.
    """

    host: str
    port: int
    tls: bool = False
    user: str = ""
    prefix: str = ""
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """Host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_broker(text: str) -> Broker:
    """Parse HOST, HOST:PORT, or mqtt://USER@HOST:PORT/PREFIX; mqtts:// is encrypted.

    Raises InputError if it is malformed, or has a password, which other users of the
    machine would see in the list of processes.

    >>> parse_broker("pi.local"), parse_broker("mqtts://me@[::1]:99/a/b").prefix
    (Broker(host='pi.local', port=1883, tls=False, user='', prefix=''), 'a/b')
    """
    match = ADDRESS.fullmatch(text)
    if not match or not 0 < int(match["port"] or PORT) < 65536:
        value = "" if "@" in text else f" {quoted(text)}"  # it may have a password
        raise InputError(
            f"--mqtt{value}: is no address of a broker; write HOST, HOST:PORT or "
            "mqtts://USER@HOST/PREFIX"
        )
    user = match["user"] or ""
    if ":" in user:
        raise InputError(
            "--mqtt: other users of this machine see a password in the address; give "
            "--mqtt-password-file or the variable KSEG_MQTT_PASSWORD"
        )
    tls = (match["scheme"] or "").lower() == "mqtts"
    port = int(match["port"] or (TLS_PORT if tls else PORT))
    prefix = unquote(match["prefix"] or "").rstrip("/")
    host = match["host"].strip("[]")
    return Broker(host, port, tls, unquote(user), check_prefix(prefix, "--mqtt"))


def check_prefix(prefix: str, option: str = "--mqtt-prefix") -> str:
    """The prefix of topics, if MQTT allows it; "" too. Else raises InputError."""
    levels = prefix.split("/")
    wrong = any(c in "+#" or unicodedata.category(c)[0] == "C" for c in prefix)
    if prefix and (
        wrong or not all(levels) or prefix[0] == "$" or len(prefix) > LONGEST_PREFIX
    ):
        raise InputError(
            f"{option}: {quoted(prefix)} cannot begin topics; write words with / "
            "between them, without + and #, such as home/door"
        )
    return prefix


def password_of(file: Optional[Path], variable: str) -> str:
    """The password in a file of one line, or else `variable`, the environment's.

    It is never shown: `redact` hides it from now on. Raises InputError for a file that
    cannot be read, or has none.
    """
    password = variable
    if file:
        place = f"--mqtt-password-file {file}"
        password = read_secret("--mqtt-password-file", file).rstrip("\n")
        if not password or "\n" in password:
            raise InputError(f"{place}: write the password, in one line")
    if password:
        remember(f"mqtt://user:{quote(password, safe='')}@host")
    return password


def tls_context(ca_file: Optional[Path]) -> Any:
    """What checks the broker's certificate and its name: an ssl.SSLContext.

    With `ca_file`, a PEM file of certificates, only those are trusted; else those of
    the system. Raises InputError if the file cannot be used.
    """
    import ssl  # takes long on a board

    try:
        return ssl.create_default_context(cafile=ca_file and str(ca_file))
    except ssl.SSLError:
        raise InputError(
            f"--mqtt-ca {ca_file}: has no certificate; give a PEM file"
        ) from None
    except OSError as error:
        reason = reason_of(error)
        raise InputError(f"--mqtt-ca {ca_file}: cannot be read ({reason})") from None
