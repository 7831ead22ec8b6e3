"""Profiles and folded stacks for other tools."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pprof_oracle
import pytest
from builders.captures import AFTER, BEFORE, LEAK, READ, after, before, plain, taken
from builders.profiles import Row, Sample, as_data, build, heap
from hypothesis import given
from hypothesis import strategies as st
from services import save_heap

from memsnap.analysis.diff import diff
from memsnap.analysis.live import live
from memsnap.analysis.select import Selection
from memsnap.errors import FormatError, UsageError
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.reader import read
from memsnap.report.export import Value, diff_pprof, diff_profile, folded, live_pprof
from memsnap.storage import snapfile

SAMPLES = ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")


def test_folded_lines_run_from_the_root_to_the_leaf_and_end_in_the_value():
    profile = heap(*BEFORE)
    lines = list(folded(live(plain(profile))))

    assert lines[0] == f"main.main;main.handle;main.(*Cache).Put {profile.values[0, 3]}"
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == profile.values[:, 3].sum()


@pytest.mark.parametrize("value", Value)
def test_folded_stacks_count_what_was_asked_for(value):
    profile = heap(*BEFORE)
    column = SAMPLES.index(value.value)

    numbers = [int(line.rpartition(" ")[2]) for line in folded(live(plain(profile)), value)]

    assert numbers == sorted(profile.values[:, column].tolist(), reverse=True)


def test_stacks_without_a_value_are_left_out():
    profile = heap(Row(LEAK, 48, alloc=5, live=0), Row(READ, 64, alloc=5, live=5))

    assert [line.split(" ")[0] for line in folded(live(plain(profile)))] == [
        "main.main;main.handle;io.ReadAll"
    ]


def test_inlined_calls_are_frames_and_a_missing_stack_has_a_name():
    profile = heap(
        Row("main.inner a.go:1 | main.outer a.go:9 < main.main main.go:5", 64, 9, 9),
        Row("", 128, 1, 1),
    )

    assert [line.rpartition(" ")[0] for line in folded(live(plain(profile)))] == [
        "main.main;main.outer;main.inner",
        "[no stack]",
    ]


def test_allocations_that_the_profile_lacks_cannot_be_folded():
    values = ("objects", "count"), ("space", "bytes")
    profile = build([Sample(stack=READ, values=(3, 300))], types=values, period=1)

    with pytest.raises(UsageError, match="does not count allocations"):
        list(folded(live(plain(profile)), Value.ALLOC_SPACE))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_folded_lines_keep_their_shape_whatever_the_names_hold(names):
    profile = heap(Row("f0 x.go:1", 64, 9, 9))
    stack = " < ".join(f"f{at} x.go:1" for at in range(len(names)))
    hostile = dict(zip((f"f{at}" for at in range(len(names))), names, strict=True))
    profile = heap(Row(stack, 64, 9, 9))
    strings = tuple(hostile.get(text, text) for text in profile.strings)

    (line,) = folded(live(plain(replace(profile, strings=strings))))

    assert line.isprintable()
    stack, number = re.fullmatch(r"(.+) (\d+)", line).groups()
    assert int(number) == profile.values[0, 3]
    assert len(stack.split(";")) == len(names)
    assert all(stack.split(";"))


def test_a_capture_as_pprof_is_the_targets_own_profile_without_the_extension():
    stored = snapfile.from_bytes(snapfile.to_bytes(before()), name="a.snap")

    written = read(live_pprof(live(stored)), name="out")

    assert stored.heap.extension
    assert as_data(written) == as_data(before().heap)


def test_a_selection_as_pprof_keeps_its_samples_with_their_labels():
    selected = live(before(), Selection(package="net/http"))

    written = read(live_pprof(selected), name="out")

    assert written.values.tolist() == before().heap.values[2:].tolist()
    (row,) = live(plain(written)).rows()
    assert (row.function, row.type, row.object_bytes) == ("net/http.(*conn).serve", "[]uint8", 4096)


def test_a_diff_as_a_profile_has_signed_values_and_labels_for_what_changed():
    profile = read(diff_pprof(diff([before(), after()])), name="d")

    assert [kind.type for kind in profile.sample_types] == list(SAMPLES)
    growth = heap(*AFTER).values - heap(*BEFORE).values
    assert sorted(profile.values.tolist()) == sorted(growth[:2].tolist())
    assert (profile.values < 0).any()
    sizes = profile.labels.number[profile.labels.string < 0]
    assert sorted(sizes.tolist()) == [48, 4096]
    assert profile.duration_nanos == 38 * 10**9
    assert profile.comments == (
        "memsnap diff: b.snap less a.snap; values are differences, negative where there is less",
    )


def test_types_and_allocation_kinds_stay_with_the_rows_of_a_diff():
    grown = taken(*BEFORE[:2], replace(BEFORE[2], alloc=200, live=150), later_s=9)
    profile = diff_profile(diff([before(), grown]))

    labels = profile.labels
    texts = [profile.strings[at] for at in labels.string.tolist() if at >= 0]

    assert texts == ["[]uint8", "make"]
    assert [profile.strings[at] for at in labels.key.tolist()] == ["bytes", "type", "alloc"]


def test_only_selected_rows_of_a_diff_are_in_its_profile():
    selected = diff([before(), after()], Selection(function="ReadAll"))

    profile = diff_profile(selected)

    assert len(profile) == 1
    functions = {profile.strings[at] for at in profile.functions.name.tolist()}
    assert functions == {"io.ReadAll", "main.handle", "main.main"}


def test_allocations_are_left_out_where_they_do_not_subtract():
    profile = diff_profile(diff([after(), before()]))

    assert [kind.type for kind in profile.sample_types] == ["inuse_objects", "inuse_space"]


def test_a_diff_in_which_nothing_changed_is_an_empty_profile():
    assert len(read(diff_pprof(diff([before(), before()])), name="d")) == 0


def test_a_diff_profile_is_no_capture_and_says_so():
    with pytest.raises(FormatError, match="a difference of two"):
        heap_samples(diff_profile(diff([before(), after()])), name="d")


@pytest.mark.go
def test_gos_pprof_reads_a_diff_as_it_reads_its_own(pprof: pprof_oracle.Pprof, service, tmp_path):
    with service("map_growth", "-noise", env={"GODEBUG": "memprofilerate=4096"}) as scenario:
        scenario.step(200)
        base = save_heap(scenario, tmp_path / "a.pb.gz")
        scenario.step(2000)
        last = save_heap(scenario, tmp_path / "b.pb.gz")
    written = tmp_path / "diff.pb.gz"
    result = diff([snapfile.load(base), snapfile.load(last)])
    written.write_bytes(diff_pprof(result))

    for sample in SAMPLES:
        ours = pprof.top(written, sample_index=sample)
        gos = pprof.top(last, sample_index=sample, base=base)
        # pprof lists functions whose changes cancel only where their samples were kept.
        assert _changed(ours) == _changed(gos)
        assert len(_changed(ours)) > 5
    lines = pprof.top_lines(written)
    assert _changed(lines) == _changed(pprof.top_lines(last, base=base))


@pytest.mark.go
def test_gos_pprof_does_not_look_for_symbols_and_shows_the_labels(pprof, tmp_path):
    written = tmp_path / "diff.pb.gz"
    grown = taken(*BEFORE[:2], replace(BEFORE[2], alloc=200, live=150), later_s=9)
    written.write_bytes(diff_pprof(diff([before(), grown])))

    assert "[]uint8" in pprof.run("-tags", written)
    assert pprof.top(written, "-tagfocus=type=uint8") == pprof.top(written)
    assert "memsnap diff: a.snap less a.snap" in pprof.run("-comments", written)


def _changed(rows: dict) -> Counter:
    return Counter({name: row for name, row in rows.items() if row.flat or row.cum})


def test_a_large_diff_keeps_every_row():
    rows = [
        Row(f"main.f{at} x.go:{at} < main.main main.go:5", 64, at % 7 + 1, at % 7 + 1)
        for at in range(5000)
    ]
    bigger = [replace(row, alloc=row.alloc + 1, live=row.live + 1) for row in rows]

    profile = diff_profile(diff([taken(*rows), taken(*bigger, later_s=1)]))

    assert len(profile) == 5000
    leaves = profile.locations.line_function[profile.stack[profile.stack_start[:-1]]]
    assert len(np.unique(leaves)) == 5000
