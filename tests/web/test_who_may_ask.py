"""Who may ask the server for what: tokens, sessions, hosts and other sites."""

import asyncio
import base64
import contextlib
import re
import shutil

import pytest
from apps import ANYWHERE, READ, TOKENS, WRITE, app_of, bearer
from settings_texts import settings
from stores import seen

from memsnap.errors import UsageError
from memsnap.storage.targets import register
from memsnap.web.access.exposure import check_exposure
from memsnap.web.access.sessions import LASTS_S, Sessions
from memsnap.web.access.tokens import find_token, hash_of, new_token

CAPTURE = "/api/v1/targets/9/captures"  # of no target: 404 for those who are let in
OWN = {"X-Memsnap": "1"}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"token:{READ}".encode()).decode()}


@pytest.fixture
def store_url(sqlite_template, tmp_path):
    """Who may ask does not depend on the kind of store."""
    shutil.copy(sqlite_template, tmp_path / "memsnap.db")
    return f"sqlite:///{tmp_path / 'memsnap.db'}"


async def status(client, method, path, **headers):
    async with client.request(method, path, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("configured", "sent", "reads", "writes"),
    [
        ("", {}, 200, 403),
        ("", OWN, 200, 404),
        (ANYWHERE, OWN, 200, 403),
        (TOKENS, {}, 401, 401),
        (TOKENS, OWN, 401, 401),
        (TOKENS, bearer("guessed"), 401, 401),
        (TOKENS, bearer(hash_of(READ)), 401, 401),
        (TOKENS, bearer(READ), 200, 403),
        (TOKENS, bearer(WRITE), 200, 404),
        (TOKENS, BASIC, 200, 403),
        (TOKENS, {"Authorization": "Basic !"}, 401, 401),
        (TOKENS, {"Authorization": "Negotiate x"}, 401, 401),
        (ANYWHERE + TOKENS, {}, 401, 401),
    ],
)
async def test_what_a_request_may_do(store, tmp_path, configured, sent, reads, writes):
    async with app_of(store, tmp_path, configured) as client:
        assert await status(client, "GET", "/api/v1/targets", **sent) == reads
        assert await status(client, "HEAD", "/api/openapi.json", **sent) in {reads, 405}
        assert await status(client, "POST", CAPTURE, **sent) == writes


@pytest.mark.parametrize(
    "path",
    [
        "/%61pi/v1/targets",
        "/api/v1/../v1/targets",
        "//api/v1/targets",
        "/api%2fv1%2ftargets",
        "/api/v1/targets/",
        "/healthz/../api/v1/targets",
        "http://127.0.0.1/api/v1/targets",
    ],
)
async def test_no_spelling_of_a_path_gets_around_the_token(store, tmp_path, path):
    async with app_of(store, tmp_path, TOKENS) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.split(b" ", 2)[1] in {b"401", b"404"}


async def test_health_is_open_and_metrics_are_not(store, tmp_path):
    async with app_of(store, tmp_path, TOKENS) as client:
        assert await status(client, "GET", "/healthz") == 200
        assert await status(client, "GET", "/metrics") == 401
        assert await status(client, "GET", "/metrics", **bearer(READ)) == 200


async def test_health_and_metrics_are_as_the_configuration_says(store, tmp_path):
    text = "[http]\nhealth-without-token = false\nmetrics-without-token = true\n" + TOKENS
    async with app_of(store, tmp_path, text) as client:
        assert await status(client, "GET", "/healthz") == 401
        assert await status(client, "GET", "/metrics") == 200


async def test_a_refusal_is_a_problem_document_that_says_what_to_do(store, tmp_path):
    async with app_of(store, tmp_path, TOKENS) as client, client.get("/api/v1") as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="memsnap"'
    assert problem["detail"] == "/api/v1 needs a token"
    assert "memsnap token create" in problem["hint"]


async def test_a_token_that_leaves_the_configuration_is_none(store, tmp_path):
    async with app_of(store, tmp_path, TOKENS) as client:
        client.daemon.settings = settings(TOKENS.split("[[token]]", 2)[2].join(["[[token]]", ""]))

        assert await status(client, "GET", "/api/v1", **bearer(READ)) == 401
        assert await status(client, "GET", "/api/v1", **bearer(WRITE)) == 200


# --- sessions of the page ----------------------------------------------------------------------


async def test_a_session_stands_for_its_token(store, tmp_path):
    async with app_of(store, tmp_path, TOKENS) as client:
        async with client.get("/api/v1/session") as before:
            assert await before.json() == {"needed": True, "scope": None, "name": ""}
        async with client.post("/api/v1/session", headers=bearer(WRITE)) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert await answer.json() == {"needed": True, "scope": "write", "name": "writer"}
        sent = {"Cookie": cookie.partition(";")[0]}

        assert WRITE not in cookie
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(re.split("; ?", cookie))
        assert await status(client, "GET", "/api/v1", **sent) == 200
        assert await status(client, "POST", CAPTURE, **sent) == 403
        assert await status(client, "POST", CAPTURE, **sent, **OWN) == 404
        client.daemon.settings = settings(TOKENS.replace(hash_of(WRITE), hash_of("another")))
        assert await status(client, "GET", "/api/v1", **sent) == 401


async def test_a_session_does_not_start_from_nothing(store, tmp_path):
    async with app_of(store, tmp_path, TOKENS) as client:
        assert await status(client, "POST", "/api/v1/session", **OWN) == 401
        assert await status(client, "POST", "/api/v1/session", **bearer("guessed")) == 401


def test_a_session_ends_and_cannot_be_made_up():
    (token, *_) = known = settings(TOKENS).tokens
    sessions, others = Sessions(), Sessions()
    cookie = sessions.start(token, now_s=1000)
    named, _, signature = cookie.rpartition(".")

    assert sessions.find(cookie, known, now_s=1000 + LASTS_S - 1) is token
    assert sessions.find(cookie, known, now_s=1000 + LASTS_S) is None
    assert others.find(cookie, known, now_s=1000) is None
    assert sessions.find(cookie, (), now_s=1000) is None
    longer = re.sub(r"\.([0-9]+)$", ".99999999999", named)
    assert sessions.find(f"{longer}.{signature}", known, now_s=1000) is None


def test_a_token_is_found_by_its_hash_alone():
    (reader, writer) = known = settings(TOKENS).tokens

    assert find_token(READ, known) is reader
    assert find_token(WRITE, known) is writer
    assert find_token("", known) is None
    assert find_token("x" * 1_000_000, known) is None
    assert find_token("\udcff", known) is None
    assert new_token() != new_token()


# --- other sites in the same browser -----------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "configured", "expected"),
    [
        ("127.0.0.1:7070", "", 200),
        ("[::1]:7070", "", 200),
        ("10.1.2.3", "", 200),
        ("localhost:7070", "", 200),
        ("shop.localhost", "", 200),
        ("evil.example:7070", "", 403),
        ("127.0.0.1.evil.example", "", 403),
        ("localhost.evil.example", "", 403),
        ("mem.example", '[http]\nhosts = ["mem.example"]\n', 200),
        ("MEM.example.:443", '[http]\nhosts = ["mem.example"]\n', 200),
        ("evil.example", '[http]\nhosts = ["mem.example"]\n', 403),
        ("mem.example", TOKENS, 200),
        ("evil.example", '[http]\nhosts = ["mem.example"]\n' + TOKENS, 403),
    ],
)
async def test_a_name_that_was_pointed_here_is_refused(store, tmp_path, host, configured, expected):
    async with app_of(store, tmp_path, configured) as client:
        assert await status(client, "GET", "/api/v1", Host=host, **bearer(READ)) == expected
        assert await status(client, "GET", "/metrics", Host=host, **bearer(READ)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "http://127.0.0.1:7070"}, 404),
        ({"Origin": "https://127.0.0.1:7070"}, 404),  # behind a proxy that speaks TLS
        ({"Origin": "http://127.0.0.1:8080"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:7070:x"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
async def test_another_site_changes_nothing(store, tmp_path, headers, expected):
    async with app_of(store, tmp_path) as client:
        sent = {"Host": "127.0.0.1:7070", **OWN, **headers}
        assert await status(client, "POST", CAPTURE, **sent) == expected


async def test_another_site_reads_nothing_but_may_link(store, tmp_path):
    async with app_of(store, tmp_path) as client:
        image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert await status(client, "GET", "/api/v1", **image) == 403
        assert await status(client, "GET", "/api/v1", **link) == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/static/app.js", "/static/nothing", "/findings/3"),
        *("/api/v1", "/api/nothing", "/healthz", "/metrics", "/nothing"),
    ],
)
async def test_every_answer_tells_browsers_what_it_is_not(store, tmp_path, path):
    async with app_of(store, tmp_path) as client, client.get(path, allow_redirects=False) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Server"] == "memsnap"


# --- what is captured --------------------------------------------------------------------------


async def test_only_what_is_configured_is_ever_visited(store, tmp_path):
    """Given a target in the store that no configuration names, and an address in the request."""
    visits = []

    async def visited(_, writer):
        visits.append(writer)
        writer.close()

    async with await asyncio.start_server(visited, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        (number,) = (await register(store, [seen("other", address=address)], now_ns=1)).values()
        async with app_of(store, tmp_path) as client:
            path = f"/api/v1/targets/{number}/captures"
            assert await status(client, "POST", path, **OWN) == 404
            assert await status(client, "POST", f"{path}?address={address}", **OWN) == 400
            assert await status(client, "POST", f"/api/v1/targets/{address}/captures", **OWN) == 404

    assert visits == []


# --- how much is taken -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"), [(1000, 404), (64 << 10, 404), ((64 << 10) + 1, 413)]
)
async def test_nothing_is_uploaded(store, tmp_path, size, expected):
    async with app_of(store, tmp_path) as client:
        async with client.post(CAPTURE, data=b"x" * size, headers=OWN) as answer:
            problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["status"]) == (expected, expected)


async def test_a_body_of_no_known_length_is_not_waited_for(store, tmp_path):
    """Given one chunk and no end, the answer comes all the same."""
    head = (
        f"POST {CAPTURE} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Memsnap: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    )
    async with app_of(store, tmp_path) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(head.encode())
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert line.split()[1] == b"404"


@pytest.mark.parametrize(
    ("request_head", "expected"),
    [
        (f"GET /api/v1?{'x' * 200_000} HTTP/1.1\r\nHost: a", b"400"),
        (f"GET /api/v1 HTTP/1.1\r\nHost: a\r\nX-A: {'x' * 200_000}", b"400"),
        ("GET /api/v1 HTTP/1.1\r\nHost: a" + "\r\nX-A: b" * 100_000, b"400"),
        (f"GET /api/v1/targets?{'label=a=b&' * 21} HTTP/1.1\r\nHost: localhost", b"400"),
    ],
    ids=["a long line", "a long header", "many headers", "many values"],
)
async def test_a_request_is_bounded(store, tmp_path, request_head, expected):
    async with app_of(store, tmp_path) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(f"{request_head}\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert line.split()[1] == expected


# --- where the server listens ------------------------------------------------------------------


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix:/run/memsnap.sock", ""]
)
def test_this_machine_needs_no_token(listen):
    check_exposure(settings(f'[http]\nlisten = "{listen}"'))


@pytest.mark.parametrize("listen", [":7070", "0.0.0.0:7070", "[::]:7070", "10.0.0.1:1", "shop:1"])
def test_a_network_needs_one(listen):
    text = f'[http]\nlisten = "{listen}"\n'
    with pytest.raises(UsageError, match="open to the network") as refused:
        check_exposure(settings(text))
    assert "memsnap token create" in refused.value.hint
    check_exposure(settings(text + TOKENS))
    check_exposure(settings(text + "listen-without-token = true"))
