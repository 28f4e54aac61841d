"""The base class of all request handlers: who gets an answer, and its headers."""

from __future__ import annotations

import math
from typing import Any, Dict, Optional, Protocol, Sequence

import tornado.web

from edge.core.log import say
from edge.display.web.access import Listener
from edge.display.web.rates import RateLimit
from edge.display.web.shown_source import ShownSource
from edge.model_file.info import ModelInfo

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src blob:; connect-src "
    "'self'; style-src 'self'; script-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the URL may contain the token
    "X-Content-Type-Options": "nosniff",
}
BEARER = "Bearer "
OTHER_SITES = ("cross-site", "same-site")  # in the header Sec-Fetch-Site


class Web(Protocol):
    """The part of edge.display.web.server.Web that the handlers use."""

    listener: Listener
    info: ModelInfo
    sources: Sequence[ShownSource]
    first: ShownSource
    sockets: set
    limit: RateLimit

    @property
    def names(self) -> Sequence[str]: ...
    def find(self, name: str) -> Optional[ShownSource]: ...
    def page_info(self, shown: ShownSource) -> Dict[str, Any]: ...
    def publish_states(self) -> None: ...
    def apply_change(self, message: str) -> None: ...


class AuthenticatedHandler(tornado.web.RequestHandler):
    """Checks the host or the token of each request; errors are one line of text."""

    def initialize(self, web: Web) -> None:
        self.web = web

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        self.check_access()
        cost = self.cost()
        wait = self.web.limit.take(self.request.remote_ip or "", cost) if cost else 0.0
        if wait:
            self.retry_after = math.ceil(wait)
            raise tornado.web.HTTPError(429, reason="Too many requests; ask less often")

    def cost(self) -> float:
        """What this request takes of the client's RateLimit; 0 for no limit."""
        return 0.0

    def check_access(self) -> None:
        """Raises HTTPError 403 for a stranger."""
        listener = self.web.listener
        if not listener.token:
            if not listener.accepts_host(self.request.host_name.strip("[]")):
                reason = "The host name is not that of this machine"
                raise tornado.web.HTTPError(403, reason=reason)
            return
        tokens = [self.get_query_argument("token", "")]
        tokens.append(self.get_cookie(listener.cookie, ""))
        authorization = self.request.headers.get("Authorization", "")
        if authorization.startswith(BEARER):
            tokens.append(authorization[len(BEARER) :].strip())
        if not listener.accepts_token(tokens):
            reason = (
                "Open the address of the camera program with its token (?token=TOKEN), "
                "or send the header Authorization: Bearer TOKEN"
            )
            raise tornado.web.HTTPError(403, reason=reason)

    def named_source(self) -> Optional[ShownSource]:
        """The source that the query names, or the only one; else None.

        Raises HTTPError 404 for a name that no source has.
        """
        name = self.get_query_argument("source", "")
        if not name:
            return self.web.first if len(self.web.sources) == 1 else None
        shown = self.web.find(name)
        if not shown:
            reason = "There is no such source; /api/sources lists them"
            raise tornado.web.HTTPError(404, reason=reason)
        return shown

    def shown_source(self) -> ShownSource:
        """The same. Raises HTTPError 400 where there are several and none is named."""
        shown = self.named_source()
        if not shown:
            name = self.web.names[0]
            reason = f"Name a source: ?source={name}; /api/sources lists them"
            raise tornado.web.HTTPError(400, reason=reason)
        return shown

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """Say an error of this program in one line, without the query's token."""
        if not isinstance(error, tornado.web.HTTPError):
            request = f"{self.request.method} {self.request.path}"
            say(f"--serve: {request} failed ({error!r}); please report this")

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_error_headers(status_code)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{status_code}: {self._reason}\n")

    def set_error_headers(self, status_code: int) -> None:
        """What HTTP asks for beside some statuses."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(methods_of(type(self))))
        if status_code == 429:
            self.set_header("Retry-After", str(self.retry_after))


class SameSiteHandler(AuthenticatedHandler):
    """Gives no answer to pages of other origins, as a browser names them.

    They could not read it. But some requests change something, and others are work.
    """

    def check_access(self) -> None:
        super().check_access()
        if self.is_of_another_site():
            reason = "Pages of other sites get no answer"
            raise tornado.web.HTTPError(403, reason=reason)

    def is_of_another_site(self) -> bool:
        """Whether a page of another origin makes this request.

        A browser says so by Origin, or by Sec-Fetch-Site; a link that a user follows
        is no request of the page. Programs send neither header.
        """
        headers = self.request.headers
        origin = headers.get("Origin")
        if origin and not self.is_own(origin):
            return True
        follows = headers.get("Sec-Fetch-Mode") == "navigate"
        reads = follows and self.request.method == "GET"
        return headers.get("Sec-Fetch-Site") in OTHER_SITES and not reads

    def is_own(self, origin: str) -> bool:
        """Whether an origin is that of this server, perhaps behind a proxy with TLS."""
        host = self.request.headers.get("Host", "").lower()
        return origin.lower() in (f"http://{host}", f"https://{host}")


class NotFound(AuthenticatedHandler):
    """Answers for paths that there are not; strangers do not learn which."""

    def prepare(self) -> None:
        super().prepare()
        raise tornado.web.HTTPError(404)


def methods_of(handler: type) -> list[str]:
    """The methods that a class of handlers answers, such as ["GET", "PUT"]."""
    base = tornado.web.RequestHandler
    return [
        name
        for name in ("GET", "POST", "PUT")
        if getattr(handler, name.lower()) is not getattr(base, name.lower())
    ]
