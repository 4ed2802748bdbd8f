"""A real browser, headless: what it says of a page, and what the page does in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""That of the system: playwright's own would be a download."""


def needed() -> None:
    """Skips the test where there is no browser to ask."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here", allow_module_level=True)


@dataclass
class Page:
    """An open page.

    Attributes:
        page: playwright's.
        complaints: what the console and the page's scripts said since it was opened, and requests that left the file.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        return self.page.evaluate(expression)


@contextmanager
def launched() -> Iterator[Any]:
    """A browser, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox: tests may run as root, where Chromium's does not start; the pages are ours.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, path: Path, width: int = 1600) -> Iterator[Page]:
    """The page of a file, shown at a width of so many pixels."""
    tab = browser.new_page(viewport={"width": width, "height": 1000})
    found = Page(tab)

    def requested(request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            found.complaints.append(f"request: {request.url}")

    tab.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    tab.on("request", requested)
    try:
        tab.goto(path.as_uri())
        yield found
    finally:
        tab.close()
