"""Profiles of a real Go program: text and proto of one state, the twin, and Go's own pprof."""

import itertools
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from builders.profiles import as_data
from builders.slow_decoder import resolved, slow_decode

from memsnap.pprof.decode import decode
from memsnap.pprof.encode import compress, encode
from memsnap.pprof.envelope import unwrap
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.legacy import mem_stats_trailer
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read

pytestmark = pytest.mark.go

# Writes both forms of one state: nothing else allocates, and no GC ends in between.
PROGRAM = """package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
)

type node struct {
	next *node
	data [6]int64
}

var (
	list    *node
	table   = map[string][]byte{}
	buffers [][]byte
)

//go:noinline
func grow(depth int) {
	if depth > 0 {
		grow(depth - 1)
		return
	}
	for i := 0; i < 2000; i++ {
		push()
	}
}

func push() { list = &node{next: list} }

func fill[T any](n int) []T { return make([]T, n) }

func write(file string, form int) {
	out, err := os.Create(file)
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(out, form); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
}

func main() {
	for i := 0; i < 40; i++ {
		grow(i)
		table[strings.Repeat("k", i+1)] = fill[byte](i * 1000)
		buffers = append(buffers, fill[byte](1<<i%22))
	}
	buffers = buffers[:len(buffers)/2]
	debug.SetGCPercent(-1)
	runtime.GC()
	write(os.Args[1], 1)
	write(os.Args[2], 0)
	runtime.KeepAlive(list)
}
"""


@dataclass(frozen=True)
class Heap:
    """One state of the program, in both forms."""

    text: bytes
    proto: bytes
    file: Path


@pytest.fixture(scope="module", params=["", "memprofilerate=1", "memprofilerate=4096"])
def heap(request, go, tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    (folder / "go.mod").write_text("module example.org/heap\n\ngo 1.21\n")
    (folder / "main.go").write_text(PROGRAM)
    go.run("build", "-o", "heap", ".", cwd=folder)
    text, proto = folder / "heap.txt", folder / "heap.pb.gz"
    environment = {**os.environ, "GODEBUG": request.param}
    subprocess.run([folder / "heap", text, proto], env=environment, check=True, timeout=60)
    return Heap(text=text.read_bytes(), proto=proto.read_bytes(), file=proto)


def stacks(profile: Profile) -> list[tuple]:
    """The stack of every sample as (function, file, line), inlined calls written out.

    Type arguments are cut to `[...]`, as in the text: the proto has their shapes.
    """
    places, functions = profile.locations, profile.functions
    rows = zip(places.line_function.tolist(), places.line_number.tolist(), strict=True)
    lines = [
        (
            re.sub(r"\[.*\]", "[...]", profile.strings[functions.name[row]]),
            profile.strings[functions.file[row]],
            number,
        )
        for row, number in rows
    ]
    frames = [lines[low:high] for low, high in itertools.pairwise(places.line_start.tolist())]
    return [
        tuple(line for place in profile.stack[low:high].tolist() for line in frames[place])
        for low, high in itertools.pairwise(profile.stack_start.tolist())
    ]


def counts(profile: Profile) -> Counter:
    """The numbers of sampled objects by stack and size."""
    samples = heap_samples(profile, name="heap")
    assert samples.exact.all()
    total = Counter()
    rows = zip(
        stacks(profile),
        samples.object_bytes.tolist(),
        samples.alloc_raw.tolist(),
        samples.live_raw.tolist(),
        strict=True,
    )
    for stack, size, alloc, live in rows:
        total[stack, size, "alloc"] += alloc
        total[stack, size, "live"] += live
    return total


def is_of_program(key: tuple) -> bool:
    """Whether a bucket is the program's own: writing a profile allocates, too."""
    functions = [function for function, _, _ in key[0]]
    return "main.write" not in functions and any(name.startswith("main.") for name in functions)


def test_text_and_proto_give_the_same_counts_on_the_same_stacks(heap):
    text = counts(read(heap.text, name="text"))
    proto = counts(read(heap.proto, name="proto"))

    own = {key: count for key, count in text.items() if is_of_program(key)}

    assert own == {key: count for key, count in proto.items() if is_of_program(key)}
    assert sum(count for key, count in own.items() if key[2] == "live") > 5


def test_live_values_of_text_and_proto_add_up_to_the_same(heap):
    # With the GC off and a profile as of the last GC, only later allocations could differ.
    text = read(heap.text, name="text")
    proto = read(heap.proto, name="proto")

    for profile in (text, proto):
        assert [kind.type for kind in profile.sample_types][2:] == ["inuse_objects", "inuse_space"]
    assert text.values[:, 2:].sum(axis=0).tolist() == proto.values[:, 2:].sum(axis=0).tolist()
    assert text.period == proto.period


def test_raw_counts_of_the_text_are_the_ones_it_prints(heap):
    profile = read(heap.text, name="text")
    header = heap.text.split(b"\n", 1)[0].split()

    samples = heap_samples(profile, name="text")

    assert int(samples.live_raw.sum()) == int(header[2].rstrip(b":"))
    assert int((samples.live_raw * samples.object_bytes).sum()) == int(header[3])


def test_the_trailer_has_the_memstats(heap):
    stats = mem_stats_trailer(heap.text)

    assert stats["NumForcedGC"] == 1
    assert stats["HeapInuse"] >= stats["HeapAlloc"] > 100_000
    assert stats["StackSys"] >= stats["StackInuse"] > 0
    assert {"Alloc", "Mallocs", "Frees", "BuckHashSys", "LastGC", "NextGC"} <= stats.keys()


def test_the_fast_decoder_reads_what_the_slow_twin_reads(heap):
    data = unwrap(heap.proto, name="proto", max_bytes=1 << 30)

    assert resolved(decode(data, name="proto")) == slow_decode(data)


def test_written_again_it_is_the_same_to_us_and_to_gos_pprof(heap, pprof, tmp_path):
    profile = read(heap.proto, name="proto")
    again = tmp_path / "again.pb.gz"
    again.write_bytes(compress(encode(profile)))

    assert as_data(read(again.read_bytes(), name="again")) == as_data(profile)
    for column in ("alloc_objects", "inuse_space"):
        assert pprof.top(again, sample_index=column) == pprof.top(heap.file, sample_index=column)


def test_text_values_are_those_that_gos_pprof_computes(heap, pprof, tmp_path):
    file = tmp_path / "heap.txt"
    file.write_bytes(heap.text)
    profile = read(heap.text, name="text")

    for place, kind in enumerate(profile.sample_types):
        rows = pprof.top(file, "-addresses", sample_index=kind.type)
        assert sum(row.flat for row in rows.values()) == int(np.sum(profile.values[:, place]))
