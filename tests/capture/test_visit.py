"""Whole captures of real Go services, through every door."""

import shutil
import subprocess
from pathlib import Path

import pytest

from memsnap.capture.access import Access
from memsnap.capture.blocking import capture
from memsnap.capture.target import parse_target
from memsnap.errors import FormatError, TargetError
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.reader import read

pytestmark = pytest.mark.go

TCP = ("-listen", "127.0.0.1:0")
HINTED = "--token-file"


def visit(target, access=None, **options):
    return capture(parse_target(target), access or Access(timeout_s=20), **options)


def test_a_capture_by_url_holds_heap_proof_counters_and_process(service, go):
    with service("subslice") as running:
        running.step(100)
        snapshot = visit(f"{running.address}/debug/pprof/heap?debug=1")
        assert heap_samples(snapshot.heap, name="heap").live_objects.sum() > 0
        described = snapshot.capture
        assert snapshot.name == described.target == f"{running.address}/debug/pprof"
        assert described.service == "subslice"
        assert described.taken_ns == snapshot.heap.time_nanos > 0
        assert described.gc.forced
        assert described.gc.proven
        assert described.gc.num_gc_after > described.gc.num_gc_before
        assert described.mem_stats.source == "expvar"
        assert described.mem_stats.by_size[0].size == 8
        assert described.process.pid == running.pid
        assert described.process.go_version == go.version
        assert described.process.module == "memsnap.test/scenarios"
        assert described.process.executable == str(running.program)
        assert described.memory.rss > 1 << 20
        assert described.notes == ()


def test_a_capture_holds_the_goroutines_of_the_same_visit(service):
    with service("channel_send") as running:
        running.step(50)
        snapshot = visit(running.address)
    goroutines = read(snapshot.goroutine_profile, name="goroutine")
    assert snapshot.capture.goroutines == goroutines.values[:, 0].sum() > 50


def test_leaked_goroutines_come_along_where_the_runtime_knows_them(service, go):
    with service("channel_send") as running:
        running.step(50)
        snapshot = visit(running.address)
    assert (snapshot.leak_profile is not None) == (go.minor >= 27)


def test_a_capture_by_pid_finds_the_port_and_says_so(service):
    with service("subslice") as running:
        snapshot = visit(f"pid:{running.pid}")
        described = snapshot.capture
        assert described.target == f"pid:{running.pid}"
        assert described.process.pid == running.pid
        assert described.gc.proven
        place = f"{running.address}/debug/pprof"
        assert described.notes == (f"Process {running.pid} was visited at {place}.",)


def test_a_prefix_of_its_own_is_found_by_option_and_by_url(service, doors):
    with service(doors, *TCP, "-prefix", "/secret/place") as running:
        with pytest.raises(TargetError, match="none of its listeners answers as pprof") as caught:
            visit(f"pid:{running.pid}")
        assert running.address in caught.value.message
        assert "--prefix" in caught.value.hint
        assert visit(f"pid:{running.pid}", prefix="/secret/place/").capture.gc.proven
        assert visit(running.address, prefix="/secret/place").capture.gc.proven
        assert visit(f"{running.address}/secret/place/heap").capture.gc.proven


def test_usual_prefixes_are_probed(service, doors):
    with service(doors, *TCP, "-prefix", "/admin/debug/pprof") as running:
        assert visit(f"pid:{running.pid}").capture.gc.proven


def test_a_process_without_listeners_is_told(service, tmp_path):
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        with pytest.raises(TargetError, match="listens on no TCP port") as caught:
            visit(f"pid:{sleeper.pid}")
        assert "net/http/pprof" in caught.value.hint
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_process_that_is_gone_is_told():
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(TargetError, match="there is no such process"):
        visit(f"pid:{ended.pid}")


def test_without_expvar_the_trailer_proves_the_gc(service, doors):
    with service(doors, *TCP, "-counters", "none") as running:
        described = visit(running.address).capture
    assert described.mem_stats.source == "debug=1"
    assert described.mem_stats.heap_inuse > 0
    assert described.gc.proven
    assert "LastGC" in described.gc.reason


def test_without_both_the_metrics_prove_the_gc(service, doors):
    with service(doors, *TCP, "-counters", "metrics", "-no-text") as running:
        described = visit(running.address).capture
    assert described.mem_stats.source == "metrics"
    assert described.gc.proven


def test_without_any_counters_nothing_is_proven(service, doors):
    with service(doors, *TCP, "-counters", "none", "-no-text") as running:
        described = visit(running.address).capture
    assert described.mem_stats is None
    assert not described.gc.proven
    assert described.notes == ("The target offers no counters (runtime.MemStats).",)


@pytest.mark.parametrize("counters", ["expvar", "none"])
def test_a_target_that_drops_the_gc_parameter_is_found_out(service, doors, counters):
    no_other = {"GOGC": "off"}
    with service(doors, *TCP, "-ignore-gc", "-counters", counters, env=no_other) as running:
        proof = visit(running.address, goroutines=False).capture.gc
    assert proof.forced
    assert not proof.proven


def test_a_plain_capture_forces_no_gc_and_claims_none(service):
    with service("subslice") as running:
        first = visit(running.address, gc=False, goroutines=False)
        cycles = running.vars()["memstats"]["NumForcedGC"]
    assert not first.capture.gc.forced
    assert not first.capture.gc.proven
    assert cycles == 0
    assert first.goroutine_profile is None
    assert first.leak_profile is None


def steps(target, **options):
    seen = []
    visit(target, progress=seen.append, goroutines=False, **options)
    return seen


def test_the_first_profile_of_a_process_is_thrown_away(service):
    every_object = {"GODEBUG": "memprofilerate=1"}  # so that the rule cannot miss by chance
    with service("subslice", env=every_object) as running:
        assert steps(running.address) == ["heap", "heap, after a warm-up", "counters"]
        assert steps(running.address) == ["heap", "counters"]
        assert steps(running.address, warm_up=True)[1] == "heap, after a warm-up"
    with service("subslice", env=every_object) as running:
        assert steps(running.address, warm_up=False) == ["heap", "counters"]


def test_after_a_warm_up_the_next_capture_shows_no_growth_of_the_profiler(service):
    def held(snapshot):
        samples = heap_samples(snapshot.heap, name="heap")
        names = snapshot.heap.strings
        total = 0
        for i in range(len(snapshot.heap)):
            stack = snapshot.heap.stack[
                snapshot.heap.stack_start[i] : snapshot.heap.stack_start[i + 1]
            ]
            lines = {
                line
                for at in stack
                for line in range(
                    snapshot.heap.locations.line_start[at],
                    snapshot.heap.locations.line_start[at + 1],
                )
            }
            functions = {
                names[snapshot.heap.functions.name[snapshot.heap.locations.line_function[line]]]
                for line in lines
            }
            if any(name.startswith("runtime/pprof.") for name in functions):
                total += int(samples.live_bytes[i])
        return total

    with service("subslice", env={"GODEBUG": "memprofilerate=1"}) as running:
        before, after = visit(running.address), visit(running.address)
    assert abs(held(after) - held(before)) < 64 << 10


def test_profiling_switched_off_is_told(service):
    off = {"GODEBUG": "memprofilerate=0"}
    with (
        service("subslice", env=off) as running,
        pytest.raises(FormatError, match="profiling is off"),
    ):
        visit(running.address)


def test_an_executable_that_was_deleted_is_still_described(service, doors, tmp_path: Path):
    copy = Path(shutil.copy(doors, tmp_path / "shop"))
    with service(copy, *TCP) as running:
        copy.unlink()
        process = visit(f"pid:{running.pid}").capture.process
    assert process.executable == str(copy)
    assert process.module == "memsnap.test/capture"


def test_a_tunnel_is_not_taken_for_the_service(service, doors, tmp_path):
    """A local listener that forwards, as kubectl or ssh would, is not the process behind it."""
    forwarder = tmp_path / "forward.py"
    forwarder.write_text(
        "import socket, sys, threading\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "print('listening http://127.0.0.1:%d' % listener.getsockname()[1], flush=True)\n"
        "def pump(a, b):\n"
        "    while data := a.recv(65536):\n"
        "        b.sendall(data)\n"
        "    b.shutdown(socket.SHUT_WR)\n"
        "while True:\n"
        "    near = listener.accept()[0]\n"
        "    far = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "    for pair in ((near, far), (far, near)):\n"
        "        threading.Thread(target=pump, args=pair, daemon=True).start()\n"
    )
    with service(doors, *TCP) as running:
        port = running.address.rpartition(":")[2]
        with service(shutil.which("python3"), str(forwarder), port) as tunnel:
            by_url = visit(tunnel.address).capture
            assert by_url.process.pid is None
            assert by_url.process.command == (str(doors), *TCP)
            assert by_url.service == "doors"
            assert by_url.memory is None
            by_pid = visit(f"pid:{tunnel.pid}").capture
            assert "is not that of process" in by_pid.notes[1]
