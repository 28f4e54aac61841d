"""The paths of the server, and what answers each of them."""

from __future__ import annotations

import tornado.web

from edge.display.web import api, handlers
from edge.display.web.authenticated import NotFound, Web

# All of them, and what they answer, are described in openapi.json.
ROUTES = {
    "/": handlers.Page,
    "/page.css": handlers.PageFile,
    "/page.js": handlers.PageFile,
    "/elements.js": handlers.PageFile,
    "/link.js": handlers.PageFile,
    "/grid.js": handlers.PageFile,
    "/zones.js": handlers.PageFile,
    "/stream.mjpg": handlers.Stream,
    "/snapshot.png": handlers.Snapshot,
    "/link": handlers.ViewSocket,
    "/metrics": api.Metrics,
    "/api/openapi.json": api.Description,
    "/api/state": api.State,
    "/api/sources": api.Sources,
    "/api/classes": api.Classes,
    "/api/zones": api.Zones,
    "/api/events": api.Events,
    "/api/capture": api.Capture,
    "/api/snapshot.png": api.ApiSnapshot,
    "/api/snapshot.jpg": api.ApiSnapshot,
}


def application(web: Web) -> tornado.web.Application:
    """The application of a server, whose state is in `web`."""
    given = {"web": web}
    routes = [(path.replace(".", r"\."), name, given) for path, name in ROUTES.items()]
    return tornado.web.Application(
        [*routes, (r"/api/.*", api.ApiNotFound, given)],
        default_handler_class=NotFound,
        default_handler_args=given,
        log_function=lambda _: None,  # viewers are not logged
        websocket_ping_interval=5,  # detects pages that are gone
        websocket_ping_timeout=5,
        websocket_max_message_size=1000,
    )
