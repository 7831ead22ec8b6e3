"""The page in a real Chromium, on a daemon that visits real Go services."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from browser import SIZES, THEMES, Watched, launched, watched
from browser_site import HOSTILE, Site, Start, collected, printed
from daemons import until
from toolchains import Go

from memsnap.web.page import BUILD_COMMAND, is_built

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.go,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not is_built(), reason=f"the page is not built: {BUILD_COMMAND}"),
]


@pytest.fixture(scope="module")
def site(service: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with collected(service, tmp_path_factory.mktemp("daemon")) as running:
        yield running


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
        assert seen.errors == []
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
    assert "main.subscribe" in printed(command, go)


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


def test_a_link_to_two_captures_of_a_target_shows_them_again(
    open_page: Callable[..., Watched], site: Site
):
    a, b = site.captures[1], site.captures[-2]
    page = open_page(site.at(f"targets/{site.leaking}?a={a}&b={b}")).page
    compare = page.get_by_role("link", name="Compare A and B")
    assert compare.get_attribute("href") == f"#/diff?a={a}&b={b}"
    # The lists choose as the charts do, for who has no pointer.
    page.get_by_label("Capture A", exact=True).select_option(str(site.captures[0]))
    page.wait_for_url(f"**a={site.captures[0]}&b={b}")


def test_a_target_tells_what_holds_its_heap_and_leads_to_one_type(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.at(f"targets/{site.leaking}")).page
    held = page.get_by_role("region", name="What holds the live heap")
    held.get_by_role("link", name="[]uint8").click()
    page.wait_for_url("**focus=*")
    page.get_by_role("grid").wait_for()
    assert page.get_by_role("combobox", name="Focus on types").input_value() == "[]uint8"


def test_charts_tell_another_build_in_words_too(open_page: Callable[..., Watched], site: Site):
    page = open_page(site.at(f"targets/{site.replaced}")).page
    page.locator(".u-over").first.wait_for()
    assert re.search(r"build( \w+)? at \d", page.locator("figcaption").first.inner_text())


def test_a_finding_is_named_above_the_charts_of_its_target(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.at(f"targets/{site.leaking}")).page
    page.locator(".notes a").first.click()
    page.wait_for_url("**/findings/*")
    page.get_by_role("article").wait_for()


def test_new_captures_show_up_without_a_reload(open_page: Callable[..., Watched], site: Site):
    page = open_page(site.at(f"targets/{site.leaking}")).page
    page.locator(".live[data-state=live]").wait_for()
    choice = page.get_by_label("Capture B", exact=True)
    shown = choice.input_value()
    until(lambda: choice.locator("option").last.get_attribute("value") != shown)


def test_the_keys_are_told_at_a_question_mark(open_page: Callable[..., Watched], site: Site):
    seen = open_page(site.at(""))
    seen.page.get_by_role("link", name="leaky").wait_for()
    seen.page.keyboard.press("?")
    seen.page.get_by_role("dialog", name="Keys").wait_for()
    assert seen.axe() == []
    seen.page.keyboard.press("Escape")
    seen.page.keyboard.press("/")
    assert seen.page.evaluate("document.activeElement.ariaLabel") == "Search targets"
    # Where text is entered, the keys mean themselves.
    seen.page.keyboard.press("?")
    assert not seen.page.get_by_role("dialog").is_visible()


def test_a_chosen_theme_holds_from_the_first_moment(open_page: Callable[..., Watched], site: Site):
    page = open_page(site.at("")).page
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => "
        "window.first = getComputedStyle(document.body).backgroundColor)"
    )
    page.reload()
    assert page.evaluate("window.first") == dark
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is False


def test_a_hostile_label_is_text_everywhere(open_page: Callable[..., Watched], site: Site):
    page = open_page(site.at("")).page
    label = f"note={HOSTILE}"
    page.get_by_role("button", name=label).click()
    page.wait_for_url("**label=*")
    assert page.get_by_label("Label", exact=True).input_value() == label
    page.get_by_role("link", name="calm").click()
    page.get_by_role("link", name=label).wait_for()
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_no_view_has_a_serious_barrier_or_scrolls_sideways(
    open_page: Callable[..., Watched], site: Site, size: str, theme: str
):
    finding = site.findings()[0]["finding"]["id"]
    views = {
        site.at(""): "table.targets",
        site.at("?search=nothing-has-this-name"): ".empty-state",
        site.at(f"targets/{site.leaking}"): ".target .u-over",
        site.diff + "&row=0": ".flame[data-draw-ms]",
        site.at("findings"): ".finding-item",
        site.at(f"findings/{finding}"): ".evidence .u-over",
        site.at("nowhere"): ".empty-state",
    }
    seen = open_page(site.at(""), size=size, theme=theme)
    for address, ready in views.items():
        seen.page.goto(address)
        seen.page.wait_for_selector(ready)
        width = seen.page.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size][0], address
        assert seen.axe() == [], address


def test_news_do_not_take_the_focus_away(open_page: Callable[..., Watched], site: Site):
    page = open_page(site.at("")).page
    link = page.get_by_role("link", name="leaky", exact=True)
    link.focus()
    before = link.element_handle()
    # When the row is another one, the link that had the focus has it again.
    until(lambda: not before.evaluate("it => it.isConnected"))
    assert page.evaluate("document.activeElement.textContent") == "leaky"
