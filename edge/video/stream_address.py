"""The parser of all source addresses: rtsp://USER:PASSWORD@HOST:PORT/PATH and others.

Messages never show user name, password, tokens or keys: see edge.core.redaction.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Optional
from urllib.parse import quote, unquote

from edge.core.addresses import redact_address, split_address, split_host
from edge.core.errors import InputError
from edge.core.redaction import redact

SCHEMES = (
    *("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "rtmpt", "rtmpe"),
    *("tcp", "tls", "udp", "rtp", "srt", "mms", "mmsh", "mmst"),
)
# These may wait for a sender at an address of this machine, without a host.
WITHOUT_HOST = ("udp", "rtp", "tcp", "srt")
AS_FFMPEG = {"mms": "mmsh"}  # FFmpeg has no scheme mms
# Spellings of other programs (VLC, GStreamer, jetson-inference), and what to write.
SPELLINGS = {
    **{name: "rtsp://..." for name in ("rtspt", "rtspu", "rtsph", "rtsp+tcp")},
    **{name: "rtsps://..." for name in ("rtspst", "rtspsu")},
    **{name: "the stream's rtsp:// or http:// address" for name in ("webrtc", "onvif")},
    **{name: "the camera's number, such as 0" for name in ("dshow", "avfoundation")},
}


# Texts without :// that are not meant as files: host:554/path, rtsp//host, www.host
LIKE_ADDRESS = re.compile(
    rf"(?:\w+:|//)?[\w.-]+:\d+(?:/|$)|(?:{'|'.join(SCHEMES)})[^\w.\s-]+\w|www\.",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """The parts of an address, as given; `login` is USER:PASSWORD, None without @."""

    scheme: str
    login: Optional[str]
    host: str
    port: Optional[int]
    path: str  # with query and fragment
    shown: str  # without secrets

    @property
    def url(self) -> str:
        """The address for FFmpeg, which wants passwords with %-codes."""
        scheme = AS_FFMPEG.get(self.scheme, self.scheme)
        login = "" if self.login is None else f"{encoded(self.login)}@"
        return f"{scheme}://{login}{self.netloc}{self.path}"

    @property
    def netloc(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def user(self) -> str:
        """The user name, decoded."""
        return unquote((self.login or "").partition(":")[0])

    @property
    def password(self) -> str:
        """The password, decoded."""
        return unquote((self.login or "").partition(":")[2])


def encoded(login: str) -> str:
    """USER:PASSWORD with %-codes for the characters that end a host.

    Valid %-codes stay as they are.

    >>> encoded("me:a#b%2Fc%d")
    'me:a%23b%2Fc%25d'
    """
    login = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", login)
    return quote(login, safe="%:!$&'()*+,;=-._~")


def parse_address(source: str) -> Address:
    """Parse the address of a stream.

    Raises InputError for an unknown scheme, and says which part is malformed.
    """
    scheme, login, rest = split_address(source)
    shown = redact_address(source, source=True)
    if scheme not in SCHEMES:
        raise InputError(f"source {shown}: {unknown_scheme(scheme)}")
    if not re.match(r"\w+://", source):
        raise InputError(
            f"source {shown}: two slashes follow the colon; write {scheme}://HOST/..."
        )
    parts = split_host(rest)
    if parts is None:
        raise InputError(f"source {shown}: {malformed(rest, scheme)}")
    host, port, path = parts
    absent = re.match(r"\w+:///", source) or not host
    if absent and (scheme not in WITHOUT_HOST or not port):
        raise InputError(
            f"source {shown}: the address has no host; write {scheme}://HOST/..."
        )
    if port and int(port) == 0:
        raise InputError(f"source {shown}: the port is not a number from 1 to 65535")
    return Address(scheme, login, host, int(port) if port else None, path, shown)


def unknown_scheme(scheme: str) -> str:
    """What to write instead of a scheme that FFmpeg does not read."""
    if scheme in SPELLINGS:
        return f"{scheme}:// is not read here; write {SPELLINGS[scheme]}"
    return f"{scheme}:// is not read here; the schemes are {', '.join(SCHEMES)}"


def malformed(rest: str, scheme: str) -> str:
    """What is wrong with the host and port at the beginning of `rest`.

    A part that may be a password is not quoted.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if authority.count("[") != authority.count("]") or "[" in authority[1:]:
        return "a bracket of the host is missing; write an IPv6 address as [::1]"
    if authority.startswith("["):
        return "what stands in brackets is not an IPv6 address; write it as [::1]"
    if authority.count(":") > 1:
        return (
            "the host has more than one colon; write an IPv6 address in brackets, "
            f"and a password as {scheme}://USER:PASSWORD@HOST/..."
        )
    if ":" in authority:
        return (
            "the port is not a number from 1 to 65535; with a password write "
            f"{scheme}://USER:PASSWORD@HOST/..."
        )
    return "the host has characters that no host has; write a name or an IP address"


def here(source: str) -> str:
    """A source as it is spelled here: other programs' addresses of files and cameras.

    `file:` addresses become paths; `csi://1` becomes `csi:1`; `v4l2:///dev/video0`
    becomes `/dev/video0`. Others are returned as they are. Raises InputError for an
    empty source and a file of another machine.

    >>> here("csi://1"), here("csi://0"), here("file:///tmp/my%20clip.mp4")
    ('csi:1', 'csi:0', '/tmp/my clip.mp4')
    """
    source = source.strip()
    if not source:
        raise InputError(
            "--source is empty; give a camera number, a file or an address"
        )
    if not source.isprintable():
        raise InputError(f"source {redact(source)!r}: has control characters")
    match = re.match(r"(file|csi|picamera|libcamera|v4l2?):(?://)?", source, re.I)
    if not match or os.path.exists(source):
        return source
    kind, rest = match[1].lower(), source[match.end() :]
    if kind == "file":
        return file_of(rest, source)
    if kind.startswith("v4l"):
        return rest or "0"
    if kind == "csi":
        return f"csi:{rest}" if rest else "csi"
    return f"picamera:{rest}" if rest.strip("0") else "picamera"


def file_of(rest: str, source: str) -> str:
    """The path of a file: address; `rest` follows "file://" or "file:"."""
    path = re.sub(r"^localhost(?=/)", "", rest, flags=re.IGNORECASE)
    path = re.sub(r"^/(?=[A-Za-z]:[/\\])", "", path)  # file:///C:/clip.mp4
    if not path:
        raise InputError(f"source {source}: has no path; write file:///FOLDER/FILE")
    for candidate in (unquote(path), path):
        if os.path.exists(candidate):
            return candidate
    if not path.startswith(("/", "~", ".")) and "/" in path and "://" in source:
        raise InputError(
            f"source {redact(source)}: is a file of another machine; mount its folder, "
            "and give the path of the file"
        )
    return unquote(path)


def no_such_file(source: str) -> str:
    """Why a source that is neither a camera nor an address cannot be opened."""
    shown = redact(source)
    if shown != source or LIKE_ADDRESS.match(source):
        why = "no such file; an address begins with its scheme, such as rtsp://HOST/..."
    else:
        why = "no such file or folder; a camera is a number, such as 0"
    name = (
        "; a name before = has at most 32 of a-z, 0-9, _ and -, and begins with a "
        "letter"
    )
    return f"source {shown}: {why}{name if '=' in source else ''}"
