"""The few requests that the page makes; Gradio has sixty more, and trusts them."""

import json
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json"
    r"|/(assets|static|svelte)/.+"
    r"|/gradio_api/(info|startup-events|queue/data|upload_progress|file=.+)",
    re.DOTALL,
)
# The browser asks, as there is a microphone; no state here lives by it.
HEARTBEAT = re.compile(r"/gradio_api/heartbeat/[^/]+")
UPLOAD = "/gradio_api/upload"
MAX_CALL = 1 << 16  # bytes of a call; it names its file
MAX_SESSIONS = 1000  # whose answers may still be asked for
MAX_NAME = 200  # characters of a session's name
# What Gradio raises of a form that is not the page's.
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, AssertionError)


class Calls:
    """ASGI middleware: lets through what the page asks for, checked, and no more.

    Other routes are 404, calls that are not the page's 400, without a traceback.

    Args:
        app: Gradio's.
        functions: What each of the page's functions takes, by its id, each ``file`` or
            ``flag``.
        folder: Where uploads are.
    """

    def __init__(
        self, app: ASGIApp, functions: Mapping[int, Sequence[str]], folder: Path
    ):
        self.app, self.functions, self.folder = app, functions, folder
        self._sessions: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        try:
            match scope["method"], scope["path"]:
                case "POST", "/gradio_api/queue/join":
                    await self._join(scope, receive, send)
                case "POST", "/gradio_api/upload":
                    await self._upload(scope, receive, send)
                case "GET", "/gradio_api/queue/data":
                    await self._data(scope, receive, send)
                case (("GET" | "HEAD"), path) if READ.fullmatch(path):
                    await self.app(scope, receive, send)
                case "GET", path if HEARTBEAT.fullmatch(path):
                    nothing = PlainTextResponse("", media_type="text/event-stream")
                    await nothing(scope, receive, send)
                case _:
                    raise HTTPException(404, "This page has nothing there.")
        except HTTPException as refused:
            answer = PlainTextResponse(f"{refused.detail}\n", refused.status_code)
            await answer(scope, receive, send)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._checked(await _read(receive))
        session = call["session_hash"]
        self._sessions[session] = None
        self._sessions.move_to_end(session)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        body = json.dumps(call).encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(messages, None) or await receive()

        headers = Headers(scope=scope).mutablecopy()
        headers["content-length"] = str(len(body))
        headers["content-type"] = "application/json"
        await self.app(dict(scope, headers=headers.raw), again, send)

    def _checked(self, body: bytes) -> dict[str, Any]:
        """Write a call anew, of what the page sends and nothing else."""
        try:
            call = json.loads(body)
            data = call["data"]
            session, function = call["session_hash"], call["fn_index"]
        except (ValueError, RecursionError, LookupError, TypeError):
            raise HTTPException(400, "This is no call of this page.") from None
        if (
            not isinstance(session, str)
            or len(session) > MAX_NAME
            or type(function) is not int
            or function not in self.functions
            or not isinstance(data, list)
            or len(data) != len(self.functions[function])
        ):
            raise HTTPException(400, "This is no call of this page.")
        trigger = call.get("trigger_id")
        return {
            "data": list(map(self._value, self.functions[function], data)),
            "fn_index": function,
            "session_hash": session,
            "trigger_id": trigger if type(trigger) is int else None,
        }

    def _value(self, kind: str, value: Any) -> Any:
        if kind == "file":
            return None if value is None else self._file(value)
        if not isinstance(value, bool):
            raise HTTPException(400, "This is no call of this page.")
        return value

    def _file(self, upload: Any) -> Mapping[str, Any]:
        path = upload.get("path") if isinstance(upload, dict) else None
        inside = isinstance(path, str) and Path(os.path.abspath(path)).is_relative_to(
            self.folder
        )
        if not inside:
            # Gradio would also download what a URL names, of any size.
            raise HTTPException(400, "This page takes files that were uploaded to it.")
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    async def _data(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = QueryParams(scope["query_string"]).get("session_hash")
        if session not in self._sessions:
            raise HTTPException(404, "This page is not working for that session.")
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            # Its refusal of a session without work comes after its answer's head.
            if not isinstance(error.__cause__, HTTPException):
                raise

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except MALFORMED as error:
            logging.warning("an upload was refused: %r", error)
            raise HTTPException(
                400, "This is no upload of this page: a form with files named 'files'."
            ) from None


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_CALL:
            raise HTTPException(413, f"A call has {MAX_CALL} bytes at most.")
        if not message.get("more_body", False):
            return body
