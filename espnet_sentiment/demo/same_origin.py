"""Keeping pages elsewhere from using this one through somebody's browser."""

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

REFUSAL = "This page takes no requests from other pages: open it by its own address.\n"
POLICY_VIOLATION = 1008  # RFC 6455, Section 7.4.1


class SameOrigin:
    """ASGI middleware: 403 for what a page of another origin has a browser send.

    Browsers name the page in ``Origin`` (https://fetch.spec.whatwg.org/#origin-header),
    which is compared with ``Host``, and tell how far it is from this server in
    ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata). Following a link to the
    page is no request of another page. What is no browser sends neither.

    Args:
        app: Gets everything else. To be outermost: Gradio's own CORS headers allow all
            origins on hosts other than the loopback.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or _is_own(scope):
            await self.app(scope, receive, send)
        elif kind == "websocket":
            await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)
        else:
            await PlainTextResponse(REFUSAL, 403)(scope, receive, send)


def _is_own(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if origins := headers.getlist("origin"):
        return _are_of(origins, headers.getlist("host"))
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    return (
        scope.get("method") == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _are_of(origins: Iterable[str], hosts: list[str]) -> bool:
    """Tell whether origins, ``null`` is one, are those of the one host."""
    # A proxy may speak https where this server does not.
    owners = {origin.lower().partition("://")[2] for origin in origins}
    return owners == {host.lower() for host in hosts} and "" not in owners
