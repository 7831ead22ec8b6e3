"""The files of the page, and what they let in."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from memsnap.web.page import BUILD_COMMAND, add_page

NAMES = ("index.html", "app.js", "theme.js", "app.css", "icon.svg")


@pytest.fixture
def static(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_text(name)
    (tmp_path / "report.html").write_text("a template, not for browsers")
    return tmp_path


async def answer(static: Path, path: str) -> tuple[int, str, dict[str, str]]:
    app = web.Application()
    add_page(app, static)
    async with (
        TestClient(TestServer(app)) as client,
        client.get(path, allow_redirects=False) as got,
    ):
        return got.status, await got.text(), dict(got.headers)


async def test_the_page_is_at_the_root(static: Path):
    status, text, headers = await answer(static, "/")
    assert (status, text) == (200, "index.html")
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "name", ["report.html", "nothing.js", "..%2f..%2fpyproject.toml", "%2e%2e/page.py"]
)
async def test_only_the_files_that_the_page_asks_for_are_there(static: Path, name: str):
    status, _, _ = await answer(static, f"/static/{name}")
    assert status == 404


async def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path):
    status, text, _ = await answer(tmp_path, "/")
    assert status == 503
    assert BUILD_COMMAND in text


async def test_the_link_of_an_alert_leads_to_the_finding_below_any_path(static: Path):
    status, _, headers = await answer(static, "/findings/3")
    assert (status, headers["Location"]) == (302, "../#/findings/3")
    assert (await answer(static, "/findings/x"))[0] == 404
