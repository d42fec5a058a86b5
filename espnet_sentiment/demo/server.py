"""Serving the page: on this machine alone, unless told otherwise."""

import contextlib
import ipaddress
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.demo.limits import Limits

if TYPE_CHECKING:
    import gradio
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.types import ASGIApp

    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

LOOPBACK = "127.0.0.1"
NAMES = [LOOPBACK, "localhost"]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def serving(
    model: "Speech2Sentiment",
    limits: Limits,
    host: str = LOOPBACK,
    port: int | None = None,
    name: str = "",
    corpus: str | None = None,
) -> Iterator[str]:
    """Serve the page in the background and give its address.

    Uploads go to a folder that only this user can read and that goes with the server.

    Args:
        model: Classifies.
        limits: What the page takes.
        host: Address to bind.
        port: Port; None takes the first free one from 7860.
        name: The model's name on the page.
        corpus: What the model has learned on, where it is known.

    Raises:
        DataError: The port is taken, or the host is not this machine's.
    """
    host = host.strip("[]")
    # Of an IPv6 address, as URLs write it.
    url_host = f"[{host}]" if ":" in host else host
    with _private_uploads() as folder, _no_proxy(host):
        import gradio

        from espnet_sentiment.demo.live import Live
        from espnet_sentiment.demo.page import build_page

        live = Live(model, limits)
        page = build_page(model, limits, name, corpus, live=live)
        ready = threading.Event()
        loopback = url_host if is_loopback(host) else None
        guards = _guards(page, limits, folder, loopback, ready, name)
        try:
            _, url, _ = page.launch(
                server_name=url_host,
                server_port=port,
                prevent_thread_lock=True,
                share=False,
                quiet=True,
                inline=False,
                show_error=False,
                max_file_size=limits.max_bytes,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                app_kwargs={"middleware": guards, "lifespan": _only_same_origin},
                theme=gradio.themes.Default(
                    font=("system-ui", "sans-serif"),
                    font_mono=("ui-monospace", "monospace"),
                ),
                css=(files(__package__) / "page.css").read_text(encoding="utf-8"),
            )
        except OSError:
            raise DataError(
                f"--host {host} --port {port or 'from 7860'} cannot be bound: another "
                "program has the port, or the host is not this machine's"
            ) from None
        try:
            _warm_up(model)
            ready.set()
            yield url
        finally:
            page.close(verbose=False)
            live.close()


def _warm_up(model: "Speech2Sentiment") -> None:
    """Let a model answer a second of noise: by then it can answer recordings.

    What else it imports and allocates, the first visitor does not wait for.
    """
    import numpy as np

    noise = np.random.default_rng(0).uniform(-0.1, 0.1, model.sample_rate)
    model(noise.astype(np.float32))


def _guards(
    page: "gradio.Blocks",
    limits: Limits,
    folder: Path,
    loopback: str | None,
    ready: threading.Event,
    name: str,
) -> list["Middleware"]:
    """Return what stands before Gradio's routes, outermost first."""
    import gradio
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from espnet_sentiment.demo.calls import UPLOAD, Calls
    from espnet_sentiment.demo.health import Health
    from espnet_sentiment.demo.quota import Quota

    # Against pages elsewhere whose name is made to resolve to this machine.
    trusted = ["*"] if loopback is None else [*NAMES, *_trusted(loopback)]
    takes = {
        function: ["file" if isinstance(x, gradio.Audio) else "flag" for x in fn.inputs]
        for function, fn in page.fns.items()
    }
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=trusted),
        Middleware(Health, ready, name),
        Middleware(Calls, takes, folder),
        Middleware(Quota, UPLOAD, folder, limits),
    ]


@contextlib.asynccontextmanager
async def _only_same_origin(app: "Starlette") -> AsyncIterator[None]:
    """Put ``SameOrigin`` before all of an app, Gradio's own CORS headers included.

    Gradio adds those outside of the middleware that it is given. When its lifespan
    begins the stack is built, and nothing is served yet.
    """
    from espnet_sentiment.demo.same_origin import SameOrigin

    # Built by now, for all that the type says.
    app.middleware_stack = SameOrigin(cast("ASGIApp", app.middleware_stack))
    yield


def _trusted(url_host: str) -> list[str]:
    # Older Starlette cuts a bracketed address at its first colon.
    return [url_host, "["] if url_host.startswith("[") else [url_host]


def wait() -> None:
    """Wait until the user presses Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


@contextlib.contextmanager
def _private_uploads() -> Iterator[Path]:
    with (
        tempfile.TemporaryDirectory(prefix="espnet_sentiment_") as folder,
        _environment("GRADIO_TEMP_DIR", folder),
    ):
        yield Path(folder)


@contextlib.contextmanager
def _no_proxy(host: str) -> Iterator[None]:
    """Let Gradio ask its own server whether it is up without a proxy between."""
    name = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"
    hosts = [os.environ.get(name), *NAMES, host]
    with _environment(name, ",".join(filter(None, hosts))):
        yield


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
