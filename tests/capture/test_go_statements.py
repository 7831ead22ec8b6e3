"""Which `go` statement leaked goroutines come from: real services, every form of the statement."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from memsnap import api
from memsnap.analysis.alone import find_alone
from memsnap.analysis.finding import Cause
from memsnap.analysis.live import live
from memsnap.capture.access import Access
from memsnap.capture.blocking import capture, visit
from memsnap.capture.blocking import locate as located
from memsnap.capture.target import parse_target
from memsnap.capture.visit import Options
from memsnap.pprof.origins import tracebacks_of
from memsnap.pprof.reader import read

pytestmark = pytest.mark.go

SERVICES = Path(__file__).parent / "services"
MAIN = SERVICES / "starts" / "main.go"
CLEANUP = SERVICES / "starts" / "cleanup.go"
GROUP = SERVICES / "group" / "group.go"
FORMS = ("literal", "call", "method", "made", "variable", "generic", "group")


def line_of(file, mark):
    """Return the line of `file` that ends with `// MARK`."""
    lines = file.read_text().splitlines()
    return next(at for at, line in enumerate(lines, 1) if re.search(rf"// {mark}$", line))


def captured(program, form, service, count=5, each=40):
    """Return captures with `each` leaked goroutines in between, dated 10 s apart."""
    with service(program, "-how", form, env={"GODEBUG": "memprofilerate=65536"}) as running:
        taken = []
        for at in range(count):
            running.step(each)
            one = capture(parse_target(running.address), Access(timeout_s=20))
            first_ns = taken[0].capture.taken_ns if taken else one.capture.taken_ns
            dated = replace(one.capture, taken_ns=first_ns + at * 10_000_000_000)
            taken.append(replace(one, capture=dated))
        return taken


def check(program, form, service):
    """Find the leak of a form of `go` statement: one finding, its line, and what it holds."""
    found = api.findings(captured(program, form, service))
    leaks = [one for one in found if one.verdict is Cause.LEAK]
    assert [one.kind for one in leaks] == ["goroutine-leak"], [one.text for one in found]
    evidence = dict(leaks[0].evidence)
    file = GROUP if form == "group" else MAIN
    site = line_of(file, "site: group" if form == "group" else f"go: {form}")
    assert (evidence["go_file"], evidence["go_line"]) == (str(file), site)
    assert evidence["go_share"] == 1
    waits = "method" if form == "made" else form
    assert evidence["blocked_line"] == line_of(MAIN, f"blocked: {waits}")
    assert evidence["goroutines_growth"] == 160
    assert leaks[0].growth.bytes == pytest.approx(160 * 8192, rel=0.15)  # descriptors on top
    assert f"{file.name}:{site}" in leaks[0].text
    return evidence


@pytest.fixture(scope="module")
def starts(go):
    """The executable of the service in `services/starts`."""
    return go.build(SERVICES / "starts")


@pytest.mark.parametrize("form", FORMS)
def test_a_goroutine_leak_is_one_finding_with_its_go_statement_and_its_bytes(form, starts, service):
    evidence = check(starts, form, service)
    if form == "group":  # the statement is the library's: the finding says for whom
        assert evidence["runs_line"] == line_of(MAIN, "blocked: group")


@pytest.mark.slow
@pytest.mark.parametrize("release", ["1.21", "1.24"])
@pytest.mark.parametrize("form", FORMS)
def test_older_releases_tell_the_go_statement_as_well(form, release, go_release, service):
    check(go_release(release).build(SERVICES / "starts"), form, service)


def check_finalizers(program, kind, file, service):
    """Find the finalizer that waits, in each capture by itself and in both together."""
    taken = captured(program, kind, service, count=2)
    place = (str(file), line_of(file, f"blocked: {kind}"))
    for found in (api.findings(taken), find_alone(live(taken[0]))):
        (backlog,) = (one for one in found if one.kind == "finalizer-backlog")
        assert (backlog.file, backlog.line) == place
        assert backlog.title.startswith(f"A {kind} waits in chan receive at ")


@pytest.mark.parametrize("kind", ["finalizer", "cleanup"])
def test_a_finalizer_that_waits_is_found_in_the_act(kind, starts, service):
    check_finalizers(starts, kind, CLEANUP if kind == "cleanup" else MAIN, service)


@pytest.mark.slow
@pytest.mark.parametrize("release", ["1.21", "1.24"])
def test_older_releases_show_the_finalizer_as_well(release, go_release, service):
    check_finalizers(go_release(release).build(SERVICES / "starts"), "finalizer", MAIN, service)


def test_one_capture_tells_the_goroutines_that_the_runtime_gave_up(starts, service, go):
    (taken,) = captured(starts, "generic", service, count=1)
    found = {one.kind: one for one in find_alone(live(taken))}
    if go.minor < 27:
        assert "goroutine-leak" not in found  # only the runtime can tell
        return
    leak = found["goroutine-leak"]
    assert (leak.verdict, leak.line) == (Cause.LEAK, line_of(MAIN, "blocked: generic"))
    assert leak.title.startswith("40 goroutines that nothing can ever wake in chan send at ")
    assert dict(leak.evidence)["go_line"] == line_of(MAIN, "go: generic")


def test_a_process_with_many_goroutines_is_not_stopped_for_their_stacks(starts, service):
    with service(starts, "-how", "call") as running:
        running.step(50)
        target = parse_target(running.address)
        place = located(target, Access(timeout_s=20))
        plain, listed = (
            visit(target, place, options=Options(stacks_up_to=most)) for most in (20, 2000)
        )
    stacks = [
        tracebacks_of(read(one.goroutine_profile, name="goroutine"), name="goroutine")
        for one in (plain, listed)
    ]
    assert stacks[0] is None
    assert max(one.count for one in stacks[1]) == 50
    assert plain.capture.notes == listed.capture.notes == ()


def test_a_snap_keeps_the_go_statements(starts, service, tmp_path):
    taken = captured(starts, "call", service, count=1)[0]
    api.save(taken, tmp_path / "a.snap")
    again = api.load(tmp_path / "a.snap")
    assert again.goroutine_profile == taken.goroutine_profile
    assert b"created" not in again.goroutine_profile  # of the listing only what is needed
    assert b"0xc0" not in again.goroutine_profile
