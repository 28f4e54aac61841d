"""An RTSP server: a transport stream over TCP alone, for who has the password."""

import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKET = 7 * 188  # bytes of a transport stream in a packet of RTP
CLOCK = 90_000  # units a second of the times of RTP


@contextmanager
def rtsp_server(path: Path, login: str, seconds: float) -> Iterator[tuple[int, list]]:
    """Serve a file to one client after the other: its port, and the requests.

    `login` is USER:PASSWORD, without which a client is refused; `seconds` is how long
    the file plays.
    """
    requests: list[str] = []
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server, path.read_bytes(), login, seconds, requests, ended)
        thread = threading.Thread(target=serve, args=arguments, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], requests
        finally:
            ended.set()


def serve(server, data, login, seconds, requests, ended) -> None:
    token = "Basic " + b64encode(login.encode()).decode()
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # the end of the test
            return
        with connection:
            try:
                answer_all(connection, data, token, seconds, requests, ended)
            except OSError:  # the client has gone
                pass


def answer_all(connection, data, token, seconds, requests, ended) -> None:
    """Answer requests until one asks to play; then send the file."""
    stream = connection.makefile("rb")
    while lines := request_of(stream):
        requests.append("\n".join(lines))
        method = lines[0].split()[0]
        number = next(line for line in lines if line.lower().startswith("cseq"))
        headers, body, status = [number], "", "200 OK"
        if method != "OPTIONS" and f"Authorization: {token}" not in lines:
            status, headers = (
                "401 Unauthorized",
                [number, 'WWW-Authenticate: Basic realm="x"'],
            )
        elif method == "DESCRIBE":
            body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
            body += "m=video 0 RTP/AVP 33\r\na=control:track\r\n"
            headers += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            if "RTP/AVP/TCP" not in "".join(lines):
                status = "461 Unsupported Transport"
            else:
                headers += [
                    "Session: 1",
                    "Transport: RTP/AVP/TCP;unicast;interleaved=0-1",
                ]
        elif method == "PLAY":
            headers += ["Session: 1"]
        text = "\r\n".join([f"RTSP/1.0 {status}", *headers, "", body])
        connection.sendall(text.encode())
        if method == "PLAY" and status == "200 OK":
            return play(connection, data, seconds, ended)


def request_of(stream) -> list[str]:
    """The lines of a request; none at the end of the connection."""
    lines = []
    while (line := stream.readline().decode().strip("\r\n")) or not lines:
        if not line:
            return []
        lines.append(line)
    return lines


def play(connection, data: bytes, seconds: float, ended: threading.Event) -> None:
    """Send packets of RTP between the answers, evenly over `seconds`."""
    count = -(-len(data) // PACKET)
    for index in range(count):
        payload = data[index * PACKET : (index + 1) * PACKET]
        moment = round(CLOCK * seconds * index / count)
        packet = struct.pack(">BBHII", 0x80, 33, index & 0xFFFF, moment, 1) + payload
        connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
        if ended.wait(seconds / count):
            return
