"""Which requests go through a proxy of the environment, and by which transport: both alike."""

import contextlib
import socket
import threading
from dataclasses import replace

import pytest
from peers import always, peer, reply

from memsnap.capture.access import Access
from memsnap.capture.endpoint import endpoint_of
from memsnap.capture.exchange import get_ok
from memsnap.capture.proxies import proxy_for
from memsnap.capture.target import parse_target
from memsnap.errors import TargetError

ACCESS = Access(timeout_s=30)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A function that sets the proxy variables, of which there are none at first."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    return lambda **values: [monkeypatch.setenv(name, values[name]) for name in values]


def test_without_variables_there_is_no_proxy():
    assert proxy_for("http://shop.test:6060/x") == ""


def test_the_variable_of_the_scheme_counts_before_that_of_all(environment):
    environment(http_proxy="http://one:1", all_proxy="http://two:2")
    assert proxy_for("http://shop.test/x") == "http://one:1"
    assert proxy_for("https://shop.test/x") == "http://two:2"


def test_a_proxy_without_a_scheme_speaks_http(environment):
    environment(http_proxy="one:1")
    assert proxy_for("http://shop.test/x") == "http://one:1"


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("shop.test", "http://shop.test/x"),
        (".test", "http://shop.test:6060/x"),
        ("shop.test:6060", "http://shop.test:6060/x"),
        ("other, 10.1.2.3", "http://10.1.2.3/x"),
        ("10.0.0.0/8", "http://10.1.2.3:6060/x"),
        ("fd00::/8", "http://[fd00::1]:6060/x"),
        ("*", "http://shop.test/x"),
    ],
)
def test_a_listed_host_goes_without_proxy(environment, listed, url):
    environment(http_proxy="http://one:1", no_proxy=listed)
    assert proxy_for(url) == ""


@pytest.mark.parametrize("listed", ["hop.test", "shop.test:1", "10.0.0.0/8", "10.0.0.0/99", ""])
def test_a_host_that_is_not_listed_goes_through_it(environment, listed):
    environment(http_proxy="http://one:1", no_proxy=listed)
    assert proxy_for("http://shop.test:6060/x") == "http://one:1"
    assert proxy_for("http://11.1.2.3/x") == "http://one:1"


def failure(run, url, access=ACCESS):
    with pytest.raises(TargetError) as caught:
        run(get_ok(endpoint_of(parse_target(url)), access, "/heap"))
    assert "s3cret" not in caught.value.message + caught.value.hint
    return caught.value


@pytest.mark.parametrize("proxy", ["http://h:port", "http://", "http://ann:s3cret@h:0"])
def test_a_proxy_that_is_no_url_is_told(run, environment, proxy):
    environment(http_proxy=proxy)
    assert "names is no URL" in failure(run, "http://shop.test:6060").message


def test_a_proxy_that_speaks_no_http_is_told(run, environment):
    environment(http_proxy="socks5://ann:s3cret@127.0.0.1:1")
    assert "is no HTTP proxy" in failure(run, "http://shop.test:6060").message


def test_credentials_of_a_proxy_go_to_the_proxy(run, environment):
    with peer(always(reply(200))) as proxy:
        environment(http_proxy=proxy.url.replace("//", "//ann:p%40ss@"))
        run(get_ok(endpoint_of(parse_target("http://shop.test:6060")), ACCESS, "/heap"))
    assert "Proxy-Authorization: Basic YW5uOnBAc3M=" in proxy.heads[0]


def test_a_proxy_whose_name_does_not_resolve_is_told(run, environment):
    environment(http_proxy="http://a..b:3128")
    message = failure(run, "http://shop.test:6060").message
    assert message.endswith("by the proxy a..b:3128: the host name cannot be resolved")


def test_a_proxy_that_refuses_to_connect_is_told(run, environment):
    with peer(always(reply(403))) as proxy:
        environment(https_proxy=proxy.url)
        message = failure(run, "https://shop.test:6060").message
    assert "the proxy does not connect to the target" in message


@contextlib.contextmanager
def tunnelling(port):
    """Answer one CONNECT, to whatever host, by a tunnel to a local port."""
    heads = []

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve():
        near, _ = listener.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            heads.append(near.recv(65536).decode())
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, near))
            back.start()
            pump(near, far)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        server.join(30)


@pytest.mark.go
def test_tls_goes_through_the_tunnel_of_a_proxy(run, environment, service, doors, certificates):
    pair = ("-cert", certificates.server, "-key", certificates.server_key)
    with service(doors, "-listen", "127.0.0.1:0", *pair) as running:
        port = int(running.address.rpartition(":")[2])
        with tunnelling(port) as (proxy, heads):
            environment(https_proxy=proxy)
            endpoint = endpoint_of(parse_target("https://shop.test:6060"))
            access = replace(ACCESS, insecure=True)
            answer = run(get_ok(endpoint, access, "/debug/pprof/cmdline"))
    assert answer.body.startswith(bytes(doors))
    assert heads[0].startswith("CONNECT shop.test:6060 HTTP/1.")
