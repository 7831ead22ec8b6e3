"""Rows of different profiles meet by what they say, not by how they are written."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import slow_twin
from builders.profiles import MAIN, Row, Sample, build, heap, scaled
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_twin import Key, Sums

from memsnap.analysis.align import Alignment, align
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Profile

FRAMES = [f"main.{name} {name[0]}.go:{line}" for name in ("a", "b", "gone") for line in (3, 70_000)]
COLUMNS = ("alloc_objects", "alloc_bytes", "live_objects", "live_bytes", "alloc_raw", "live_raw")


def aligned(*profiles: Profile, lines: bool = True) -> Alignment:
    return align([(p, heap_samples(p, name="p")) for p in profiles], lines=lines)


def rows_of(alignment: Alignment, at: int) -> dict[Key, Sums]:
    """Return what an alignment says of one of its profiles, as the slow twin says it."""
    strings, frames = alignment.frames.strings, alignment.frames
    columns = {
        name: alignment.sums(at, getattr(alignment.profiles[at].samples, name)) for name in COLUMNS
    }
    present = set(alignment.profiles[at].row.tolist())
    table = {}
    for row in range(len(alignment)):
        if row not in present:
            continue
        stack = tuple(
            (strings[frames.function[f]], strings[frames.file[f]], int(frames.line[f]))
            for f in alignment.stack(row).tolist()
        )
        kind = tuple(
            strings[column[row]] if column[row] >= 0 else ""
            for column in (alignment.type, alignment.alloc)
        )
        key = (stack, int(alignment.object_bytes[row]), *kind)
        assert key not in table, "two rows are the same"
        table[key] = Sums(**{name: int(column[row]) for name, column in columns.items()})
    return table


@st.composite
def buckets(draw: st.DrawFn, *, types: Sequence[str] = ("",)) -> Profile:
    """Return a profile in which stacks, sizes and samples repeat, in an order of its own."""
    samples = []
    for _ in range(draw(st.integers(0, 8))):
        stack = draw(st.lists(st.sampled_from(FRAMES), max_size=5))
        joints = draw(
            st.lists(st.sampled_from([" < ", " | "]), min_size=len(stack), max_size=len(stack))
        )
        text = "".join(part for pair in zip(stack, joints, strict=True) for part in pair)[:-3]
        size = draw(st.sampled_from([16, 4096, 1 << 20]))
        live = draw(st.integers(0, 50))
        alloc = live + draw(st.integers(0, 50))
        kind = draw(st.sampled_from(list(types)))
        labels = {"bytes": size} | ({"type": kind, "alloc": "new"} if kind else {})
        values = (*scaled(alloc, size, 524288), *scaled(live, size, 524288))
        samples.append(Sample(stack=text, values=values, labels=labels))
    draw(st.randoms()).shuffle(samples)
    profile = build(samples)
    return slow_twin.without_symbols(profile, "main.gone") if draw(st.booleans()) else profile


@settings(max_examples=250)
@given(profiles=st.lists(buckets(), min_size=1, max_size=3))
def test_rows_and_sums_are_those_of_the_slow_twin(profiles: list[Profile]) -> None:
    alignment = aligned(*profiles)

    for at, profile in enumerate(profiles):
        assert rows_of(alignment, at) == slow_twin.rows(profile, typed=False)


@settings(max_examples=150)
@given(profiles=st.lists(buckets(types=["main.T", "[]uint8"]), min_size=1, max_size=3))
def test_typed_rows_and_sums_are_those_of_the_slow_twin(profiles: list[Profile]) -> None:
    filled = [profile for profile in profiles if len(profile)]
    alignment = aligned(*filled) if filled else None

    for at, profile in enumerate(filled):
        assert alignment
        assert rows_of(alignment, at) == slow_twin.rows(profile, typed=True)


@settings(max_examples=100)
@given(profile=buckets(), chance=st.randoms(use_true_random=False))
def test_the_ids_of_locations_and_functions_do_not_matter(
    profile: Profile, chance: random.Random
) -> None:
    alignment = aligned(profile, _renumbered(profile, chance))

    assert rows_of(alignment, 0) == rows_of(alignment, 1)


def _renumbered(profile: Profile, chance: random.Random) -> Profile:
    """Return the same profile with locations and functions in another order."""
    places = list(range(len(profile.locations)))
    chance.shuffle(places)
    new = np.empty(len(places), dtype=np.int32)
    new[places] = np.arange(len(places))
    old, functions = profile.locations, profile.functions
    turned = np.arange(len(functions))[::-1]
    spans = [range(*old.line_start[place : place + 2].tolist()) for place in places]
    lines = np.array([at for span in spans for at in span], dtype=np.int64)
    locations = replace(
        old,
        mapping=old.mapping[places],
        address=old.address[places],
        line_start=np.cumsum([0, *map(len, spans)], dtype=np.int64),
        line_function=turned[old.line_function[lines]].astype(np.int32),
        line_number=old.line_number[lines],
        line_column=old.line_column[lines],
    )
    return replace(
        profile,
        stack=new[profile.stack],
        locations=locations,
        functions=replace(
            functions,
            name=functions.name[::-1],
            system_name=functions.system_name[::-1],
            file=functions.file[::-1],
            start_line=functions.start_line[::-1],
        ),
    )


def test_inlined_calls_in_one_location_or_in_several_are_the_same_stack() -> None:
    inlined = heap(Row("main.a a.go:1 | main.b b.go:2 < main.c c.go:3", size=16, alloc=2, live=2))
    apart = heap(Row("main.a a.go:1 < main.b b.go:2 | main.c c.go:3", size=16, alloc=2, live=2))

    assert len(aligned(inlined, apart)) == 1


def test_stacks_that_differ_in_order_depth_or_line_stay_apart() -> None:
    stacks = [
        "main.a a.go:1 < main.b b.go:2",
        "main.b b.go:2 < main.a a.go:1",
        "main.a a.go:1",
        "main.a a.go:1 < main.a a.go:1",
        "main.a a.go:2 < main.b b.go:2",
        "main.a other.go:1 < main.b b.go:2",
        "",
    ]
    one = heap(*(Row(stack, size=16, alloc=1, live=1) for stack in stacks))

    assert len(aligned(one, one)) == len(stacks)


def test_sizes_stay_apart() -> None:
    one = heap(Row("main.a a.go:1", size=16, alloc=1, live=1))
    other = heap(Row("main.a a.go:1", size=32, alloc=1, live=1))

    assert len(aligned(one, other)) == 2


def test_types_tell_rows_apart_only_where_all_profiles_know_them() -> None:
    typed = heap(
        Row("main.a a.go:1", size=16, alloc=1, live=1, type="main.T"),
        Row("main.a a.go:1", size=16, alloc=1, live=1, type="main.U"),
    )
    plain = heap(Row("main.a a.go:1", size=16, alloc=2, live=2))

    assert len(aligned(typed, typed)) == 2
    assert len(aligned(plain, typed)) == 1


def test_a_row_that_unites_two_types_has_none() -> None:
    typed = heap(
        Row("main.a a.go:1", size=16, alloc=1, live=1, type="main.T"),
        Row("main.a a.go:1", size=16, alloc=1, live=1, type="main.U"),
        Row("main.b b.go:1", size=16, alloc=1, live=1, type="main.T", kind="new"),
    )
    plain = heap(
        Row("main.a a.go:1", size=16, alloc=2, live=2),
        Row("main.b b.go:1", size=16, alloc=1, live=1),
    )
    for pair in ((typed, plain), (plain, typed)):
        alignment = aligned(*pair)
        texts = [alignment.frames.strings[at] if at >= 0 else "" for at in alignment.type.tolist()]

        assert sorted(texts) == ["", "main.T"]


def test_two_builds_meet_by_function_alone() -> None:
    old = heap(Row("lib.f /mod/lib@v1.0/f.go:10 < main.b b.go:2", size=16, alloc=3, live=3))
    new = heap(Row("lib.f /mod/lib@v1.1/f.go:12 < main.b b.go:9", size=16, alloc=4, live=4))

    assert len(aligned(old, new)) == 2
    assert len(aligned(old, new, lines=False)) == 1


def test_places_without_symbols_are_told_apart_by_address_and_file() -> None:
    one = build(
        [
            Sample(stack="main.gone x.go:1", values=(1, 16, 1, 16), labels={"bytes": 16}),
            Sample(stack="main.gone x.go:2", values=(1, 16, 1, 16), labels={"bytes": 16}),
        ],
        period=1,
    )
    bare = slow_twin.without_symbols(one, "main.gone")
    other_file = replace(bare, mappings=(replace(MAIN, file="/srv/other"),))

    assert len(aligned(bare, bare)) == 2
    assert len(aligned(bare, other_file)) == 4


def test_a_stack_deeper_than_any_real_one_still_aligns() -> None:
    deep = " < ".join(["main.a a.go:1", "main.b b.go:2"] * 300)
    shifted = " < ".join(["main.b b.go:2", "main.a a.go:1"] * 300)
    one = heap(
        Row(deep, size=16, alloc=1, live=1),
        Row(shifted, size=16, alloc=1, live=1),
    )

    assert len(aligned(one, one)) == 2


def test_profiles_without_samples_align_to_nothing() -> None:
    assert len(aligned(heap(), heap())) == 0
