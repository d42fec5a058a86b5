"""How much the uploads of all visitors take together."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from espnet_sentiment.demo.limits import Limits

BLOCK = 4096  # bytes that a small file takes, too
STEP = 1 << 20  # bytes received between two looks at the folder
FORM = 1 << 16  # bytes of a form around its file
FULL = (errno.ENOSPC, errno.EDQUOT)
GRACE = 60  # seconds in which Gradio deletes what has had its time


class RefusedUploadError(Exception):
    """An upload that is too much, with the status that says so."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


class Quota:
    """ASGI middleware: refuses uploads beyond a sum, whatever length they promise.

    What is being received lies in the folder, too, as far as it has come.

    Args:
        app: Receives the uploads.
        path: The route of uploads.
        folder: Where they are.
        limits: How much there may be.
    """

    def __init__(self, app: ASGIApp, path: str, folder: Path, limits: Limits):
        self.app, self.path, self.folder, self.limits = app, path, folder, limits
        self._open = 0  # uploads that are being received
        self._promised = 0  # bytes that are still to come

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no upload, or one for which there is room."""
        if scope["type"] != "http" or scope["path"] != self.path:
            await self.app(scope, receive, send)
            return
        upload = _Upload(self, scope, receive)
        self._open += 1
        try:
            upload.begin()
            await self.app(scope, upload.receive, send)
        except RefusedUploadError as refused:
            await upload.drain()
            await self._refuse(refused.status, str(refused), scope, receive, send)
        except OSError as error:
            if error.errno not in FULL:
                raise
            await self._refuse(507, "The server's disk is full.", scope, receive, send)
        finally:
            upload.end()
            self._open -= 1
            if not self._open:
                self._sweep()

    async def _refuse(
        self, status: int, text: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = {"Retry-After": str(self.limits.keep_seconds)}
        response = PlainTextResponse(
            f"{text}\n", status, headers if status == 507 else None
        )
        await response(scope, receive, send)

    def promise(self, more: int) -> None:
        """Note that more bytes are to come, or fewer."""
        self._promised += more

    def check(self) -> None:
        """Refuse what does not fit beside what is there.

        Raises:
            RefusedUploadError: The sum of all uploads is too much.
        """
        limits = self.limits
        if self._stored() + self._promised > limits.max_total_bytes:
            raise RefusedUploadError(
                507,
                f"All uploads together fill the {limits.max_total_mb:g} MB that this "
                f"page keeps: try again in {limits.keep_seconds / 60:.1f} min, when "
                "they are deleted.",
            )

    def _stored(self) -> int:
        return sum(-(-size // BLOCK) * BLOCK for size in _sizes(self.folder))

    def _sweep(self) -> None:
        """Remove what uploads that were cut off have left behind.

        Whole files have folders of their own, and Gradio deletes those that it knows.
        """
        oldest = time.time() - self.limits.keep_seconds - GRACE
        for root, _, files in os.walk(self.folder, topdown=False):
            for name in files:
                path = Path(root, name)
                with contextlib.suppress(OSError):
                    if path.parent == self.folder or path.stat().st_mtime < oldest:
                        path.unlink()
            if Path(root) != self.folder:
                with contextlib.suppress(OSError):
                    os.rmdir(root)


class _Upload:
    """An upload that is being received, chunk by chunk."""

    def __init__(self, quota: Quota, scope: Scope, receive: Receive):
        self._quota, self._receive = quota, receive
        length = Headers(scope=scope).get("content-length", "")
        self._promised = int(length) if length.isdecimal() else 0
        self._received = self._unseen = 0
        self._more = True
        quota.promise(self._promised)

    def begin(self) -> None:
        self._check_size(self._promised)
        self._quota.check()

    def end(self) -> None:
        self._quota.promise(-self._promised)

    async def receive(self) -> Message:
        message = await self._receive()
        self._more = message.get("more_body", False)
        size = len(message.get("body", b""))
        come = min(size, self._promised)
        self._promised -= come
        self._quota.promise(-come)
        self._received += size
        self._unseen += size
        self._check_size(self._received)
        if self._unseen >= STEP:
            self._unseen = 0
            self._quota.check()
        return message

    def _check_size(self, size: int) -> None:
        limits = self._quota.limits
        if size > limits.max_bytes + FORM:
            raise RefusedUploadError(
                413, f"An upload has at most {limits.max_mb:g} MB on this page."
            )

    async def drain(self) -> None:
        """Read on a while: a browser that is still sending hears no answer."""
        while self._more and self._received <= self._quota.limits.max_bytes + FORM:
            message = await self._receive()
            self._more = message.get("more_body", False)
            self._received += len(message.get("body", b""))


def _sizes(folder: Path) -> Iterator[int]:
    for root, _, files in os.walk(folder):
        yield BLOCK
        for name in files:
            try:
                yield os.stat(os.path.join(root, name)).st_size
            except OSError:
                # Deleted meanwhile.
                continue
