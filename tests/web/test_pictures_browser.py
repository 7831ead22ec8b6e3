"""The README's pictures of the page, made of a real leak: that of the demo's own shop.

MEMSNAP_UPDATE_PICTURES=1 writes them to docs/pictures; without it, the test only sees to it that
the page still gives what they show.
"""

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import launched, watched
from browser_site import Start, ask
from daemons import Running, serving, until
from toolchains import CACHE, Go

from memsnap.demo.service import build
from memsnap.web.page import BUILD_COMMAND, is_built

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.go,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not is_built(), reason=f"the page is not built: {BUILD_COMMAND}"),
]

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1280
_MOST_BYTES, _LEAST_BYTES = 200_000, 30_000  # of a picture; one of an empty page has 10,000
_CAPTURES = 36
_PATIENCE_S = 240
_CONFIG = """
[collector]
interval = "1s"
[judging]
every = "2s"
processor-share = 1.0
[[target]]
address = "{shop}"
name = "shop"
labels = {{ env = "prod", region = "eu-west-1" }}
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A view, how much of it is shown from where on, and what must be in it to be worth showing."""

    name: str
    view: str
    height: int
    shows: tuple[str, ...]
    begins: str = "header"


@dataclass(frozen=True, slots=True)
class Shop:
    """A daemon that has captures of the leaking shop: the first and the last of them."""

    daemon: Running
    target: int
    ends: tuple[int, int]


TARGET = Picture(
    name="target",
    view="targets/{target}",
    height=1152,
    shows=(
        ".notes >> text=main.uploadReceipt leaks",
        ".picker >> text=Compare A and B",
        ".charts figure:has-text('heap after GC') canvas",
        ".charts figure:has-text('RSS') canvas",
        ".layers figure:has-text('[]uint8') canvas",
    ),
)
DIFF = Picture(
    name="diff",
    view="diff?a={before}&b={after}&row=0",
    height=980,
    begins=".what-changed",
    shows=(
        ".finding >> text=main.uploadReceipt leaks",
        "[role=row][aria-selected=true] >> text=main.uploadReceipt",
        ".stack >> text=go tool pprof",
        ".flame[data-draw-ms] canvas",
    ),
)


@pytest.fixture(scope="module")
def shop(service: Start, go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GOCACHE", str(CACHE / "go-build"))
        binary = build(go.path, tmp_path_factory.mktemp("shop"), lambda _: None)
    with (
        service(binary, "-until-eof") as running,
        serving(tmp_path_factory.mktemp("daemon"), _CONFIG.format(shop=running.address)) as daemon,
    ):
        until(lambda: _has_a_leak(daemon) and len(_captures(daemon)) >= _CAPTURES, _PATIENCE_S)
        captures = _captures(daemon)
        target = ask(daemon, "/api/v1/targets")["items"][0]["id"]
        yield Shop(daemon, target, (captures[0], captures[-1]))


def _captures(daemon: Running) -> list[int]:
    items = ask(daemon, "/api/v1/snapshots?order=oldest&limit=1000")["items"]
    return [each["id"] for each in items]


def _has_a_leak(daemon: Running) -> bool:
    found = ask(daemon, "/api/v1/findings?verdict=leak&function=uploadReceipt")["items"]
    return bool(found)


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with launched() as browser:
        yield browser


@pytest.fixture
def open_view(chromium: "Browser", shop: Shop) -> Iterator[Callable[[Picture], "Page"]]:
    """A function that opens a view of the shop, as large as its picture."""
    seen = watched(chromium)

    def start(picture: Picture) -> "Page":
        before, after = shop.ends
        view = picture.view.format(target=shop.target, before=before, after=after)
        seen.page.set_viewport_size({"width": WIDTH, "height": picture.height})
        seen.page.goto(f"{shop.daemon.address}/#/{view}")
        return seen.page

    yield start
    seen.page.context.close()
    assert seen.errors == []


def size_of(png: bytes) -> tuple[int, int]:
    """Return width and height out of a PNG's header (PNG specification, 11.2.2 IHDR)."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("picture", [TARGET, DIFF], ids=lambda picture: picture.name)
def test_the_page_still_gives_the_picture_in_the_readme(
    open_view: Callable[[Picture], "Page"], picture: Picture
):
    page = open_view(picture)
    for part in picture.shows:
        page.locator(part).first.wait_for()
    # Below the bar, which stays.
    page.locator(picture.begins).first.evaluate(
        "it => scrollTo(0, it.getBoundingClientRect().top + scrollY - 62)"
    )
    taken = page.screenshot(animations="disabled")
    file = PICTURES / f"{picture.name}.png"
    if os.environ.get("MEMSNAP_UPDATE_PICTURES"):
        file.write_bytes(taken)
    assert _LEAST_BYTES < len(taken) < _MOST_BYTES
    kept = file.read_bytes()
    assert size_of(kept) == size_of(taken)
    assert len(kept) < _MOST_BYTES
    assert f"docs/pictures/{file.name}" in (ROOT / "README.md").read_text()
