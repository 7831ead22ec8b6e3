"""Findings in a real Chromium, of a daemon that has judged a real leak: seen, muted, resolved."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from browser import Watched, launched, watched
from browser_site import Site, Start, ask, collected, printed
from daemons import Running, serving
from toolchains import Go

from memsnap.web.access.tokens import hash_of
from memsnap.web.page import BUILD_COMMAND, is_built

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.go,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not is_built(), reason=f"the page is not built: {BUILD_COMMAND}"),
]

READ, WRITE = "memsnap_may-read", "memsnap_may-write"
# Another daemon on the same store, which lets nobody in without a token.
_GUARDED = """
[store]
url = "sqlite:///{store}"
[judging]
enabled = false
[[target]]
address = "http://127.0.0.1:1"
interval = "1h"
[[token]]
name = "reader"
hash = "{read}"
[[token]]
name = "writer"
hash = "{write}"
scope = "write"
"""


@pytest.fixture(scope="module")
def site(service: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with collected(service, tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = guarding(site.daemon.folder / "memsnap.db")
    with serving(tmp_path_factory.mktemp("guarded"), config, ready=False) as daemon:
        yield daemon


def guarding(store: Path) -> str:
    return _GUARDED.format(store=store, read=hash_of(READ), write=hash_of(WRITE))


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with launched() as browser:
        yield browser


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator[Callable[..., Watched]]:
    """A function that opens an address; at the end, nothing may have gone wrong in any."""
    opened: list[tuple[Watched, str]] = []

    def start(address: str) -> Watched:
        seen = watched(chromium)
        opened.append((seen, urlsplit(address).netloc))
        seen.page.goto(address)
        return seen

    yield start
    for seen, host in opened:
        seen.page.context.close()
        assert seen.errors == []
        assert seen.hosts <= {host}


def leak_of(site: Site) -> int:
    """Return the id of the finding on the leak."""
    return int(site.findings(verdict="leak")[0]["finding"]["id"])


def state_of(site: Site, finding: int) -> str:
    return str(ask(site.daemon, f"/api/v1/findings/{finding}")["state"])


def enter(page: "Page", token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Go on").click()


def test_the_list_leads_to_a_finding_with_its_evidence(
    open_page: Callable[..., Watched], site: Site
):
    number = leak_of(site)
    page = open_page(site.at("findings?verdict=leak")).page
    page.locator(f".finding-item a.title[href='#/findings/{number}']").click()
    page.wait_for_url("**/findings/*")
    told = page.get_by_role("article").inner_text()
    assert "main.subscribe" in told
    assert "goroutine_closure/main.go:" in told
    # The chart says in words what it shows; the captures that it rests on can be compared.
    page.locator(".evidence .u-over").wait_for()
    chart = page.locator(".evidence figcaption").inner_text()
    assert "main.subscribe" in chart
    assert "live from " in chart
    page.get_by_role("link", name="Compare A and B").click()
    page.get_by_role("grid").wait_for()
    assert "main.subscribe" in page.get_by_role("grid").inner_text()


def test_filters_narrow_the_list_and_stay_in_the_link(
    open_page: Callable[..., Watched], site: Site
):
    page = open_page(site.at("findings")).page
    page.get_by_label("Verdict").select_option("leak")
    page.wait_for_url("**verdict=leak")
    page.get_by_label("With this in the name of the function").fill("nothing has this name")
    page.get_by_role("heading", name="No finding matches").wait_for()
    page.get_by_role("button", name="Show all findings").click()
    page.locator(".finding-item").first.wait_for()


def test_the_link_of_an_alert_leads_to_its_finding(open_page: Callable[..., Watched], site: Site):
    number = leak_of(site)
    page = open_page(f"{site.address}/findings/{number}").page
    page.get_by_role("heading", name="main.subscribe leaks").wait_for()
    assert page.url == site.at(f"findings/{number}")


def test_a_finding_is_muted_and_unmuted(open_page: Callable[..., Watched], site: Site):
    number = leak_of(site)
    page = open_page(site.at(f"findings/{number}")).page
    page.get_by_role("button", name="Mute for a day").click()
    page.get_by_role("button", name="Unmute").wait_for()
    assert state_of(site, number) == "muted"
    listed = open_page(site.at("findings?state=muted")).page
    listed.locator(f".finding-item a[href='#/findings/{number}']").wait_for()
    page.get_by_role("button", name="Unmute").click()
    page.get_by_role("button", name="Mute for a day").wait_for()
    assert state_of(site, number) == "open"


def test_pprof_runs_as_the_finding_says(open_page: Callable[..., Watched], site: Site, go: Go):
    page = open_page(site.at(f"findings/{leak_of(site)}")).page
    command = page.locator(".command code").inner_text()
    assert "main.subscribe" in printed(command, go)


def test_a_token_is_asked_for_before_anything_else(
    open_page: Callable[..., Watched], guarded: Running, site: Site
):
    page = open_page(f"{guarded.address}/#/findings/{leak_of(site)}").page
    enter(page, READ)
    # The view that the link names, and why it cannot be muted.
    page.get_by_role("heading", name="main.subscribe leaks").wait_for()
    page.get_by_text("needs a token that may write; reader may read only").wait_for()
    assert page.get_by_role("button", name="Mute for a day").count() == 0
    # A token that may write is taken on the spot.
    page.get_by_role("button", name="Enter a token").click()
    enter(page, WRITE)
    page.get_by_role("button", name="Mute for a day").click()
    page.get_by_text("muted by writer").wait_for()
    page.get_by_role("button", name="Unmute").click()
    page.get_by_role("button", name="Mute for a day").wait_for()


def test_capturing_now_takes_a_token_on_the_spot(
    open_page: Callable[..., Watched], guarded: Running, site: Site
):
    page = open_page(f"{guarded.address}/#/targets/{site.leaking}").page
    enter(page, READ)
    page.get_by_text("Capturing now needs a token that may write").wait_for()
    page.get_by_role("button", name="Enter a token").click()
    enter(page, WRITE)
    page.get_by_role("button", name="Capture now").wait_for()


def test_a_resolved_finding_says_who_resolved_it(
    open_page: Callable[..., Watched], site: Site, tmp_path: Path
):
    store = tmp_path / "copy.db"  # resolved is resolved: other tests have theirs open
    original = site.daemon.folder / "memsnap.db"
    with closing(connect(original)) as source, closing(connect(store)) as copy:
        source.backup(copy)
    with serving(tmp_path / "daemon", guarding(store), ready=False) as daemon:
        page = open_page(f"{daemon.address}/#/findings/{leak_of(site)}").page
        enter(page, WRITE)
        page.get_by_role("button", name="Resolve").click()
        page.get_by_text("by writer").wait_for()
        assert page.get_by_role("button", name="Resolve").count() == 0
        page.context.close()
