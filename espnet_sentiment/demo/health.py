"""Telling a supervisor, such as Docker's, whether the page answers."""

import threading

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from espnet_sentiment import __version__

ROUTE = "/healthz"


class Health:
    """ASGI middleware: ``GET /healthz`` is 200 once a recording was answered, else 503.

    Both are JSON: ``status``, ``ok`` or ``starting``, and ``model`` and ``version``.

    Args:
        app: Gets everything else.
        ready: Set once the model has answered.
        model: The model's name.
    """

    def __init__(self, app: ASGIApp, ready: threading.Event, model: str):
        self.app, self.ready, self.model = app, ready, model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass a request on."""
        if scope["type"] != "http" or scope["path"] != ROUTE:
            await self.app(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await JSONResponse({"status": "ask by GET"}, 405)(scope, receive, send)
            return
        up = self.ready.is_set()
        told = {
            "status": "ok" if up else "starting",
            "model": self.model,
            "version": __version__,
        }
        answer = JSONResponse(told, 200 if up else 503, {"Cache-Control": "no-store"})
        await answer(scope, receive, send)
