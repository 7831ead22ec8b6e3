"""What becomes of a candidate: labels, relabelling, keep and drop, address and key."""

import re

import pytest

from memsnap.capture.target import HttpTarget, PidTarget
from memsnap.collector.discovery.candidates import Candidate, admit
from memsnap.config.settings import (
    CollectorSettings,
    DiscoverSettings,
    Overrides,
    ProcessSearch,
)


def admitted(*candidates: Candidate, **discover):
    settings = DiscoverSettings(search=ProcessSearch(), name="found", **discover)
    return admit(candidates, settings, CollectorSettings(), "here")


def candidate(address="shop:6060", service="", **labels):
    return Candidate(labels={"__address__": address, **labels}, service=service)


def test_a_candidate_becomes_a_target_with_the_labels_that_are_kept():
    (one,) = admitted(candidate(zone="eu", __meta_x="y"), labels=(("team", "a"),)).found
    assert one.target == HttpTarget(origin="http://shop:6060")
    assert one.seen.key == one.seen.address == "http://shop:6060/debug/pprof"
    assert one.seen.labels == (("team", "a"), ("zone", "eu"))
    assert (one.seen.service, one.seen.source, one.host) == ("shop:6060", "found", "")


def test_relabelling_goes_in_order_and_may_move_the_target():
    (one,) = admitted(
        candidate("10.0.0.1:80", app="shop", old="x", __meta_port="6060"),
        relabel=(
            ("__address__", "{__meta_ip}10.0.0.9:{__meta_port}"),
            ("__scheme__", "https"),
            ("__path__", "/x/debug/pprof"),
            ("service", "{app}-eu"),
            ("old", "{nothing}"),
            ("app", "{service}!"),
        ),
    ).found
    assert one.seen.address == "https://10.0.0.9:6060/x/debug/pprof"
    assert one.seen.service == "shop-eu"
    assert one.seen.labels == (("app", "shop-eu!"),)


def test_the_name_that_a_discovery_gives_can_be_used_in_templates():
    (one,) = admitted(candidate(service="shop"), relabel=(("service", "{service}-1"),)).found
    assert one.seen.service == "shop-1"


@pytest.mark.parametrize(
    ("patterns", "stays"),
    [
        ({"keep": (("zone", re.compile("eu")),)}, True),
        ({"keep": (("zone", re.compile("e")),)}, False),  # the whole value
        ({"keep": (("zone", re.compile("eu")), ("app", re.compile("a|b")))}, False),
        ({"keep": (("app", re.compile("")),)}, True),  # a label that is not there is empty
        ({"drop": (("zone", re.compile("eu")),)}, False),
        ({"drop": (("zone", re.compile("us")), ("app", re.compile("x")))}, True),
    ],
)
def test_keep_needs_all_and_drop_needs_one(patterns, stays):
    assert bool(admitted(candidate(zone="eu"), **patterns).found) is stays


def test_what_is_no_address_is_a_problem_and_stops_no_other():
    admission = admitted(candidate("nonsense"), candidate("a:1"), candidate(""))
    assert [one.seen.address for one in admission.found] == ["http://a:1/debug/pprof"]
    assert [problem.partition(";")[0] for problem in admission.problems] == [
        "'nonsense' is not a target",
        "'' is not a target",
    ]


@pytest.mark.parametrize("address", ["pid:7", "unix:/run/a.sock", "localhost:1", "[::1]:1"])
def test_what_only_this_machine_can_reach_has_its_name_in_the_key(address):
    (one,) = admitted(candidate(address)).found
    assert one.host == "here"
    assert one.seen.key == f"here/{one.seen.address}"


def test_a_target_is_there_once_and_the_order_of_finding_is_no_matter():
    found = [candidate("b:1"), candidate("a:1"), candidate("http://b:1/debug/pprof")]
    one = admitted(*found).found
    assert [each.seen.service for each in one] == ["a:1", "b:1"]
    assert admitted(*reversed(found)).found == one


def test_overrides_hold_for_all_and_the_prefix_moves_pprof():
    overrides = Overrides(interval_s=5.0, prefix="/x")
    http, process = admitted(candidate(), candidate("pid:7"), overrides=overrides).found[::-1]
    assert http.seen.address == "http://shop:6060/x"
    assert http.visit.interval_s == 5.0
    assert process.target == PidTarget(pid=7)  # left to probing
    assert process.visit.prefix == "/x"


def test_a_password_in_an_address_reaches_the_target_and_nothing_else():
    (one,) = admitted(candidate("http://me:SECRET@shop:6060/debug/pprof?key=SECRET")).found
    assert one.target.password == "SECRET"
    assert "SECRET" not in repr(one)
