"""One GET against peers that misbehave: always one line that names the URL, and a hint."""

import socket
from dataclasses import replace
from pathlib import Path

import peers
import pytest
from peers import always, peer, reply, routes, trickle

from memsnap.capture.access import Access
from memsnap.capture.endpoint import endpoint_of
from memsnap.capture.exchange import get as getting
from memsnap.capture.exchange import get_ok
from memsnap.capture.target import parse_target
from memsnap.errors import TargetError

SECRETS = ("s3cret", "t0ken", "k3y", "p4ss")
ACCESS = Access(headers=(("X-Key", "k3y"),), user="ann", password="p4ss", timeout_s=30)
QUICK = replace(ACCESS, timeout_s=0.5)
HEAP = "/debug/pprof/heap"


@pytest.fixture
def get(run):
    """A function that returns the answer to a GET."""

    def get(url, access=ACCESS, path=HEAP, parameters=()):
        return run(getting(endpoint_of(parse_target(url)), access, path, parameters))

    return get


@pytest.fixture
def failure(run):
    """A function that returns the error of a GET that must fail, checked as every error is."""

    def failure(url, access=ACCESS, path=HEAP):
        with pytest.raises(TargetError) as caught:
            run(get_ok(endpoint_of(parse_target(url)), access, path))
        error = caught.value
        assert "\n" not in error.message + error.hint
        assert error.hint
        assert error.message.startswith(url.partition("?")[0].replace("ann:s3cret@", ""))
        for secret in SECRETS:
            assert secret not in repr((error.message, error.hint, error))
        return error

    return failure


def test_an_answer_comes_as_it_was_sent(get):
    body = b"\x1f\x8b not unpacked here"
    with peer(always(reply(200, body, type_="application/x"))) as target:
        answer = get(target.url)
    assert (answer.status, answer.content_type, answer.body) == (200, "application/x", body)
    assert answer.url == f"{target.url}{HEAP}"
    assert answer.redirects == ()


def test_our_parameters_are_shown_and_the_users_are_not(get):
    with peer(always(reply(200))) as target:
        answer = get(f"{target.url}?authKey=s3cret&gc=0&debug=2", parameters=(("gc", "1"),))
    assert target.paths == [f"{HEAP}?authKey=s3cret&gc=1"]
    assert answer.url == f"{target.url}{HEAP}?gc=1"


def test_headers_and_credentials_are_sent(get):
    with peer(always(reply(200))) as target:
        get(target.url)
        get(target.url, replace(ACCESS, user="", password="", bearer="t0ken"))
    assert "X-Key: k3y" in target.heads[0]
    assert "Authorization: Basic YW5uOnA0c3M=" in target.heads[0]
    assert "Authorization: Bearer t0ken" in target.heads[1]


def test_compression_is_not_asked_for(get):
    with peer(always(reply(200))) as target:
        get(target.url)
    assert "Accept-Encoding: identity" in target.heads[0]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "--prefix"),
        (401, "--token-file"),
        (403, "-H 'Host: name'"),
        (404, "net/http/pprof"),
        (500, "log of the service"),
        (503, "try again"),
    ],
)
def test_a_status_is_named_with_a_way_out(failure, status, words):
    with peer(always(reply(status, b"s3cret k3y p4ss"))) as target:
        error = failure(target.url)
    assert f"answered {status}" in error.message
    assert words in error.hint


def test_a_dead_port_is_refused(failure):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(f"http://127.0.0.1:{port}?authKey=s3cret")
    assert error.message == f"http://127.0.0.1:{port}{HEAP}: connection refused"
    assert "running" in error.hint


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".invalid"])
def test_a_host_name_that_is_none_is_told(failure, host):
    assert "cannot be resolved" in failure(f"http://{host}:6060").message


def test_a_host_that_does_not_resolve_is_told_in_time(failure):
    error = failure("http://memsnap.invalid:6060", QUICK)  # a slow resolver is cut off
    assert "cannot be resolved" in error.message or "no complete answer" in error.message


def test_a_port_that_accepts_nothing_is_told_in_time(failure):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), socket.socket() as waiting:
            waiting.setblocking(False)
            waiting.connect_ex(address)
            assert "no complete answer" in failure(f"http://127.0.0.1:{address[1]}", QUICK).message


def test_a_tls_handshake_that_never_ends_is_told_in_time(failure):
    with peer(trickle(b"", b"")) as target:
        assert "no complete answer" in failure(target.url.replace("http:", "https:"), QUICK).message


def test_a_missing_unix_socket_is_named(failure, tmp_path: Path):
    error = failure(f"unix:{tmp_path}/app.sock")
    assert "no such file" in error.message
    assert "path of its socket" in error.hint


def test_a_file_that_is_no_socket_is_named(failure, tmp_path: Path):
    (tmp_path / "file").touch()
    error = failure(f"unix:{tmp_path}/file")
    assert "connection refused" in error.message


@pytest.mark.parametrize(
    "script",
    [
        trickle(b"HTTP/1.1 200 ", b"O"),
        trickle(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["status line", "headers", "body", "body until close", "chunks"],
)
def test_the_deadline_holds_against_a_peer_that_trickles(failure, script):
    with peer(script) as target:
        error = failure(target.url, QUICK)
    assert "no complete answer within 500ms" in error.message
    assert "--timeout" in error.hint


def test_the_deadline_holds_against_a_peer_that_is_silent(failure):
    with peer(trickle(b"", b"")) as target:
        assert "no complete answer" in failure(target.url, QUICK).message


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"x" * 5000),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    ],
    ids=["announced", "without length", "announced only"],
)
def test_a_body_above_the_limit_is_not_read(failure, answer):
    with peer(always(answer)) as target:
        error = failure(target.url, replace(ACCESS, max_bytes=4096))
    assert "larger than 4.00 kB" in error.message
    assert "--max-size" in error.hint


def test_an_endless_body_ends_at_the_limit(failure):
    def flood(_path, say, over):
        say(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            say(b"x" * 65536)

    with peer(flood) as target:
        error = failure(target.url, replace(ACCESS, max_bytes=1 << 20))
    assert "larger than 1.00 MB" in error.message


def test_a_connection_reset_in_the_body_is_named(failure):
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"
    with peer(always(half), reset=True) as target:
        error = failure(target.url)
    assert "reset" in error.message or "middle of the answer" in error.message
    assert "Try again" in error.hint


def test_a_body_cut_short_is_named(failure):
    with peer(always(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")) as target:
        assert "in the middle of the answer" in failure(target.url).message


def test_a_connection_closed_without_an_answer_is_named(failure):
    with peer(always(b"")) as target:
        error = failure(target.url)
    assert "closed without an answer" in error.message
    assert "https://" in error.hint


def test_an_answer_that_is_not_http_is_named(failure):
    with peer(always(b"SSH-2.0-OpenSSH_9.2\r\n")) as target:
        assert "not HTTP" in failure(target.url).message


def test_plain_http_on_a_tls_url_is_told(failure):
    with peer(always(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as target:
        error = failure(target.url.replace("http:", "https:"))
    assert "TLS failed" in error.message
    assert "http://" in error.hint


def moved(location, status=302):
    return reply(status, more=f"Location: {location}\r\n")


def test_a_redirect_is_followed_and_shown(get):
    table = {HEAP: moved("/x/heap?token=s3cret"), "/x/heap": reply(200, b"here")}
    with peer(routes(table)) as target:
        answer = get(target.url)
    assert answer.body == b"here"
    assert answer.redirects == (f"{target.url}{HEAP}",)
    assert answer.url == f"{target.url}/x/heap"
    assert "Authorization" in target.heads[1]


def test_a_redirect_loop_is_an_error(failure):
    table = {HEAP: moved("/b"), "/b": moved(HEAP)}
    with peer(routes(table)) as target:
        error = failure(target.url)
    assert "redirects in a loop" in error.message
    assert f"{target.url}/b" in error.message
    assert len(target.heads) == 2


def test_redirects_without_end_are_an_error(failure):
    def further(path, say, _over):
        say(moved(f"{path}x"))

    with peer(further) as target:
        assert "redirects more than 5 times" in failure(target.url).message


@pytest.mark.parametrize("location", ["ftp://h/x", "http://[bad", "http://h:99999/", "mailto:x"])
def test_a_redirect_to_nowhere_is_an_error(failure, location):
    with peer(always(moved(location))) as target:
        assert "redirects to" in failure(target.url).message


def test_the_body_of_a_redirect_is_not_read(get):
    def flood(path, say, over):
        if path == "/x":
            say(reply(200, b"here"))
            return
        say(b"HTTP/1.1 302 X\r\nLocation: /x\r\n\r\n")
        while not over.is_set():
            say(b"x" * 65536)

    with peer(flood) as target:
        assert get(target.url).body == b"here"


def test_credentials_do_not_follow_a_redirect_to_another_host(get):
    with (
        peer(always(reply(200, b"there"))) as other,
        peer(always(moved(f"{other.url}/x"))) as target,
    ):
        answer = get(target.url)
    assert answer.body == b"there"
    assert "Authorization" in target.heads[0]
    assert "Authorization" not in other.heads[0]
    assert "X-Key" not in other.heads[0]


def test_a_redirect_leads_nowhere_from_a_unix_socket(failure, tmp_path: Path, monkeypatch):
    path = str(tmp_path / "app.sock")
    with peers.unix_peer(path, always(moved("http://127.0.0.1:1/x"))):
        assert "beyond its socket" in failure(f"unix:{path}").message


def test_a_host_name_is_looked_up(get):
    with peer(always(reply(200, b"here"))) as target:
        assert get(target.url.replace("127.0.0.1", "localhost")).body == b"here"


def test_a_unix_socket_may_have_a_long_path_or_none(get, tmp_path: Path):
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    path = str(folder / "app.sock")
    with peers.unix_peer(path, always(reply(200, b"long"))):
        assert get(f"unix:{path}").body == b"long"
    name = f"@memsnap-test-{tmp_path.name}-{id(path)}"
    with peers.unix_peer(name, always(reply(200, b"abstract"))):
        assert get(f"unix:{name}").body == b"abstract"


def test_proxies_are_ignored_on_loopback(get, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with peer(always(reply(200, b"direct"))) as target:
        assert get(target.url).body == b"direct"


def test_proxies_are_used_elsewhere_and_the_deadline_holds_there(get, failure, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with peer(always(reply(200, b"by proxy"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        answer = get("http://memsnap.invalid:6060")
    assert answer.body == b"by proxy"
    assert proxy.paths == [f"http://memsnap.invalid:6060{HEAP}"]
    with peer(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x")) as slow:
        monkeypatch.setenv("http_proxy", slow.url)
        assert "no complete answer" in failure("http://memsnap.invalid:6060", QUICK).message


def test_a_proxy_that_fails_is_named_as_such(failure, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://ann:s3cret@127.0.0.1:{port}")
    error = failure("http://memsnap.invalid:6060")
    assert f"by the proxy 127.0.0.1:{port}: connection refused" in error.message


def test_credentials_of_netrc_are_not_sent(get, tmp_path: Path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login bob password s3cret\n")
    monkeypatch.setenv("NETRC", str(file))
    with peer(always(reply(200))) as target:
        get(target.url, Access())
    assert "Authorization" not in target.heads[0]


FAULTS = {
    "closed": (always(b""), False),
    "reset at once": (always(b""), True),
    "reset in the body": (
        always(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"),
        True,
    ),
    "cut": (always(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"), False),
    "chunks cut": (
        always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
        False,
    ),
    "no HTTP": (always(b"SSH-2.0-OpenSSH_9.2\r\n"), False),
    "too many headers": (always(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n"), False),
    "a header too long": (always(reply(200, more=f"A: {'b' * 100_000}\r\n")), False),
    "too large": (always(reply(200, b"x" * 5000)), False),
    "unauthorized": (always(reply(401)), False),
    "unavailable": (always(reply(503)), False),
    "redirect loop": (always(moved(HEAP)), False),
    "slow": (trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), False),
}


@pytest.mark.parametrize(("script", "reset"), FAULTS.values(), ids=FAULTS)
def test_both_transports_say_the_same_of_a_fault_and_ask_once(transports, script, reset):
    access, said = replace(QUICK, max_bytes=4096), []
    with peer(script, reset=reset) as target:
        for run in transports.values():
            with pytest.raises(TargetError) as caught:
                run(get_ok(endpoint_of(parse_target(target.url)), access, HEAP))
            said.append((caught.value.message, caught.value.hint))
    assert said[0] == said[1]
    assert target.paths == [HEAP, HEAP]


def test_both_transports_send_the_same(transports):
    access = replace(ACCESS, headers=(("user-agent", "own"), ("Host", "admin.local")))
    with peer(always(reply(200))) as target:
        for run in transports.values():
            url = f"{target.url}/a b/%2F/pprof/heap?k=a%20b&l=%2B&m=\u00e9"
            run(get_ok(endpoint_of(parse_target(url)), access, "/a b/%2F/\u00e9", (("x", "y z"),)))
    first, second = (sorted(head.splitlines()) for head in target.heads)
    assert first == second
    assert target.paths[0] == "/a%20b/%2F/%C3%A9?k=a+b&l=%2B&m=%C3%A9&x=y+z"
