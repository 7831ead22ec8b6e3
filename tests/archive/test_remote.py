"""What a client says of servers that are none, refuse, or send too much."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from memsnap.archive.errors import ServerError
from memsnap.archive.local import LocalArchive
from memsnap.archive.places import ServerPlace, opened
from memsnap.archive.remote import RemoteArchive
from memsnap.archive.values import SeriesQuery, TargetQuery
from memsnap.config.settings import Listen
from memsnap.errors import MemsnapError, UsageError
from memsnap.web.api.routes import add_api
from memsnap.web.server import listening

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
WELCOME = {"server": "memsnap", "version": "9.9.9", "api": 1}


@contextlib.asynccontextmanager
async def answering(answer: Answer, **listen) -> AsyncIterator[str]:
    """Run a server that gives this answer to everything."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with listening(app, Listen(**(listen or {"host": "127.0.0.1"}))) as url:
        yield url


async def refused(answer: Answer, **settings) -> ServerError:
    """Return the error of opening an archive where that is the answer."""
    async with answering(answer) as url:
        with pytest.raises(ServerError) as caught:
            async with RemoteArchive.open(url, **{"max_bytes": 1 << 20, **settings}):
                pass
    assert url in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<html>Sign in</html>", "text/html"),
        ('{"server": "grafana", "version": "1", "api": 1}', "application/json"),
        ("[1, 2]", "application/json"),
        ("", "application/json"),
        ('{"server": "memsnap", "version": "9", "api": 2}', "application/json"),
    ],
)
async def test_what_is_no_memsnap_server_is_refused(body, content_type):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type=content_type)

    error = await refused(answer)

    assert "is no memsnap server" in error.message or "does not know" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "is no memsnap server (HTTP 404)"),
        (502, "is no memsnap server (HTTP 502)"),
        (401, "does not let us in (HTTP 401)"),
        (403, "does not let us in (HTTP 403)"),
    ],
)
async def test_a_refusal_is_one_line(status, words):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text="no\nno")

    assert words in (await refused(answer)).message


async def test_a_redirect_is_not_followed():
    async def answer(_: web.Request) -> web.Response:
        raise web.HTTPFound("https://elsewhere/login")

    error = await refused(answer, token="secret")

    assert "sends us elsewhere: https://elsewhere/login" in error.message


async def test_a_problem_of_the_server_is_told_in_its_words():
    async def answer(_: web.Request) -> web.Response:
        problem = {"type": "urn:memsnap:problem:store-unavailable", "detail": "the store is away"}
        return web.json_response(problem, status=503, content_type="application/problem+json")

    assert (await refused(answer)).message.endswith(": the store is away")


async def test_an_answer_that_is_too_large_is_not_read_on():
    async def answer(_: web.Request) -> web.Response:
        response = web.Response(body=b"\0" * (4 << 20))
        response.enable_compression()  # 4 kB on the wire
        return response

    error = await refused(answer)

    assert "answers with more than 1.00 MB" in error.message
    assert "--max-size" in error.hint


async def test_a_connection_that_is_closed_is_one_line():
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        await asyncio.sleep(0)
        return web.Response()

    assert "cannot be reached" in (await refused(answer)).message


async def test_nobody_there_leads_to_the_daemon():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServerError, match=f"{url} cannot be reached: ") as caught:
        async with RemoteArchive.open(url, max_bytes=1):
            pass
    assert "memsnap serve" in caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "unix:", "http://[::1", "http://x:y"])
async def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError, match="is no address of a server"):
        async with RemoteArchive.open(url, max_bytes=1):
            pass


async def test_a_password_in_the_address_is_not_shown():
    with pytest.raises(ServerError) as caught:
        async with RemoteArchive.open("http://me:hunter2@127.0.0.1:1", max_bytes=1):
            pass
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("where", ["file", "variable"])
async def test_the_token_is_sent_as_bearer(where, tmp_path, monkeypatch):
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response(WELCOME)

    (tmp_path / "token").write_text("abc123\n")
    if where == "variable":
        monkeypatch.setenv("MEMSNAP_TOKEN", "abc123")
    async with answering(answer) as url:
        token_file = str(tmp_path / "token") if where == "file" else ""
        async with opened(ServerPlace(url=url, token_file=token_file)):
            pass

    assert seen == ["Bearer abc123"]


async def test_a_token_that_cannot_be_read_is_told_before_anybody_is_asked(tmp_path):
    with pytest.raises(MemsnapError, match="none cannot be read"):
        async with opened(ServerPlace(url="http://127.0.0.1:1", token_file=str(tmp_path / "none"))):
            pass


async def test_an_answer_of_another_shape_is_told():
    async def answer(request: web.Request) -> web.Response:
        known = request.path == "/api/v1"
        return web.json_response(WELCOME if known else {"items": [{"id": "x"}]})

    async with (
        answering(answer) as url,
        RemoteArchive.open(url, max_bytes=1 << 20) as archive,
    ):
        with pytest.raises(ServerError, match="something else than was asked for"):
            await archive.targets(TargetQuery())


async def test_a_server_behind_a_path_is_asked_below_it():
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response(WELCOME)

    async with answering(answer) as url, RemoteArchive.open(f"{url}/memsnap/", max_bytes=1 << 20):
        pass

    assert seen == ["/memsnap/api/v1"]


async def test_a_daemon_on_a_unix_socket_is_asked_there(store, filled, tmp_path):
    app = web.Application()
    add_api(app, LocalArchive(store))
    path = str(tmp_path / "s")
    async with (
        listening(app, Listen(path=path)),
        RemoteArchive.open(f"unix:{path}", max_bytes=1 << 24) as archive,
    ):
        assert archive.name == f"unix:{path}"
        wanted = SeriesQuery(metrics=("rss",), since_ns=0)
        assert len(await archive.series(filled.targets["shop"], wanted)) == 10


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-keyout key.pem -out cert.pem -subj /CN=memsnap -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return str(folder / "cert.pem"), str(folder / "key.pem")


@contextlib.asynccontextmanager
async def answering_tls(certificate: tuple[str, str]) -> AsyncIterator[str]:
    """Run a server that welcomes everybody over TLS."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(WELCOME)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_server_with_tls_is_asked_if_its_authority_is_trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    async with (
        answering_tls(certificate) as url,
        RemoteArchive.open(url, max_bytes=1 << 20) as archive,
    ):
        assert archive.name == url


async def test_a_server_of_an_unknown_authority_is_refused(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    async with answering_tls(certificate) as url:
        with pytest.raises(ServerError, match="cannot be reached: ") as caught:
            async with RemoteArchive.open(url, max_bytes=1 << 20):
                pass

    assert "certificate" in caught.value.message
    assert "SSL_CERT_FILE" in caught.value.hint
