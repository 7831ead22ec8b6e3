"""Text heap profiles of C++ and Go, read as google/pprof reads them."""

import contextlib
import itertools

import pytest
from builders.profiles import scaled
from hypothesis import given
from hypothesis import strategies as st

from memsnap.errors import FormatError
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.legacy import mem_stats_trailer, parse_heap_text

GO_TEXT = b"""heap profile: 8: 432 [12: 624] @ heap/1048576
7: 336 [9: 432] @ 0x401001 0x46f5a5 0x402001
#\t0x46f5a4\tmain.inner+0x24\t\t/src/my app/main.go:12
#\t0x46f5a4\tmain.(*T[...]).outer+0x24\t/src/my app/main.go:20
#\t0x402000\tmain.main+0x90\t\t\t/src/my app/main.go:30

1: 96 [3: 192] @ 0x401001 0x46f5a5
#\t0x46f5a4\tmain.inner+0x24\t\t/src/my app/main.go:12
#\t0x555555


# runtime.MemStats
# Alloc = 4242
# TotalAlloc = 99999999999
# Stack = 100 / 200
# MSpan = 300 / 400
# MCache = 500 / 600
# PauseNs = [1 2 3 0 0]
# PauseEnd = [4 5 6 0 0]
# NumGC = 7
# NumForcedGC = 2
# GCCPUFraction = 1.25e-05
# DebugGC = false
# MaxRSS = 12345678
"""
GO_TEXT = GO_TEXT.replace(b"1: 96 [3: 192]", b"1: 64 [3: 192]").replace(b"8: 432", b"8: 400")

CPP_TEXT = b"""heap profile: 3: 300 [9: 700] @ heap_v2/524288
2: 200 [5: 500] @ 0x400101 0x7f0000000201
1: 100 [4: 200] @ 0x400101

MAPPED_LIBRARIES:
build=/opt/app
7f0000000000-7f0000001000 r-xp 00002000 fd:01 917 /lib/libc.so.6
00400000-00500000 r-xp 00000000 fd:01 918 $build/server
00500000-00600000 rw-p 00100000 fd:01 918 $build/server
40000000-40001000: $build/plugin (@1f00) abc123
"""


def refused(text):
    with pytest.raises(FormatError) as caught:
        parse_heap_text(text, name="heap.txt")
    assert "heap.txt" in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def frames(profile):
    """Stacks as (function, file, line), or the address where there is no name."""
    places, functions = profile.locations, profile.functions
    names = []
    for row, address in enumerate(places.address.tolist()):
        lines = range(places.line_start[row], places.line_start[row + 1])
        named = [
            (
                profile.strings[functions.name[places.line_function[line]]],
                profile.strings[functions.file[places.line_function[line]]],
                int(places.line_number[line]),
            )
            for line in lines
        ]
        names.append(named or [hex(address)])
    bounds = profile.stack_start.tolist()
    return [
        [name for place in profile.stack[low:high].tolist() for name in names[place]]
        for low, high in itertools.pairwise(bounds)
    ]


def test_gos_stacks_are_those_of_its_comment_lines():
    profile = parse_heap_text(GO_TEXT, name="a")

    inner = ("main.inner", "/src/my app/main.go", 12)
    outer = ("main.(*T[...]).outer", "/src/my app/main.go", 20)
    assert frames(profile) == [
        [inner, outer, ("main.main", "/src/my app/main.go", 30)],
        [inner, "0x555555"],
    ]
    assert profile.locations.address.tolist() == [0x46F5A4, 0x46F5A4, 0x402000, 0x555555]


def test_gos_counts_are_raw_and_become_the_estimates_of_the_proto():
    profile = parse_heap_text(GO_TEXT, name="a")

    assert profile.period == 524288
    assert [kind.type for kind in profile.sample_types] == [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ]
    assert profile.values.tolist() == [
        [*scaled(9, 48, 524288), *scaled(7, 48, 524288)],
        [*scaled(3, 64, 524288), *scaled(1, 64, 524288)],
    ]
    samples = heap_samples(profile, name="a")
    assert samples.object_bytes.tolist() == [48, 64]
    assert samples.alloc_raw.tolist() == [9, 3]
    assert samples.live_raw.tolist() == [7, 1]
    assert samples.exact.all()


def test_gos_memstats_are_read_from_the_trailer():
    assert mem_stats_trailer(GO_TEXT) == {
        "Alloc": 4242,
        "TotalAlloc": 99999999999,
        "StackInuse": 100,
        "StackSys": 200,
        "MSpanInuse": 300,
        "MSpanSys": 400,
        "MCacheInuse": 500,
        "MCacheSys": 600,
        "NumGC": 7,
        "NumForcedGC": 2,
        "GCCPUFraction": 1.25e-05,
        "MaxRSS": 12345678,
    }


def test_without_a_trailer_there_are_no_memstats():
    assert mem_stats_trailer(CPP_TEXT) == {}


def test_stacks_without_comment_lines_are_addresses_within_the_calls():
    profile = parse_heap_text(CPP_TEXT, name="a")

    assert frames(profile) == [["0x400100", "0x7f0000000200"], ["0x400100"]]
    assert len(profile.functions) == 0


def test_executable_mappings_are_read_the_program_first():
    profile = parse_heap_text(CPP_TEXT, name="a")

    assert [(m.file, m.start, m.limit, m.offset, m.build_id) for m in profile.mappings] == [
        ("/opt/app/server", 0x400000, 0x500000, 0, ""),
        ("/opt/app/plugin", 0x40000000, 0x40001000, 0x1F00, "abc123"),
        ("/lib/libc.so.6", 0x7F0000000000, 0x7F0000001000, 0x2000, ""),
    ]
    assert profile.locations.mapping.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("header", "period", "is_scaled"),
    [
        (b"heap/1048576", 524288, True),
        (b"heap/0", 0, False),
        (b"heap/2", 1, False),
        (b"heap_v2/524288", 524288, True),
        (b"heapz_v2/4096", 4096, True),
        (b"heapprofile", 1, False),
    ],
)
def test_the_header_says_the_rate_and_whether_counts_are_samples(header, period, is_scaled):
    text = b"heap profile: 2: 96 [5: 240] @ " + header + b"\n2: 96 [5: 240] @ 0x1001\n"

    profile = parse_heap_text(text, name="a")

    assert profile.period == period
    rate = period if is_scaled else 1
    assert profile.values.tolist() == [[*scaled(5, 48, rate), *scaled(2, 48, rate)]]


@pytest.mark.parametrize("header", [b"growth", b"growthz", b"fragmentationz", b"heapprofile"])
def test_equal_columns_are_one_pair(header):
    text = b"heap profile: 2: 96 [2: 96] @ " + header + b"\n2: 96 [2: 96] @ 0x1001\n"

    profile = parse_heap_text(text, name="a")

    assert [kind.type for kind in profile.sample_types] == ["objects", "space"]
    assert profile.values.tolist() == [[2, 96]]
    assert profile.period == 1


def test_a_profile_of_no_samples_is_read():
    profile = parse_heap_text(b"heap profile: 0: 0 [0: 0] @ heap/1048576\n", name="a")

    assert profile.values.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"heap profile: x\n", "first line is malformed"),
        (b"heap profile: 0: 0 [0: 0] @ heap_v9/1\n", "unknown kind 'heap_v9'"),
        (b"heap profile: 0: 0 [0: 0] @ heap_v2/99999999999999999999\n", "impossible sampling rate"),
        (b"heap profile: 0: 0 [0: 0] @ heap/2", "ends before its end"),
        (b"heap profile: 1: 1 [1: 1] @ heap/2\n", "ends before its end"),
        (b"heap profile: 1: 1 [1: 1] @ heap/2\n1: 1 [1: 1] 0x1\n", "line 2: it is not a sample"),
        (b"heap profile: 1: 1 [1: 1] @ heap/2\n1: 1 [1: 1] @ 0xg\n", "line 2: it is not a sample"),
        (b"heap profile: 1: 1 [1: 1] @ heap/2\n1: 1 [1: 1] @ 0x11111111111111111\n", "line 2"),
        (b"heap profile: 1: 1 [1: 1] @ heap/2\n0: 9 [1: 1] @ 0x1\n", "9 bytes in no objects"),
        (b"heap profile: 1: 1 [2: 1] @ heap/9\n1: -9 [1: 1] @ 0x1\n", "opposite signs"),
        (b"heap profile: 1: 1 [1: 1] @ heap/9\n9999999999999999999: 1 [1: 1] @\n", "too large"),
        (
            b"heap profile: 1: 1 [1: 1] @ heap_v2/9223372036854775807\n1000000000000: 1 [0: 0] @\n",
            "too small",
        ),
        (b"heap profile: 1: 1 [1: 1] @ heap/9\n#\t0x1\tf+0x1\tf.go:1\n", "before the first sample"),
        (b"heap profile: 1: 1 [1: 1] @ heap/9\n1: 1 [1: 1] @\n#\t0x1 f\n", "line 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_texts_are_refused_with_the_line(text, reason):
    assert reason in refused(text)


def test_go_text_cut_anywhere_before_the_end_of_its_trailer_is_refused():
    whole = GO_TEXT.index(b"# MaxRSS")
    for size in range(len(b"heap profile:"), whole):
        refused(GO_TEXT[:size])
    parse_heap_text(GO_TEXT[:whole], name="a")


def test_cpp_text_cut_within_a_line_or_before_its_map_is_refused():
    for size in range(len(b"heap profile:"), CPP_TEXT.index(b"MAPPED") + 18):
        if size != CPP_TEXT.index(b"\nMAPPED") + 1 and size != CPP_TEXT.index(b"\nMAPPED"):
            refused(CPP_TEXT[:size])


@given(st.sampled_from([GO_TEXT, CPP_TEXT]), st.data())
def test_flipped_bytes_never_crash(text, data):
    content = bytearray(text)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(13, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        parse_heap_text(bytes(content), name="a")
    mem_stats_trailer(bytes(content))


def test_names_that_stand_for_names_stay_small():
    definitions = b"".join(b"a%d=$a%d$a%d$a%d\n" % (n, n - 1, n - 1, n - 1) for n in range(1, 60))
    text = b"heap profile: 0: 0 [0: 0] @ heap/2\nMAPPED_LIBRARIES:\na0=" + b"x" * 900 + b"\n"

    profile = parse_heap_text(text + definitions + b"1000-2000: $a59$a59\n", name="a")

    assert len(profile.mappings[0].file) < 10_000


@pytest.mark.go
@pytest.mark.parametrize("text", [CPP_TEXT, CPP_TEXT.replace(b"heap_v2/524288", b"heapprofile")])
def test_gos_pprof_reads_the_same_numbers(pprof, tmp_path, text):
    file = tmp_path / "heap.txt"
    file.write_bytes(text)
    profile = parse_heap_text(text, name="a")

    for place, kind in enumerate(profile.sample_types):
        top = pprof.top(file, "-addresses", sample_index=kind.type)
        assert sum(row.flat for row in top.values()) == profile.values[:, place].sum()
        assert max(row.cum for row in top.values()) == profile.values[:, place].sum()
