"""`memsnap diff --html` in a real Chromium: one file, from nowhere but itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import launched, watched
from builders.captures import taken
from builders.profiles import Row

from memsnap.analysis.diff import diff
from memsnap.report.html import render_html
from memsnap.web.page import BUILD_COMMAND, is_built

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not is_built(), reason=f"the page is not built: {BUILD_COMMAND}"),
]

HOSTILE = "main.</script><img/src=x/onerror=alert(1)>"
MAIN = "main.main main.go:5"


SCROLLED = 120  # frames
SCROLL = """frames => new Promise(done => {
  const grid = document.querySelector('.grid');
  const step = () => { grid.scrollTop += 270; frames-- ? requestAnimationFrame(step) : done(); };
  requestAnimationFrame(step);
})"""


class Costs:
    """What a page costs, by the browser's own account; figures to read, no limits to hold."""

    def __init__(self, page: "Page") -> None:
        self._session = page.context.new_cdp_session(page)
        # Time on the processor: what else the machine does is left out.
        self._session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
        self._session.send("Performance.enable")

    def main_thread_ms(self) -> float:
        """Return how long the main thread has worked so far: scripts, layout, painting."""
        found = self._session.send("Performance.getMetrics")["metrics"]
        return 1e3 * next(each["value"] for each in found if each["name"] == "TaskDuration")


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with launched() as browser:
        yield browser


def written(folder: Path, *rows: tuple[str, int, int, int, str]) -> str:
    """Write a report on rows of stack, size, live before, live after and type; return its URL."""
    sides = [
        [Row(stack, size=size, alloc=counts[1], live=counts[side], type=name, kind="new")
         for stack, size, *counts, name in rows]
        for side in (0, 1)
    ]  # fmt: skip
    compared = diff([taken(*sides[0]), taken(*sides[1], name="b.snap", later_s=600)])
    (folder / "report.html").write_text(render_html(compared), encoding="utf-8")
    return (folder / "report.html").as_uri()


def test_a_report_shows_hostile_names_as_text_and_asks_nobody(chromium: "Browser", tmp_path: Path):
    url = written(
        tmp_path,
        (f"{HOSTILE} x.go:1 < {MAIN}", 4096, 10, 400, HOSTILE),
        (f"main.keep y.go:1 < {MAIN}", 4096, 90, 90, "[]uint8"),
    )
    seen = watched(chromium)
    dialogs: list[str] = []
    seen.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    seen.page.goto(f"{url}#/?row=0")
    seen.page.wait_for_selector(".flame[data-draw-ms]")
    assert HOSTILE in seen.page.inner_text(".stack")
    assert seen.page.locator("img").count() == 0
    assert (seen.errors, dialogs, seen.hosts) == ([], [], {""})
    seen.page.context.close()


def test_the_focus_of_a_report_needs_no_daemon(chromium: "Browser", tmp_path: Path):
    url = written(
        tmp_path,
        (f"main.leak x.go:1 < {MAIN}", 4096, 10, 400, "example.com/shop.Order"),
        (f"main.keep y.go:1 < {MAIN}", 4096, 90, 90, "[]uint8"),
    )
    seen = watched(chromium)
    seen.page.goto(url)
    seen.page.get_by_role("combobox", name="Focus on types").fill("*shop.Order")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**focus=*")
    assert "main.keep" not in seen.page.inner_text(".rows")
    assert "main.leak" in seen.page.inner_text(".rows")
    seen.page.context.close()


def test_a_hundred_thousand_sites_scroll_with_a_screenful_of_elements(
    chromium: "Browser", tmp_path: Path
):
    rows = [
        (f"main.f{at} a.go:1 < main.g{at // 4} a.go:2 < {MAIN}", 4096, 9, at % 40, f"T{at % 99}")
        for at in range(100_000)
    ]
    url = written(tmp_path, *rows)
    seen = watched(chromium)
    costs = Costs(seen.page)
    seen.page.goto(url)
    seen.page.wait_for_selector(".flame[data-draw-ms]")
    shown_ms = seen.page.evaluate("performance.getEntriesByName('shown')[0].startTime")
    drawn = seen.page.evaluate("({...document.querySelector('.flame').dataset})")
    print(f"\n{(tmp_path / 'report.html').stat().st_size / 1e6:.1f} MB opened in {shown_ms:.0f} ms")
    print(f"{drawn['boxes']} boxes laid out in {drawn['layoutMs']}, drawn in {drawn['drawMs']} ms")
    before_ms = costs.main_thread_ms()
    seen.page.evaluate(SCROLL, SCROLLED)
    frame_ms = (costs.main_thread_ms() - before_ms) / SCROLLED
    print(f"a frame of scrolling by five rows: {frame_ms:.1f} ms of the main thread")
    seen.page.get_by_role("grid").focus()
    seen.page.keyboard.press("End")
    seen.page.wait_for_selector("[aria-rowindex='100001'][aria-selected=true]")
    assert seen.page.locator(".rows .row").count() < 60
    seen.page.context.close()
