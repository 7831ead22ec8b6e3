"""The page in a real Chromium, on a daemon that visits real Go services."""

import itertools
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from browser import SIZES, THEMES, Watched, launched, watched
from daemons import Running, serving, until
from services import Service
from toolchains import Go

from memsnap.web.page import BUILD_COMMAND, is_built

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Start = Callable[..., AbstractContextManager[Service]]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.go,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not is_built(), reason=f"the page is not built: {BUILD_COMMAND}"),
]


@dataclass(frozen=True, slots=True)
class Site:
    """A daemon with captures of a leaking and of an idle service."""

    daemon: Running
    leaking: int
    captures: list[int]

    @property
    def address(self) -> str:
        return self.daemon.address

    def at(self, view: str) -> str:
        return f"{self.address}/#/{view}"

    @property
    def diff(self) -> str:
        return self.at(f"diff?a={self.captures[0]}&b={self.captures[-1]}")


def ask(daemon: Running, path: str) -> Any:
    status, body = daemon.get(path)
    assert status == 200, body
    return json.loads(body)


@pytest.fixture(scope="module")
def site(service: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with service("goroutine_closure") as leak, service("idle") as idle:
        config = (
            '[collector]\ninterval = "1s"\n'
            f'[[target]]\naddress = "pid:{leak.pid}"\nname = "leaky"\nlabels = {{ env = "prod" }}\n'
            f'[[target]]\naddress = "pid:{idle.pid}"\nname = "calm"\nlabels = {{ env = "stage" }}\n'
        )
        with serving(tmp_path_factory.mktemp("daemon"), config) as daemon:
            taken: list[int] = []

            def enough() -> bool:
                leak.step(300)
                items = ask(daemon, "/api/v1/targets")["items"]
                number = next(each["id"] for each in items if each["seen"]["service"] == "leaky")
                series = ask(daemon, f"/api/v1/targets/{number}/series?metric=heap")
                taken[:] = [number, *series["snapshot_id"]]
                return len(taken) > 8

            until(enough, 60)
            yield Site(daemon, taken[0], taken[1:])


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with launched() as browser:
        yield browser


@pytest.fixture
def open_page(chromium: "Browser", site: Site) -> Iterator[Callable[..., Watched]]:
    """A function that opens a view; at the end, nothing may have gone wrong in any."""
    opened: list[Watched] = []

    def start(address: str, *, size: str = "wide", theme: str = "light") -> Watched:
        seen = watched(chromium, size=size, theme=theme)
        opened.append(seen)
        seen.page.goto(address)
        return seen

    yield start
    for seen in opened:
        seen.page.context.close()
        # What a daemon does not have (yet) is answered with 404, which browsers log.
        assert [text for text in seen.errors if "404" not in text] == []
        assert seen.hosts <= {urlsplit(site.address).netloc}


def test_from_the_overview_to_the_leaking_line(open_page: Callable[..., Watched], site: Site):
    page = open_page(site.at("")).page
    page.get_by_role("link", name="leaky").click()
    plot = page.locator(".u-over").first
    plot.wait_for()
    box = plot.bounding_box()
    assert box
    # When a part of the chart is brushed ...
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=8)
    page.mouse.up()
    # ... both ends are real captures, which the link compares.
    link = page.get_by_role("link", name="Compare A and B")
    ends = [int(text) for text in re.findall(r"[ab]=(\d+)", link.get_attribute("href") or "")]
    assert len(ends) == 2
    assert ends[0] < ends[1]
    link.click()
    page.get_by_role("grid").wait_for()
    assert "main.subscribe" in page.get_by_role("grid").inner_text()


def test_focus_on_a_type_keeps_its_sites_and_is_in_the_link(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.diff).page
    page.get_by_role("combobox", name="Focus on types").fill("[]uint8")
    page.keyboard.press("Enter")
    page.wait_for_url("**focus=*")
    page.wait_for_function("!document.querySelector('.busy')")
    kinds = page.locator(".rows .row:visible .sub").all_inner_texts()
    assert kinds
    assert all(text.startswith("[]uint8") for text in kinds)


def test_a_zoomed_flame_graph_narrows_the_table_and_survives_a_reload(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.diff).page
    graph = page.get_by_role("application")
    graph.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**zoom=*")
    told = page.locator(".shown").inner_text()
    assert "those of the zoomed box" in told
    link = page.url
    again = open_page(link).page
    again.get_by_role("grid").wait_for()
    again.wait_for_function("document.querySelector('.shown').textContent")
    assert again.locator(".shown").inner_text() == told


def test_the_keyboard_alone_chooses_a_row_and_shows_its_stack(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.diff).page
    page.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".row[aria-selected=true]").count() == 1
    panel = page.get_by_role("complementary", name="Stack")
    assert "main.subscribe" in panel.inner_text()
    assert "go tool pprof" in panel.inner_text()


def test_the_command_of_the_stack_panel_runs(open_page: Callable[..., Watched], site: Site, go: Go):
    page = open_page(site.diff + "&row=0").page
    command = page.locator(".stack .command code").inner_text()
    assert command.startswith("go tool pprof ")
    done = subprocess.run(
        ["bash", "-c", command.replace("go ", f"'{go.path}' ", 1)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "main.subscribe" in done.stdout


def test_a_downloaded_snapshot_opens_in_pprof(
    open_page: Callable[..., Watched], site: Site, go: Go, tmp_path: Path
):
    page = open_page(site.diff).page
    with page.expect_download() as download:
        page.get_by_role("link", name="Download .snap").last.click()
    download.value.save_as(tmp_path / "b.snap")
    assert "main.subscribe" in go.run("tool", "pprof", "-top", str(tmp_path / "b.snap"))


def test_search_and_labels_narrow_the_overview_and_stay_in_the_link(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.at("?label=env%3Dstage")).page
    page.get_by_role("link", name="calm").wait_for()
    assert page.get_by_role("link", name="leaky").count() == 0


@pytest.mark.parametrize("view", ["overview", "target", "diff", "findings", "nowhere"])
def test_no_view_has_a_serious_barrier_or_scrolls_sideways(
    open_page: Callable[..., Watched], site: Site, view: str
):
    address, ready = {
        "overview": (site.at(""), "table.targets"),
        "target": (site.at(f"targets/{site.leaking}"), ".u-over"),
        "diff": (site.diff + "&row=0", ".flame[data-draw-ms]"),
        "findings": (site.at("findings"), "main h1"),
        "nowhere": (site.at("nowhere"), ".empty-state"),
    }[view]
    for size, theme in itertools.product(SIZES, THEMES):
        seen = open_page(address, size=size, theme=theme)
        seen.page.wait_for_selector(ready)
        width = seen.page.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size][0]
        assert seen.axe() == [], (size, theme)
