"""Short names for people, and what a capture is told about warm-ups."""

import pytest
from builders.profiles import Row, heap

from memsnap.capture.identity import Identity, name_service
from memsnap.capture.observer import shows_earlier_profile
from memsnap.capture.routes import expvar_paths, metrics_paths, prefixes_to_probe
from memsnap.snapshot import Process

PROFILE = heap(Row("main.f f.go:1", size=48, alloc=1, live=1))  # mapped from /srv/app


@pytest.mark.parametrize(
    ("process", "target", "name"),
    [
        (Process(executable="/srv/shop", module="x/y"), "pid:1", "shop"),
        (Process(executable="/tmp/exe/main", module="example.com/shop/v2"), "pid:1", "shop"),
        (Process(command=("/srv/billing", "-x")), "http://h:1", "billing"),
        (Process(executable="/srv/my shop!"), "pid:1", "my-shop"),
        (Process(), "http://h:1/debug/pprof", "app"),
    ],
)
def test_a_service_is_named_by_what_says_most(process, target, name):
    assert name_service(process, PROFILE, target) == name


def test_without_any_name_the_host_or_socket_serves():
    bare = heap(Row("main.f f.go:1", size=48, alloc=1, live=1), mapping=None)
    assert name_service(Process(), bare, "http://shop.local:6060/debug/pprof") == "shop.local"
    assert name_service(Process(), bare, "unix:/run/shop.sock") == "run-shop.sock"


@pytest.mark.parametrize(
    ("version", "older"),
    [("go1.25.3", True), ("go1.26", False), ("go1.27.1", False), ("", False), ("devel x", False)],
)
def test_an_unknown_go_is_not_taken_for_an_old_one(version, older):
    identity = Identity(process=Process(go_version=version), service="x")
    assert identity.older_than(1, 26) is older


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ("runtime/pprof.(*profileBuilder).flush", True),
        ("runtime/pprof.newProfileBuilder", True),
        ("runtime/pprof.WithLabels", False),
        ("compress/flate.NewWriter", False),
    ],
)
def test_only_the_writer_of_profiles_tells_of_an_earlier_profile(function, shown):
    profile = heap(Row(f"{function} p.go:1 < main.main main.go:5", size=48, alloc=1, live=0))
    assert shows_earlier_profile(profile) is shown


def test_paths_follow_the_prefix():
    assert expvar_paths("/debug/pprof") == ("/debug/vars",)
    assert expvar_paths("/x/debug/pprof") == ("/x/debug/vars", "/debug/vars")
    assert metrics_paths("/debug/pprof") == ("/metrics",)
    assert metrics_paths("/x/debug/pprof") == ("/metrics", "/x/metrics")
    assert prefixes_to_probe("x/pprof/heap")[:2] == ("/x/pprof", "/debug/pprof")
    assert prefixes_to_probe()[0] == "/debug/pprof"
