"""A server's own answer, from servers on loopback."""

import http.server
import re
import socketserver
import threading
from contextlib import contextmanager
from hashlib import md5

import pytest

from edge.core.errors import InputError
from edge.video.server_answer import server_answer
from edge.video.sources import open_source
from edge.video.stream_address import parse_address


@contextmanager
def serving(handler):
    """The port of a server in a thread."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class Web(http.server.BaseHTTPRequestHandler):
    """Answers /STATUS with that status; /login with 204 to me:a#b, else with 401."""

    def do_GET(self):
        login = self.headers.get("Authorization") == "Basic bWU6YSNi"
        name = self.path.strip("/")
        self.send_response((204 if login else 401) if name == "login" else int(name))
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def answer(port: int, rest: str, scheme: str = "http", login: str = "") -> str:
    return server_answer(parse_address(f"{scheme}://{login}127.0.0.1:{port}/{rest}"))


def test_the_status_of_a_web_server():
    with serving(Web) as port:
        assert "(401 Unauthorized); write http://USER:PASSWORD@" in answer(port, "401")
        refused = answer(port, "401", login="me:8810@")
        assert refused == (
            "the server refuses the user name or the password (401 Unauthorized)"
        )
        assert "403 Forbidden" in answer(port, "403")
        assert "nothing at this path (404 Not Found)" in answer(port, "404")
        assert "answers 503 Service Unavailable" in answer(port, "503")
        assert "answers 599" in answer(port, "599")


def test_the_right_password_is_accepted():
    with serving(Web) as port:
        assert "401" in answer(port, "login", login="me:wrong@")
        for login in ("me:a#b@", "me:a%23b@"):
            assert "not with a video" in answer(port, "login", login=login)


def test_the_message_of_a_source_has_the_status():
    with serving(Web) as port:
        url = f"http://me:Sesam8810@127.0.0.1:{port}/401"
        with pytest.raises(InputError, match="401 Unauthorized") as error:
            with open_source(url):
                pass
    assert str(error.value).startswith(f"source http://***@127.0.0.1:{port}/401: ")


def digest(uri: str) -> str:
    """The answer of me:a#b to the challenge of `Rtsp`, by RFC 2069."""
    first = md5(b"me:camera:a#b").hexdigest()
    second = md5(f"DESCRIBE:{uri}".encode()).hexdigest()
    return md5(f"{first}:77:{second}".encode()).hexdigest()


class Rtsp(socketserver.StreamRequestHandler):
    """An RTSP camera: /STATUS gives that status, /login 404 after a Digest login."""

    def handle(self):
        while line := self.rfile.readline().decode():
            method, uri, _ = line.split()
            assert (method, "@" in uri) == ("DESCRIBE", False)
            headers = ""
            while (line := self.rfile.readline().decode().strip()) != "":
                headers += line + "\n"
            name = uri.rpartition("/")[2]
            good = re.search('response="(.*?)"', headers)
            good = good and good[1] == digest(uri)
            status = (404 if good else 401) if name == "login" else int(name)
            challenge = 'WWW-Authenticate: Digest realm="camera", nonce="77"\r\n'
            challenge += 'WWW-Authenticate: Basic realm="camera"\r\n'
            self.wfile.write(
                f"RTSP/1.0 {status} X\r\nCSeq: 1\r\n{challenge}\r\n".encode()
            )


def test_the_status_of_an_rtsp_server():
    with serving(Rtsp) as port:
        assert "write rtsp://USER:PASSWORD@" in answer(port, "401", "rtsp")
        assert "403 Forbidden" in answer(port, "403", "rtsp")
        assert "404 Not Found" in answer(port, "404", "rtsp")
        assert "401" in answer(port, "login", "rtsp", "me:wrong@")
        assert "404" in answer(port, "login", "rtsp", "me:a#b@")


def test_a_server_of_another_kind():
    with serving(Web) as port:
        assert "does not answer as rtsp does" in answer(port, "200", "rtsp")
    with serving(Rtsp) as port:
        assert answer(port, "200", "https") != ""


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtsps", "rtmp", "tcp"])
def test_a_closed_port_is_refused(scheme):
    assert answer(1, "s", scheme) == "connection refused; is the stream running?"


def test_nothing_is_known_of_udp():
    assert answer(1, "", "udp") == ""


def test_a_build_without_the_scheme_is_a_possible_reason():
    assert "OpenCV was built with srt" in answer(1, "", "srt")
