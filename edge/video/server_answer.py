"""Why a server gives no video: its answer to a short request of our own.

OpenCV says only that a stream cannot be opened. `server_answer` asks once more, with
the standard library, and says what came back: a status such as 401, or why there is
none.
"""

from __future__ import annotations

import http
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import closing
from types import SimpleNamespace
from typing import Dict, Optional, Tuple
from urllib.parse import quote, unquote
from urllib.request import HTTPPasswordMgrWithDefaultRealm

from edge.video.stream_address import Address

SECONDS = 3.0  # limit of each step of the request
LARGEST = 1 << 16  # bytes of an answer's head
PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443}
SAFE = "/%:!$&'()*+,;=-._~?@"  # not changed in a path; a # and what follows is not sent


def server_answer(address: Address) -> str:
    """Why the server of an address sends no video, with the remedy.

    "" if that cannot be found out, for example of UDP. The text has no secrets. It
    takes a few seconds at most, where a server does not answer.
    """
    ask = {"http": http_status, "https": http_status}.get(address.scheme)
    if address.scheme in ("rtsp", "rtsps"):
        ask = rtsp_status
    try:
        if ask:
            return explained(ask(address), address)
        if address.scheme in ("tcp", "tls", "rtmp", "rtmps") and address.host:
            connect(address).close()
    except urllib.error.URLError as error:
        return unreachable(error.reason)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return unreachable(error)
    if address.scheme in ("udp", "tcp", "rtp"):
        return ""
    return (
        "cannot be opened; check that the stream is running, and that OpenCV was built "
        f"with {address.scheme}"
    )


def explained(status: Optional[int], address: Address) -> str:
    """A status in words, with the remedy."""
    if status is None:
        return f"the server does not answer as {address.scheme} does; check the address"
    try:
        named = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        named = str(status)
    if status in (401, 407):
        if address.login:
            return f"the server refuses the user name or the password ({named})"
        return (
            f"the server wants a user name and a password ({named}); write "
            f"{address.scheme}://USER:PASSWORD@HOST/..."
        )
    if status == 403:
        return f"the server forbids it ({named}); check the rights of this user"
    if status in (404, 410):
        return f"the server has nothing at this path ({named}); check the path"
    if status >= 300:
        return f"the server answers {named}"
    return "the server answers, but not with a video that OpenCV can read"


def unreachable(error: object) -> str:
    """Why a server cannot be reached."""
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known; check it"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is the stream running?"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no answer within {SECONDS:.0f} s; is the stream running?"
    if isinstance(error, ssl.SSLError):
        return "the server does not speak TLS; try the scheme without s"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}; is the stream running?"
    return ""


def passwords(address: Address) -> HTTPPasswordMgrWithDefaultRealm:
    """The user name and password of an address, for the library."""
    known = HTTPPasswordMgrWithDefaultRealm()
    if address.login:
        known.add_password(None, place(address), address.user, address.password)
    return known


def place(address: Address) -> str:
    """The address without user name and password, as it is sent to the server."""
    path = quote(address.path.partition("#")[0], safe=SAFE)
    return f"{address.scheme}://{address.netloc}{path}"


def unverified() -> ssl.SSLContext:
    """TLS as FFmpeg uses it: cameras have certificates that nobody signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def http_status(address: Address) -> int:
    """The status of an HTTP address. Raises OSError if there is none."""
    known = passwords(address)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=unverified()),
        urllib.request.HTTPDigestAuthHandler(known),
        urllib.request.HTTPBasicAuthHandler(known),
    )
    try:
        with opener.open(place(address), timeout=SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code


def connect(address: Address) -> socket.socket:
    """A connection to the server of an address, with its default port."""
    port = address.port or PORTS.get(address.scheme, 80)
    host = unquote(address.host.strip("[]"))
    connection = socket.create_connection((host, port), SECONDS)
    if address.scheme in ("rtsps", "rtmps", "tls"):
        return unverified().wrap_socket(connection)
    return connection


def rtsp_status(address: Address) -> Optional[int]:
    """The status of an RTSP address; None if the server does not speak RTSP."""
    with closing(connect(address)) as connection:
        status, headers = describe(connection, address, 1, "")
        if status == 401 and address.login:
            login = authorization(headers.get("www-authenticate", ""), address)
            if login:
                status, _ = describe(connection, address, 2, login)
    return status


def describe(
    connection: socket.socket, address: Address, number: int, login: str
) -> Tuple[Optional[int], Dict[str, str]]:
    """Send a DESCRIBE request; returns the status and the headers of the answer.

    Of several headers of one name the last counts, but Digest before Basic.
    """
    lines = [f"DESCRIBE {place(address)} RTSP/1.0", f"CSeq: {number}"]
    lines += ["Accept: application/sdp", "User-Agent: kseg"]
    lines += [f"Authorization: {login}"] if login else []
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LARGEST:
        received = connection.recv(4096)
        if not received:
            break
        data += received
    first, *rest = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    match = re.match(r"RTSP/\d\.\d (\d{3})", first)
    headers: Dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        if "digest" not in headers.get(name.strip().lower(), "").lower():
            headers[name.strip().lower()] = value.strip()
    return int(match[1]) if match else None, headers


def authorization(challenge: str, address: Address) -> Optional[str]:
    """The header Authorization for the challenge of a server; None if unknown."""
    known, url = passwords(address), place(address)
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() == "digest":
        handler = urllib.request.AbstractDigestAuthHandler(known)
        request = SimpleNamespace(
            full_url=url, selector=url, data=None, get_method=lambda: "DESCRIBE"
        )
        values = urllib.request.parse_keqv_list(
            filter(None, urllib.request.parse_http_list(rest))
        )
        answer = handler.get_authorization(request, values)
        return f"Digest {answer}" if answer else None
    if scheme.lower() == "basic":
        pair = f"{address.user}:{address.password}".encode()
        return f"Basic {b64encode(pair).decode()}"
    return None
