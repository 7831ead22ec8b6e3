"""Counters are read from what is counters, and from nothing else that answers 200."""

import json

import pytest

from memsnap.capture.memstats import parse_expvar, parse_metrics, parse_trailer
from memsnap.snapshot import MemStats, SizeClass

JSON = "application/json; charset=utf-8"

EXPVAR = {
    "cmdline": ["/srv/shop"],
    "memstats": {
        "Alloc": 3_000,
        "TotalAlloc": 9_000,
        "Sys": 8_000_000,
        "Lookups": 0,
        "Mallocs": 70,
        "Frees": 20,
        "HeapAlloc": 3_000,
        "HeapObjects": 50,
        "GCCPUFraction": 0.25,
        "LastGC": 1_795_385_850_510_863_081,
        "PauseNs": [0] * 256,
        "NumGC": 4,
        "NumForcedGC": 2,
        "EnableGC": True,
        "BySize": [
            {"Size": 0, "Mallocs": 0, "Frees": 0},
            {"Size": 8, "Mallocs": 5, "Frees": 1},
            {"Size": 16, "Mallocs": 9, "Frees": 9},
            {"Size": 0, "Mallocs": 0, "Frees": 0},
        ],
    },
}


def test_expvar_gives_all_counters_and_size_classes():
    assert parse_expvar(JSON, json.dumps(EXPVAR).encode()) == MemStats(
        source="expvar",
        alloc=3_000,
        total_alloc=9_000,
        sys=8_000_000,
        mallocs=70,
        frees=20,
        heap_alloc=3_000,
        heap_objects=50,
        last_gc_ns=1_795_385_850_510_863_081,
        num_gc=4,
        num_forced_gc=2,
        gc_cpu_fraction=0.25,
        by_size=(
            SizeClass(size=8, mallocs=5, frees=1),
            SizeClass(size=16, mallocs=9, frees=9),
        ),
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=utf-8", json.dumps(EXPVAR).encode()),
        ("", json.dumps(EXPVAR).encode()),
        (JSON, b""),
        (JSON, b"<html>index</html>"),
        (JSON, b"[" * 100_000),
        (JSON, b"[]"),
        (JSON, b'{"cmdline": []}'),
        (JSON, b'{"memstats": 7}'),
        (JSON, b'{"memstats": {"HeapAlloc": -1}}'),
        (JSON, b'{"memstats": {"HeapAlloc": true}}'),
        (JSON, b'{"memstats": {"HeapAlloc": "12"}}'),
        (JSON, b"\xff\xfe"),
    ],
)
def test_what_is_not_expvar_is_absent(content_type, body):
    assert parse_expvar(content_type, body) is None


@pytest.mark.parametrize("rows", [[7], [{"Size": 8}], [{"Size": 8, "Mallocs": "x", "Frees": 0}], 5])
def test_malformed_size_classes_leave_the_counters(rows):
    body = json.dumps({"memstats": {"HeapAlloc": 5, "BySize": rows}}).encode()
    assert parse_expvar(JSON, body) == MemStats(source="expvar", heap_alloc=5)


TRAILER = b"""heap profile: 1: 8 [2: 16] @ heap/1048576
1: 8 [2: 16] @ 0x1 0x2
#\t0x1\tmain.x+0x1\t/x.go:1

# runtime.MemStats
# Alloc = 3000
# TotalAlloc = 9000
# Sys = 8000000
# Lookups = 0
# Mallocs = 70
# Frees = 20
# HeapAlloc = 3000
# HeapSys = 7000000
# HeapIdle = 100
# HeapInuse = 200
# HeapReleased = 50
# HeapObjects = 50
# Stack = 11 / 12
# MSpan = 13 / 14
# MCache = 15 / 16
# BuckHashSys = 17
# GCSys = 18
# OtherSys = 19
# NextGC = 20
# LastGC = 1795385850510863081
# PauseNs = [1 2 3]
# PauseEnd = [1 2 3]
# NumGC = 4
# NumForcedGC = 2
# GCCPUFraction = 0.25
# DebugGC = false
# MaxRSS = 12345678
"""


def test_the_trailer_of_a_text_profile_gives_the_counters():
    assert parse_trailer(TRAILER) == MemStats(
        source="debug=1",
        alloc=3_000,
        total_alloc=9_000,
        sys=8_000_000,
        mallocs=70,
        frees=20,
        heap_alloc=3_000,
        heap_sys=7_000_000,
        heap_idle=100,
        heap_inuse=200,
        heap_released=50,
        heap_objects=50,
        stack_inuse=11,
        stack_sys=12,
        mspan_inuse=13,
        mspan_sys=14,
        mcache_inuse=15,
        mcache_sys=16,
        buck_hash_sys=17,
        gc_sys=18,
        other_sys=19,
        next_gc=20,
        last_gc_ns=1_795_385_850_510_863_081,
        num_gc=4,
        num_forced_gc=2,
        gc_cpu_fraction=0.25,
    )


@pytest.mark.parametrize("text", [b"", b"<html>", b"# runtime.MemStats\n# Alloc = 1\n"])
def test_a_text_without_the_trailer_gives_none(text):
    assert parse_trailer(text) is None


METRICS = """# HELP go_gc_duration_seconds A summary.
go_gc_duration_seconds{quantile="1"} 0.1
go_gc_duration_seconds_sum 0.25
go_gc_duration_seconds_count 4
go_info{version="go1.26.1"} 1
go_memstats_alloc_bytes 1.234567e+06
go_memstats_heap_alloc_bytes 1.234567e+06
go_memstats_heap_alloc_bytes{job="another"} 5
go_memstats_last_gc_time_seconds 1.5e+09 1795385850000
go_memstats_gc_cpu_fraction NaN
go_memstats_sys_bytes +Inf
go_gc_forced_count 2
go_goroutines 12
"""


def test_prometheus_metrics_give_the_counters():
    assert parse_metrics(METRICS) == MemStats(
        source="metrics",
        alloc=1_234_567,
        heap_alloc=1_234_567,
        num_gc=4,
        num_forced_gc=2,
        pause_total_ns=250_000_000,
        last_gc_ns=1_500_000_000_000_000_000,
    )


@pytest.mark.parametrize(
    "text", ["", "<html>", "up 1", "go_memstats_heap_alloc_bytes", "go_memstats_heap_alloc_bytes x"]
)
def test_other_metrics_give_none(text):
    assert parse_metrics(text) is None
