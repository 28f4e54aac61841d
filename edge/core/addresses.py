"""Addresses of sources: their parts, and a form without secrets.

That form shows only what is known to be harmless: scheme, host, port, the usual words
of a path, and options of the query such as channel=1.
"""

from __future__ import annotations

import re
from typing import Optional, Tuple
from urllib.parse import unquote

HIDDEN = "***"
EXAMPLE = "USER:PASSWORD"  # in messages that say how an address is written
EXAMPLES = ("", "USER", EXAMPLE)

# Keys whose value is a secret or a user name, at the end of a longer key too.
SECRET_KEY = (
    r"(?:pass|passw|password|passwort|kennwort|passwd|passphrase|passcode|pasword|loginpas|pwd|psw|pswd"
    r"|pw|pin|token|secret|key|apikey|auth|authorization|sig|sign|signature|hash|jwt"
    r"|bearer|credential|credentials|cred|sid|session|sessionid|cookie|ticket|streamid"
    r"|streamname|user|username|usr|uname|login|loginuse|user-?id|user-?pw|accesskey"
    r"|hdnts|hmac|otp)"
)
# Keys of a query whose value may be shown, if it is simple.
HARMLESS_KEY = re.compile(
    r"(?:channels?|ch|subtype|streams?|streamtype|resolution|fps|framerate|rate|cam"
    r"|camera|width|height|size|format|type|v?codec|videocodec|compression|quality"
    r"|profile|videoprofile|mode|latency|rcvlatency|transport|proto|protocol|listen"
    r"|timeout|pkt_size|buffer_size|fifo_size|overrun_nonfatal|localaddr|localport|ttl"
    r"|reuse|unicast|tcp|udp|audio|video|bitrate|enablesrtp|index|number|action|clock"
    r"|date|text|rotation|mirror|nojitter|pbkeylen|linger)",
    re.IGNORECASE,
)
SIMPLE_VALUE = re.compile(r"[A-Za-z0-9_.]{0,12}")
SIMPLE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,23}")

BROKER = "mqtt"  # what its schemes begin with; their paths begin topics
STREAMS = ("rtsp", "rtmp", "rtp", "srt", "udp", "tcp", "mms")
# What parts of a stream's path are made of, in lower case: words of common cameras and
# servers, and of places. Any other may be a password.
HARMLESS_WORDS = frozenset(
    "amp api audio av axis back backyard bin caller cam camera cgi ch channel "
    "channels data day demo device door driveway entrance file folder frame frames "
    "front garage garden gate hall hd "
    "hevc high hls house image images index ipcam jpeg jpg kitchen left listener "
    "live low lq hq m3u8 main media mjpeg mjpg mkv model mov mp4 mpeg mpg multicast "
    "night office onvif outside parking play playlist preview profile raw realmonitor "
    "rendezvous right road room rtsp sd sdp shot snapshot source stream streaming "
    "streams street sub test track trackid ts tv unicast user video view webcam "
    "yard".split()
)

# One slash too: pathlib makes rtsp:/host of rtsp://host.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]+")
HOST = re.compile(r"\[[0-9A-Fa-f:.]+(?:%[\w.%-]+)?\]|[\w.-]*")
WITH_DOMAIN = re.compile(  # an IP address, localhost, or a name with a domain
    r"(?:\[.*\]|\d+(?:\.\d+){3}|localhost|[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,})(?::\d+)?"
)
END_IS_A_VALUE = re.compile(r"[?&][\w.-]+=[^&]*$")


def is_address(text: str) -> bool:
    """Whether a text begins as an address: with a scheme, a colon and a slash.

    >>> is_address("RTSP://camera"), is_address("a.mp4"), is_address("C:/a.mp4")
    (True, False, False)
    """
    return bool(SCHEME.match(text))


def split_address(address: str) -> Tuple[str, Optional[str], str]:
    """An address as its scheme in lower case, its user name and password, the rest.

    The second is None without `@`. Passwords are accepted with any character, also
    those that end a host: the last `@` counts where what stands before a `/`, `?` or
    `#` is not a host.

    >>> split_address("RTSP://me:a/b@camera:554/x")
    ('rtsp', 'me:a/b', 'camera:554/x')
    """
    match = SCHEME.match(address)
    if not match:
        raise ValueError("the text is no address")
    rest = address[match.end() :]
    inside = re.split(r"[/?#]", rest, maxsplit=1)[0].rfind("@")
    last = rest.rfind("@")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0][inside + 1 :]
    before = rest[: max(last, 0)]
    ordinary = WITH_DOMAIN.fullmatch(authority) or END_IS_A_VALUE.search(before)
    ordinary = ordinary and split_host(authority)
    end = inside if ordinary or ":" not in before else last
    if end < 0:
        return match[1].lower(), None, rest
    return match[1].lower(), rest[:end], rest[end + 1 :]


def split_host(rest: str) -> Optional[Tuple[str, str, str]]:
    """Split "host:port/path" into host, port and path; None if they are malformed.

    The port is "" where none is given.
    """
    host = HOST.match(rest)
    match = re.match(r"(?::(\d*))?(?=[/?#]|$)", rest[host.end() :]) if host else None
    if not (host and match) or int(match[1] or 0) > 65535:
        return None
    return host[0], match[1] or "", rest[host.end() + match.end() :]


def redact_address(address: str, source: bool = False) -> str:
    """An address without its secrets.

    Of a `source`, and of any address of a stream, only usual parts of the path are
    shown.

    User name, password, unknown options of the query and parts of the path that may be
    keys become ***. A file of this machine is shown as it is, and so is the path of an
    MQTT broker, which begins its topics. Of a malformed address only the scheme is
    left, because its parts cannot be told apart.

    >>> redact_address("rtsp://me:se#cret@camera/stream?channel=1&token=abc")
    'rtsp://***@camera/stream?channel=1&token=***'
    """
    scheme, login, rest = split_address(address)
    if is_local(address):
        return address
    begin = scheme + re.match(r"\w[^:]*(:[/\\]+)", address)[1]
    parts = split_host(rest)
    if parts is None or "@" in rest:
        return begin + HIDDEN
    host, port, rest = parts
    path, query, fragment = split_path(rest)
    hidden = login if login in EXAMPLES else HIDDEN
    user = "" if login is None else f"{hidden}@"
    shown = begin + user + (f"{host}:{port}" if port else host)
    strict = source or scheme.startswith(STREAMS)
    topics = scheme.startswith(BROKER)
    shown += path if topics else redact_path(path, scheme, strict)
    shown += "?" + redact_pairs(query) if query else ""
    return shown + (f"#{HIDDEN}" if fragment else "")


def is_local(address: str) -> bool:
    """Whether an address names a file of this machine: it has neither host nor login.

    >>> is_local("file:///videos/a.mp4"), is_local("file://server/a.mp4")
    (True, False)
    """
    return bool(re.match(r"file:(?:/(?!/)|//(?:localhost)?/)", address, re.IGNORECASE))


def split_path(rest: str) -> Tuple[str, str, str]:
    """Split "/path?query#fragment" into path, query and fragment."""
    rest, _, fragment = rest.partition("#")
    path, _, query = rest.partition("?")
    return path, query, fragment


def redact_path(path: str, scheme: str, strict: bool = True) -> str:
    """A path whose secret parts are replaced, with `strict` all that are not usual."""
    parts = path.split("/")
    if scheme.startswith("rtmp"):  # /application/key
        keep = 2 if len(parts) > 2 else 1
        hidden = [HIDDEN] if any(parts[keep:]) else parts[keep:]
        return "/".join(parts[:keep] + hidden)
    if scheme.startswith("http"):  # /live/USER/PASSWORD/NUMBER.ts of television
        found = re.fullmatch(
            r"(/live|/movie|/series|(?!/\w*(?:stream|channel)))/[^/]+/[^/]+(/\d+(?:\.\w+)?)",
            path,
            re.IGNORECASE,
        )
        if found:
            return f"{found[1]}/{HIDDEN}/{HIDDEN}{found[2]}"
    shown = []
    for before, part in zip(["", *parts], parts):
        named = re.fullmatch(rf"[\w.-]*?{SECRET_KEY}", before, re.IGNORECASE)
        unusual = strict and "=" not in unquote(part) and not is_usual(part)
        secret = part and (named or may_be_key(part) or unusual)
        shown.append(HIDDEN if secret else redact_part(part))
    return "/".join(shown)


def is_usual(part: str) -> bool:
    """Whether a part of a path is made of usual words, short ones and small numbers.

    >>> [is_usual(part) for part in ("h264Preview_01_main", "101", "S3cretPw")]
    [True, True, False]
    """
    words = re.findall(r"\d+|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+", unquote(part))
    named = [w.lower() for w in words if not w.isdigit()]
    numbers = [w for w in words if w.isdigit()]
    usual = all(w in HARMLESS_WORDS or len(w) <= 2 for w in named)
    short = sum(len(w) <= 2 and w not in HARMLESS_WORDS for w in named) <= 2
    return usual and short and sum(map(len, numbers)) <= 6


def redact_part(part: str) -> str:
    """One part of a path; user=admin&password=abc is handled as in a query."""
    plain = unquote(part)
    if "=" in plain or ":" in plain:
        return redact_pairs(part)
    return part


def redact_pairs(query: str) -> str:
    """A query in which only simple values of harmless keys are left."""
    shown = []
    for pair in re.split(r"([&;])", query):
        key, equals, value = pair.partition("=")
        if pair in ("", "&", ";", HIDDEN):
            shown.append(pair)
        elif HARMLESS_KEY.fullmatch(key) and is_simple(value):
            shown.append(pair)
        elif equals and SIMPLE_KEY.fullmatch(key) and not may_be_key(key):
            shown.append(f"{key}={HIDDEN}")
        else:
            shown.append(HIDDEN)
    return "".join(shown)


def is_simple(value: str) -> bool:
    """Whether a value of a query is a number, a size or a usual word."""
    number = re.fullmatch(r"\d{1,8}(?:[x.:]\d{1,8})?", value)
    return bool(
        not value or number or (SIMPLE_VALUE.fullmatch(value) and is_usual(value))
    )


def may_be_key(part: str) -> bool:
    """Whether a part of a path looks like a random key rather than like a name.

    >>> [may_be_key(part) for part in ("realmonitor", "h264Preview_01", "aB3xYz90LmQ4")]
    [False, False, True]
    """
    plain = unquote(part)
    if re.search(r"(?:[A-Za-z0-9]{4}-){3}[A-Za-z0-9]{4}", plain):
        return True
    for word in re.split(r"[^A-Za-z0-9]+", plain):
        digits = bool(re.search(r"\d", word))
        letters = bool(re.search(r"[A-Za-z]", word))
        mixed = bool(re.search(r"[a-z]", word) and re.search(r"[A-Z]", word))
        hexadecimal = bool(re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", word))
        capitals = len(re.findall(r"[a-z][A-Z]", word))
        limit = 12 if digits and (mixed or hexadecimal) else 16 if digits else 33
        if len(word) >= limit and (letters or len(word) >= 16):
            return True
        if len(word) >= 12 and 4 * capitals >= len(word):  # AbCdEfGhIjKl
            return True
    return False
