"""A real Chromium on the daemon's page, watched for what must never happen."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NODE_MODULES = Path(__file__).parents[2] / "memsnap" / "web" / "page" / "node_modules"
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
THEMES = ("light", "dark")


def chromium() -> str:
    """Return the path of a Chromium, or skip the test."""
    named = os.environ.get("MEMSNAP_TEST_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("needs Chromium: apt-get install chromium, or MEMSNAP_TEST_CHROMIUM=PATH")
    return found


@contextmanager
def launched() -> Iterator["Browser"]:
    """Run a browser until the context ends."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (test extra)")
    path = chromium()
    # Chromium refuses its sandbox to root, as which containers run tests.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Watched:
    """A page, and what went on in it."""

    page: "Page"
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def axe(self) -> list[tuple[str, str, list[str]]]:
        """Return what axe-core finds that is serious or worse; skip where it is not installed."""
        script = NODE_MODULES / "axe-core" / "axe.min.js"
        if not script.exists():
            pytest.skip("needs axe-core: npm --prefix memsnap/web/page ci --ignore-scripts")
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(script.read_text())
        found: dict[str, Any] = self.page.evaluate("axe.run()")
        return [
            (each["id"], each["help"], [node["html"][:160] for node in each["nodes"]])
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]


def watched(browser: "Browser", *, size: str = "wide", theme: str = "light") -> Watched:
    """Return a new page of its own context, in English and UTC."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,  # type: ignore[arg-type]
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",  # a colour on its way to another one is none to judge
        accept_downloads=True,
    )
    seen = Watched(page=context.new_page())
    page = seen.page
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on(
        "console",
        lambda message: seen.errors.append(message.text) if message.type == "error" else None,
    )
    page.on("request", lambda request: seen.hosts.add(urlsplit(request.url).netloc))
    return seen
