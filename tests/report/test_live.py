"""What `show` and `top` print of one capture."""

from dataclasses import replace

import pytest
from builders.captures import BEFORE, CAPTURE, before, plain, taken
from builders.profiles import Row, heap

from memsnap.analysis.live import LiveSort, live
from memsnap.analysis.select import Selection
from memsnap.analysis.table import By
from memsnap.report.ink import Ink
from memsnap.report.live import render_show, render_top, show_document, top_document
from memsnap.snapshot import Capture, GcProof, ProcessMemory, Snapshot

SHOWN = """\
shop v1.2.0, go1.27.3, pid 4711, build c0ffee012345
a.snap  2026-11-22 14:03:07Z  behind GC 12  38 goroutines
GC proven: NumGC 11 -> 12 around the heap request
! The environment could not be read.

Live heap    61.0 MB  exact
In profile   61.1 MB  51.2…73.8 MB at 95 %, from 122 samples, one every 512 kB
RSS           100 MB  resident, says the OS
PSS          99.0 MB  resident, shared pages counted in part
cgroup        120 MB  of 512 MB allowed, page cache included

Memory of the process
     size  part           meaning
  61.0 MB  live heap      HeapAlloc behind the GC of the capture
  3.00 MB  fragmentation  HeapInuse - HeapAlloc: free slots in used spans
  4.00 MB  idle heap      HeapIdle - HeapReleased: kept for reuse
  1.00 MB  stacks         StackSys
  2.00 MB  profiler       BuckHashSys: the profiler's own buckets, never freed
  15.0 MB  runtime        GC metadata, spans, caches
  86.0 MB  held by Go     Sys - HeapReleased
  14.0 MB  not Go's       RSS less that: the executable, C libraries, mapped files

Largest of 3 sites
     live  95 % interval  share  objects  size  type     site
  35.0 MB   27.5…44.5 MB  57.3%  764,621  48 B  ?        main.(*Cache).Put cache.go:31
  25.1 MB   18.8…33.3 MB  41.1%    6,425  4 kB  []uint8  http.(*conn).serve server.go:2009
  1.00 MB   0.12…3.63 MB   1.6%      257  4 kB  ?        main.handle main.go:14 ← io.ReadAll

Next
  memsnap top a.snap --by function
  memsnap diff a.snap LATER.snap
  go tool pprof -top a.snap"""


def shown(snapshot: Snapshot, *, is_file: bool = True) -> str:
    return render_show(live(snapshot), limit=10, is_file=is_file, ink=Ink(width=100))


def test_show_says_whose_capture_it_is_what_memory_it_has_and_what_is_live():
    assert shown(before()) == SHOWN


def test_a_capture_without_a_proven_gc_is_doubted_aloud():
    reason = "no GC was asked for"
    unproven = GcProof(forced=False, proven=False, reason=reason)
    text = shown(taken(*BEFORE, capture=replace(CAPTURE, gc=unproven)))

    assert f"! GC not proven ({reason}): garbage may count as live." in text
    assert "Live heap    61.0 MB  exact, garbage included" in text


def test_a_plain_profile_shows_what_it_has_and_no_more():
    text = shown(plain(heap(*BEFORE)))

    assert text.startswith("heap profile\nheap.pb.gz\n! a plain profile does not tell")
    assert "Live heap" not in text
    assert "Memory of the process" not in text
    assert "In profile   61.1 MB" in text


def test_an_empty_profile_is_said_to_hold_nothing():
    assert "The profile holds no samples." in shown(plain(heap()))


def test_a_profile_that_contradicts_the_runtime_is_doubted():
    stats = replace(CAPTURE.mem_stats, heap_alloc=10 << 20)

    text = shown(taken(*BEFORE, capture=replace(CAPTURE, mem_stats=stats)))

    assert "but the runtime counts 10.0 MB: read the sites as" in text


def test_memory_that_was_never_touched_is_no_negative_rest():
    small = ProcessMemory(rss=80 << 20, swap=1 << 20, cgroup_current=90 << 20)

    text = shown(taken(*BEFORE, capture=replace(CAPTURE, memory=small)))

    assert "6.00 MB  never touched  held by Go less RSS: costs nothing" in text
    assert "Swap         1.00 MB  swapped out" in text
    assert "cgroup       90.0 MB  without a limit, page cache included" in text


def test_a_live_target_is_offered_a_capture_and_not_a_file():
    text = shown(replace(before(), name="pid:4711"), is_file=False)

    assert text.endswith(
        "memsnap capture pid:4711 -o before.snap\n  memsnap diff before.snap pid:4711"
    )
    assert "go tool pprof" not in text


def test_names_cannot_drive_the_terminal():
    hostile = "main.\x1b[31mred"
    text = shown(taken(Row(f"{hostile} x.go:1", 64, 900, 900)))

    assert "\x1b" not in text
    assert "main.�[31mred" in text


def test_the_command_line_which_may_hold_a_password_is_not_shown():
    assert "hunter2" not in shown(before())
    assert "hunter2" not in str(show_document(live(before()), limit=10))


def test_top_by_function_speaks_of_flat_and_cum_as_pprof_does():
    text = render_top(
        live(before()), by=By.FUNCTION, sort=LiveSort.CUM, limit=1, ink=Ink(width=120)
    )

    heading, head, row = text.splitlines()
    assert heading == "Live by function  1 of 3 rows, 61.1 MB in all"
    assert head.split() == [
        *("flat", "95", "%", "interval", "share", "cum", "objects", "allocated", "function"),
    ]
    assert row.split()[0] == "35.0"
    assert row.endswith("main.(*Cache).Put")


@pytest.mark.parametrize(
    ("by", "last"),
    [
        (By.LINE, "main.handle main.go:14 ← io.ReadAll"),
        (By.PACKAGE, "io"),
        (By.TYPE, "[]uint8"),
        (By.SIZE, "4 kB"),
    ],
)
def test_top_names_rows_by_what_they_stand_for(by, last):
    text = render_top(live(before()), by=by, sort=LiveSort.ALLOCATED, limit=9, ink=Ink(width=140))

    assert any(line.endswith(f"  {last}") for line in text.splitlines())


def test_the_document_of_a_capture_has_the_exact_heap_beside_the_estimate():
    document = show_document(live(before()), limit=2)

    assert document["schema"] == "memsnap.show/1"
    assert document["capture"]["pid"] == 4711
    assert document["heap"] | {"low_bytes": 0, "high_bytes": 0} == {
        "heap_alloc_bytes": 61 << 20,
        "estimate_bytes": int(before().heap.values[:, 3].sum()),
        "low_bytes": 0,
        "high_bytes": 0,
        "agrees": True,
        "samples": 122,
        "site_count": 3,
    }
    assert [site["function"] for site in document["sites"]] == [
        "main.(*Cache).Put",
        "net/http.(*conn).serve",
    ]


def test_the_document_of_a_table_has_rows_and_their_total():
    document = top_document(live(before(), Selection(function="ReadAll")))

    assert document["schema"] == "memsnap.top/1"
    assert document["selection"]["function"] == "ReadAll"
    (row,) = document["rows"]
    objects, size = before().heap.values[1, 2:].tolist()
    assert row["live"] | {"low_objects": 0, "high_objects": 0, "low_bytes": 0, "high_bytes": 0} == {
        "objects": objects,
        "bytes": size,
        "low_objects": 0,
        "high_objects": 0,
        "low_bytes": 0,
        "high_bytes": 0,
    }
    assert row["live"]["low_bytes"] < size < row["live"]["high_bytes"]
    assert row["type"] is None
    assert row["stack"][0] == {"function": "io.ReadAll", "file": "io.go", "line": 704}
    assert document["total"] == {key: row[key] for key in ("live", "allocated", "samples")}


def test_the_document_of_an_empty_profile_has_no_rows():
    document = top_document(live(plain(heap())))

    assert (document["total"], document["rows"]) == (None, [])
    assert show_document(live(plain(heap())), limit=1)["capture"]["pid"] == Capture().process.pid
