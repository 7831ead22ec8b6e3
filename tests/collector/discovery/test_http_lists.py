"""http_sd: a list behind a URL, from a real server."""

import contextlib
import json

from aiohttp import web
from following import discovery_of, first, following, keys


class Inventory:
    """A server of lists; `answer` is given to every request."""

    def __init__(self):
        self.answer = lambda: web.json_response([])
        self.seen = []

    async def handle(self, request):
        self.seen.append(request)
        return self.answer()


@contextlib.asynccontextmanager
async def inventory():
    server = Inventory()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def search(url, more=""):
    return discovery_of(
        f"[[discover]]\nkind='http'\nurl='{url}'\nevery='20ms'\n{more}", {"TOKEN": "secret"}
    )


def listed(*targets, **labels):
    return lambda: web.json_response([{"targets": targets, "labels": labels}])


async def test_the_list_is_asked_for_again_and_again():
    async with inventory() as (server, url):
        server.answer = listed("a:1", job="shop")
        async with following(search(f"{url}/list?team=x")) as next_update:
            update = await next_update()
            assert keys(update) == ["http://a:1/debug/pprof"]
            assert update.found[0].seen.service == "shop"
            server.answer = listed("b:1")
            assert keys(await next_update()) == ["http://b:1/debug/pprof"]
    assert server.seen[0].path_qs == "/list?team=x"
    assert server.seen[0].headers["X-Prometheus-Refresh-Interval-Seconds"] == "0.02"


async def test_a_token_and_headers_go_with_the_request():
    async with inventory() as (server, url):
        more = "request={token-env='TOKEN', headers=['X-Scope: me']}"
        await first(search(url, more))
    assert server.seen[0].headers["Authorization"] == "Bearer secret"
    assert server.seen[0].headers["X-Scope"] == "me"


async def test_a_server_that_fails_keeps_what_it_said_before():
    async with inventory() as (server, url):
        server.answer = listed("a:1")
        async with following(search(url)) as next_update:
            good = await next_update()
            server.answer = lambda: web.Response(status=500)
            update = await next_update()
            assert update.found == good.found
            assert "500" in update.problems[0]
            server.answer = lambda: web.Response(text="<html>")
            update = await next_update()
            assert update.found == good.found
            assert "is not JSON" in update.problems[0]
            server.answer = lambda: web.Response(text=json.dumps({"a": 1}))
            assert "is no list of targets" in (await next_update()).problems[0]
            server.answer = listed()
            assert (await next_update()).found == ()


async def test_a_secret_that_is_not_there_and_a_server_that_is_not_there_are_problems(
    unused_tcp_port,
):
    update = await first(search("http://127.0.0.1:1/", "request={token-env='NONE'}"))
    assert update.found is None
    assert update.problems == ("the environment variable NONE is not set",)
    update = await first(search(f"http://127.0.0.1:{unused_tcp_port}/list?key=SECRET"))
    assert update.found is None
    assert "refused" in update.problems[0]
    assert "SECRET" not in update.problems[0]
