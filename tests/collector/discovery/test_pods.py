"""Pods that ask for it become targets, and follow what the API says of them."""

import ssl
import subprocess

import pytest
from following import discovery_of, first, following, keys
from pod_api import pod, pod_api


def search(api, more=""):
    return discovery_of(
        f"[[discover]]\nkind='kubernetes'\napi='{api.url}'\nrequest={{token-env='TOKEN'}}\n{more}",
        {"TOKEN": "token-1"},
    )


async def test_pods_with_the_annotation_are_targets():
    async with pod_api(
        pod("a", labels={"app.kubernetes.io/name": "shop", "zone/x": "eu"}),
        pod("b", namespace="billing", labels={}, ip="fd00::1"),
        pod("quiet", annotations={"memsnap.io/scrape": "false"}),
        pod("starting", phase="Pending"),
        pod("ending", ending=True),
        pod("no-address", ip=""),
    ) as api:
        more = "relabel={zone='{__meta_kubernetes_pod_label_zone_x}'}"
        update = await first(search(api, more))
    assert update.problems == ()
    assert keys(update) == ["kubernetes/billing/b:6060", "kubernetes/shop/a:6060"]
    billing, shop = update.found
    assert shop.seen.address == "http://10.0.0.1:6060/debug/pprof"
    assert billing.seen.address == "http://[fd00::1]:6060/debug/pprof"
    assert [shop.seen.service, billing.seen.service] == ["shop", "main"]
    assert shop.seen.labels == (
        ("container", "main"),
        ("namespace", "shop"),
        ("node", "worker-1"),
        ("pod", "a"),
        ("zone", "eu"),
    )


PORTS = [
    {"containerPort": 8080, "name": "web"},
    {"containerPort": 6060, "name": "pprof"},
    {"containerPort": 53, "name": "dns", "protocol": "UDP"},
]


@pytest.mark.parametrize(
    ("given", "ports", "expected"),
    [
        ("web", PORTS, ["8080"]),
        ("6060, web", PORTS, ["6060", "8080"]),
        ("7000", None, ["7000"]),
        ("", PORTS, ["6060"]),
        ("", PORTS[:1], ["8080"]),
        ("", [*PORTS[:1], PORTS[2]], ["8080"]),
    ],
)
async def test_the_port_is_a_number_a_name_or_what_it_must_be(given, ports, expected):
    async with pod_api(pod("a", port=given, ports=ports)) as api:
        update = await first(search(api))
    assert [key.rpartition(":")[2] for key in keys(update)] == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "the pod shop/a does not say which port: set memsnap.io/port"),
        ("nothing", "the pod shop/a has no port 'nothing'"),
        ("70000", "the pod shop/a has no port '70000'"),
    ],
)
async def test_a_pod_without_a_port_that_can_be_told_is_a_problem(given, said):
    async with pod_api(pod("a", port=given), pod("b")) as api:
        update = await first(search(api))
    assert keys(update) == ["kubernetes/shop/b:6060"]
    assert update.problems == (said,)


async def test_path_and_scheme_are_those_of_the_annotations():
    annotations = {"memsnap.io/path": "/x/debug/pprof", "memsnap.io/scheme": "https"}
    async with pod_api(pod("a", annotations=annotations)) as api:
        (one,) = (await first(search(api))).found
    assert one.seen.address == "https://10.0.0.1:6060/x/debug/pprof"


async def test_changes_are_followed_as_they_come():
    async with pod_api(pod("a")) as api, following(search(api)) as next_update:
        assert keys(await next_update()) == ["kubernetes/shop/a:6060"]
        api.put(pod("b", ip="10.0.0.2"))
        assert keys(await next_update()) == ["kubernetes/shop/a:6060", "kubernetes/shop/b:6060"]
        api.put(pod("a", ip="10.0.0.9"))
        moved = await next_update()
        assert moved.found[0].seen.address == "http://10.0.0.9:6060/debug/pprof"
        api.delete("shop", "a")
        assert keys(await next_update()) == ["kubernetes/shop/b:6060"]
        api.put(pod("b", ending=True))
        assert keys(await next_update()) == []
    assert len([path for path in api.paths() if "watch=1" not in path]) == 1


async def test_a_list_comes_in_pages():
    async with pod_api(*(pod(f"p{i}") for i in range(5))) as api:
        update = await first(search(api))
    assert len(update.found) == 5
    pages = [path for path in api.paths() if "watch=1" not in path]
    assert [path.partition("continue=")[2] for path in pages] == ["", "2", "4"]


async def test_a_watch_that_ends_goes_on_where_it_was():
    async with pod_api(pod("a")) as api, following(search(api)) as next_update:
        await next_update()
        api.end_watches()
        api.put(pod("b"))
        assert keys(await next_update()) == ["kubernetes/shop/a:6060", "kubernetes/shop/b:6060"]
    watches = [path for path in api.paths() if "watch=1" in path]
    assert "resourceVersion=101" in watches[0]
    assert len(api.paths()) - len(watches) == 1  # one list was enough


async def test_a_version_that_is_too_old_takes_the_list_again():
    async with pod_api(pod("a"), pod("b")) as api, following(search(api)) as next_update:
        await next_update()
        api.delete("shop", "a")
        api.put(pod("c"))
        api.forget_history()
        seen = await next_update()
        while keys(seen) != ["kubernetes/shop/b:6060", "kubernetes/shop/c:6060"]:
            seen = await next_update()
        assert seen.problems == ()


async def test_an_api_that_fails_keeps_what_it_said_and_is_asked_again():
    async with pod_api(pod("a")) as api, following(search(api)) as next_update:
        good = await next_update()
        api.status = 503
        api.end_watches()
        update = await next_update()
        assert update.found == good.found
        assert update.problems == (f"{api.url} answers 503: not today",)
        api.status = 200
        assert await next_update() == good


async def test_without_the_rights_nothing_is_known_and_the_reason_is_said():
    async with pod_api(pod("a")) as api:
        api.status = 403
        update = await first(search(api))
        assert update.found is None
        assert update.problems == (
            f"{api.url} answers 403: not today; its service account needs get, list and watch on "
            "pods",
        )


async def test_namespaces_node_and_selector_narrow_what_is_asked_for():
    more = "namespaces=['shop','billing']\nselector='tier!=batch'\nnode='worker-3'"
    async with pod_api(pod("a"), pod("b", namespace="billing"), pod("c", namespace="x")) as api:
        update = await first(search(api, more))
    assert keys(update) == ["kubernetes/billing/b:6060", "kubernetes/shop/a:6060"]
    lists = [request for request in api.requests if "watch" not in request.query]
    assert {request.path for request in lists} == {
        "/api/v1/namespaces/shop/pods",
        "/api/v1/namespaces/billing/pods",
    }
    assert {request.query["labelSelector"] for request in api.requests} == {"tier!=batch"}
    assert {request.query["fieldSelector"] for request in api.requests} == {
        "spec.nodeName=worker-3"
    }


async def test_a_namespace_that_may_not_be_seen_hides_no_other():
    async with pod_api(pod("a"), pod("b", namespace="secret")) as api:
        api.forbidden = "secret"
        update = await first(search(api, "namespaces=['shop','secret']"))
    assert keys(update) == ["kubernetes/shop/a:6060"]
    assert "answers 403: not yours" in update.problems[0]


async def test_a_server_that_is_no_api_is_named(unused_tcp_port):
    async with pod_api() as api:
        api.url += "/nothing"
        update = await first(search(api))
        assert "answers 404; is this the URL of a Kubernetes API?" in update.problems[0]
    api.url = f"http://127.0.0.1:{unused_tcp_port}"
    update = await first(search(api))
    assert update.found is None
    assert f"{api.url} cannot be asked: " in update.problems[0]


async def test_outside_of_a_cluster_the_api_has_to_be_given():
    update = await first(discovery_of("[[discover]]\nkind='kubernetes'\n"))
    assert update.problems == ("memsnap runs in no Kubernetes cluster, and no api is given",)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that vouches for itself."""
    subject = ["-subj", "/CN=kube", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", "key.pem", "-out", "ca.crt"]
    command = ["openssl", "req", "-x509", *key, *files, *subject]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


async def test_a_token_file_is_read_anew_for_every_request(certificate):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate / "ca.crt", certificate / "key.pem")
    token = certificate / "token"
    token.write_text("token-1\n")
    async with pod_api(pod("a"), ssl_context=server) as api:
        host, _, port = api.url.removeprefix("https://").rpartition(":")
        environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        request = f"token-file='{token}', ca='{certificate}/ca.crt'"
        text = f"[[discover]]\nkind='kubernetes'\nrequest={{ {request} }}"
        async with following(discovery_of(text, environment)) as next_update:
            assert keys(await next_update()) == ["kubernetes/shop/a:6060"]
            token.write_text("token-2\n")
            api.token = "token-2"
            api.end_watches()
            api.put(pod("b"))
            update = await next_update()
            assert keys(update) == ["kubernetes/shop/a:6060", "kubernetes/shop/b:6060"]
    assert {request.headers["Authorization"] for request in api.requests} == {
        "Bearer token-1",
        "Bearer token-2",
    }
