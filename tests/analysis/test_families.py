"""One leak is one finding, whoever grows with it."""

import numpy as np
from builders.series import capture_times, leaking, recorded, replaced
from builders.simulation import bucket

from memsnap import api
from memsnap.analysis.finding import Cause

MAIN = "main.main main.go:9"
CALM = f"main.logIn s.go:7 < {MAIN}"
SELECT = "runtime.gopark proc.go:474 < runtime.selectgo select.go:351"
READ_LOOP = f"{SELECT} < net/http.(*persistConn).readLoop transport.go:2398"
WRITE_LOOP = f"{SELECT} < net/http.(*persistConn).writeLoop transport.go:2593"


def found(*stacks, entries=(), per_s=40):
    """Return the findings on a service that leaks at each of the stacks, at one rate."""
    rng = np.random.default_rng(3)
    grown = [bucket(rng, stack, 4096, leaking(rng, per_s)) for stack in stacks]
    calm = bucket(rng, CALM, 1024, replaced(rng, 5000, 200))
    times = capture_times()
    running = [{entry: round(40 * at) for entry in entries} | {MAIN: 1} for at in times]
    return api.findings(recorded([*grown, calm], times, goroutines=running))


def test_what_a_library_allocates_for_its_goroutines_goes_with_them():
    server = "bufio.NewReaderSize bufio.go:57 < net/http.(*conn).serve server.go:1"
    first, *others = found(server, entries=(READ_LOOP, WRITE_LOOP))
    assert (first.kind, first.verdict) == ("unclosed-body", Cause.LEAK)
    assert "net/http.(*persistConn)" in first.function
    assert [one for one in others if one.verdict is Cause.LEAK] == []


def test_the_goroutine_itself_goes_with_what_it_holds():
    own = f"main.fetch fetch.go:19 < {MAIN}"
    descriptor = "runtime.malg proc.go:5313 < runtime.newproc1 proc.go:5361"
    entry = "runtime.gopark proc.go:474 < runtime.chansend chan.go:283 < main.fetch fetch.go:22"
    everything = found(own, descriptor, entries=(entry,), per_s=90)
    leaks = [one for one in everything if one.verdict is Cause.LEAK]
    assert [one.function for one in leaks] == ["main.fetch"]
    assert {site.function for site in leaks[0].sites} >= {"main.fetch", "runtime.malg"}


def test_goroutines_of_a_function_that_allocates_nothing_go_with_the_leak_in_step():
    own = f"main.connect connect.go:20 < {MAIN}"
    entry = "runtime.gopark proc.go:474 < runtime.chanrecv chan.go:283 < main.poll poll.go:26"
    leaks = [one for one in found(own, entries=(entry,)) if one.verdict is Cause.LEAK]
    assert [(one.kind, one.function) for one in leaks] == [("goroutine-leak", "main.connect")]


def test_two_leaks_of_one_size_are_two_findings():
    leaks = found(f"main.keep k.go:1 < {MAIN}", f"main.cache c.go:1 < {MAIN}", per_s=120)
    leaks = [one for one in leaks if one.verdict is Cause.LEAK]
    assert {one.function for one in leaks} == {"main.keep", "main.cache"}
    for one in leaks:
        assert one.growth.low_bytes <= 120 * 40 * 4096 <= one.growth.high_bytes


def test_a_library_that_grows_without_any_caller_is_named_itself():
    first, *_ = found("bufio.NewReaderSize bufio.go:57 < database/sql.(*DB).opener sql.go:1218")
    assert (first.verdict, first.function) == (Cause.LEAK, "bufio.NewReaderSize")


def test_two_sites_of_one_call_chain_are_one_leak():
    outer = f"main.(*registry).with metrics.go:58 < main.serve main.go:20 < {MAIN}"
    inner = f"main.newHistogram metrics.go:41 < main.(*registry).with metrics.go:63 < {MAIN}"
    leaks = [one for one in found(outer, inner, per_s=120) if one.verdict is Cause.LEAK]
    assert len(leaks) == 1
    assert {site.function for site in leaks[0].sites} == {
        "main.(*registry).with",
        "main.newHistogram",
    }


def test_a_server_whose_handlers_wait_is_named_by_the_handler():
    buffers = "bufio.NewReaderSize bufio.go:57 < net/http.(*conn).serve server.go:1"
    parked = "runtime.gopark proc.go:474 < runtime.chanrecv chan.go:283"
    entry = f"{parked} < main.wait poll.go:34 < net/http.(*conn).serve server.go:2009"
    first, *others = found(buffers, entries=(entry,))
    assert (first.kind, first.function, first.line) == ("goroutine-leak", "main.wait", 34)
    assert first.verdict is Cause.LEAK
    assert [one for one in others if one.verdict is Cause.LEAK] == []
