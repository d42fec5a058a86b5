"""A headless Chromium for tests of pages; as a program, tells whether one starts."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def start_chromium(*args: str) -> Iterator:
    """Start one of the system, else the one that Playwright installed."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    # Chromium has no sandbox for root, who tests in containers.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=[*sandbox, *args])
        yield browser
        browser.close()


@contextlib.contextmanager
def launch_chromium(*args: str) -> Iterator:
    """Start a Chromium with some more arguments, or skip."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: no browser to drive"
    )
    with contextlib.ExitStack() as stack:
        try:
            browser = stack.enter_context(start_chromium(*args))
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts: {str(error).splitlines()[0]}")
        yield browser


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """Return a headless Chromium, or skip."""
    with launch_chromium() as browser:
        yield browser


@pytest.fixture
def open_page(chromium):
    """Open a file; it may give no error and ask for nothing but files."""
    troubles, contexts = [], []

    def open_file(path: Path, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda m: m.type == "error" and troubles.append(m.text))
        page.on(
            "request",
            lambda r: r.url[:5] in ("file:", "data:") or troubles.append(r.url),
        )
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="session")
def serious():
    """Return what axe-core finds in an open page that is serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def find(page) -> list[str]:
        # What is drawn later than it is laid out, such as what scrolls.
        page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
        )
        return [
            f"{found['id']}: {node['html'][:200]}"
            for found in axe.run(page).response["violations"]
            if found["impact"] in ("serious", "critical")
            for node in found["nodes"]
        ]

    return find


if __name__ == "__main__":
    with start_chromium() as browser:
        print(browser.version)
