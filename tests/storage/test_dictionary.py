"""Sites get numbers once per build, and profiles come back from them."""

from dataclasses import replace

import numpy as np
from builders.profiles import Row, Sample, as_data, build, heap

from memsnap.pprof.profile import Mapping, Profile
from memsnap.storage import columns, details, profiles, sites
from memsnap.storage.dictionary import Known, KnownBuilds, known_of, number

LEAK = Row("main.leak leak.go:12 < main.main main.go:5", size=48, alloc=9, live=7)
SERVE = Row("net/http.serve server.go:2009", size=4096, alloc=3, live=0, type="[]uint8")
INLINED = Row("a.f a.go:1 | a.g a.go:2 < main.main main.go:5", size=64, alloc=2, live=2)


def stored(*heaps: Profile) -> tuple[list[np.ndarray], list[sites.Sites]]:
    """Number the sites of profiles of one build; return them with the parts of the dictionary."""
    known, parts, numbers = Known(build_id=1), [], []
    for profile in heaps:
        numbered = number(profile, known)
        numbers.append(numbered.sites)
        if numbered.new is not None:
            parts.append(numbered.new)
            known = known.extended(numbered.new, parts=len(parts))
    return numbers, parts


def remade(profile: Profile, dictionary: sites.Sites, numbers: np.ndarray) -> Profile:
    """Return a profile as it comes back from blobs."""
    widths = sites.labelled_bytes(profile.strings, profile.labels, len(profile))
    blob = columns.encode(
        numbers,
        profile.values,
        object_bytes=widths,
        rate=profile.period,
        roles=columns.roles([kind.type for kind in profile.sample_types]),
    )
    raw = columns.decode(blob)
    header = details.Header.of(profile).fields()
    return profiles.remade(
        dictionary, raw, rate=profile.period, mappings=profile.mappings, header=header
    )


def by_sample(profile: Profile) -> list:
    """Return samples as values, stack and labels in words, sorted; addresses count."""
    strings, places = profile.strings, profile.locations

    def location(at: int) -> tuple:
        lines = range(places.line_start[at], places.line_start[at + 1])
        return (
            int(places.mapping[at]),
            int(places.address[at]),
            bool(places.is_folded[at]),
            tuple(
                (
                    *(
                        strings[getattr(profile.functions, name)[places.line_function[line]]]
                        for name in ("name", "system_name", "file")
                    ),
                    int(profile.functions.start_line[places.line_function[line]]),
                    int(places.line_number[line]),
                    int(places.line_column[line]),
                )
                for line in lines
            ),
        )

    labels = {at: [] for at in range(len(profile))}
    rows = profile.labels
    for row in range(len(rows)):
        labels[int(rows.sample[row])].append(
            (
                strings[rows.key[row]],
                strings[rows.string[row]] if rows.string[row] >= 0 else None,
                int(rows.number[row]),
                strings[rows.unit[row]],
            )
        )
    starts = profile.stack_start
    samples = [
        (
            tuple(profile.values[at].tolist()),
            tuple(location(each) for each in profile.stack[starts[at] : starts[at + 1]].tolist()),
            tuple(labels[at]),
        )
        for at in range(len(profile))
    ]
    return sorted(samples, key=repr)


def header(profile: Profile) -> dict:
    """Return all that is not a sample."""
    data = as_data(profile)
    return {
        name: data[name]
        for name in data
        if name
        not in {"values", "stack_start", "stack", "labels", "locations", "functions", "strings"}
    }


def test_a_profile_comes_back_with_the_same_samples():
    profile = heap(LEAK, SERVE, INLINED, time_nanos=5, comments=("a", "b"), doc_url="u")

    (numbers,), parts = stored(profile)
    again = remade(profile, sites.joined(parts), numbers)

    assert by_sample(again) == by_sample(profile)
    assert header(again) == header(profile)


def samples_of(profile: Profile, *rows: int) -> Profile:
    """Return a profile with these samples only, in this order; the tables stay."""
    stacks = [
        profile.stack[profile.stack_start[row] : profile.stack_start[row + 1]] for row in rows
    ]
    labels = [np.flatnonzero(profile.labels.sample == row) for row in rows]
    taken = np.concatenate([*labels, np.zeros(0, np.int64)]).astype(np.int64)
    columns = {name: getattr(profile.labels, name)[taken] for name in profile.labels.__slots__}
    columns["sample"] = np.repeat(np.arange(len(rows)), [len(each) for each in labels])
    return replace(
        profile,
        values=profile.values[list(rows)],
        stack_start=np.cumsum([0, *map(len, stacks)]),
        stack=np.concatenate(stacks),
        labels=replace(profile.labels, **columns),
    )


def test_known_sites_add_nothing():
    first = heap(LEAK, SERVE)
    then = samples_of(heap(replace(LEAK, alloc=50, live=9), SERVE), 1, 0)

    numbers, parts = stored(first, then)

    assert len(parts) == 1
    assert numbers[1].tolist() == numbers[0][::-1].tolist()


def test_new_sites_continue_the_numbers_and_reuse_what_is_known():
    everything = heap(LEAK, INLINED, SERVE)

    numbers, parts = stored(samples_of(everything, 0), samples_of(everything, 1, 0, 2))

    assert numbers[0].tolist() == [0]
    assert numbers[1].tolist() == [1, 0, 2]
    assert parts[1].first == parts[0].end
    assert "main.main" in parts[0].strings
    assert "main.main" not in parts[1].strings


def test_parts_go_into_blobs_and_come_out_as_they_were():
    _, parts = stored(heap(LEAK), heap(INLINED, LEAK, SERVE))

    whole = sites.joined([sites.decode(sites.encode(part)) for part in parts])

    assert as_data_of(whole) == as_data_of(sites.joined(parts))


def as_data_of(part: sites.Sites) -> object:
    def plain(value: object) -> object:
        if isinstance(value, np.ndarray):
            return value.tolist()
        if hasattr(value, "__slots__"):
            return {name: plain(getattr(value, name)) for name in value.__slots__}
        return value

    return plain(part)


def test_another_process_finds_what_the_first_has_stored():
    profile = heap(LEAK, SERVE, INLINED)
    (numbers,), parts = stored(profile)

    known = known_of(1, [sites.decode(sites.encode(part)) for part in parts], count=1)
    numbered = number(profile, known)

    assert numbered.new is None
    assert numbered.sites.tolist() == numbers.tolist()


def test_the_same_site_at_another_address_of_the_loader_is_one_site():
    profile = heap(LEAK, SERVE)
    moved = replace(
        profile,
        mappings=(replace(profile.mappings[0], start=0x7F0000400000, limit=0x7F0000800000),),
        locations=replace(
            profile.locations, address=profile.locations.address + np.uint64(0x7F0000000000)
        ),
    )

    numbers, parts = stored(profile, moved)
    whole = sites.joined(parts)

    assert len(parts) == 1
    assert numbers[0].tolist() == numbers[1].tolist()
    assert by_sample(remade(moved, whole, numbers[1])) == by_sample(moved)
    assert by_sample(remade(profile, whole, numbers[0])) == by_sample(profile)


def test_samples_of_one_stack_and_size_stay_apart():
    profile = heap(LEAK, replace(LEAK, alloc=5, live=1), LEAK)

    (numbers,), parts = stored(profile)

    assert numbers.tolist() == [0, 0, 0]
    assert by_sample(remade(profile, sites.joined(parts), numbers)) == by_sample(profile)


def test_stacks_that_differ_in_order_alone_are_two_sites():
    profile = build(
        [
            Sample(stack="a a:1 < b b:2", values=(1, 2, 3, 4)),
            Sample(stack="b b:2 < a a:1", values=(1, 2, 3, 4)),
            Sample(stack="b b:2 < a a:1", values=(1, 2, 3, 4), labels={"k": 1}),
            Sample(stack="b b:2 < a a:1", values=(1, 2, 3, 4), labels={"k": "1"}),
            Sample(stack="", values=(1, 2, 3, 4)),
        ]
    )

    (numbers,), parts = stored(profile)

    assert numbers.tolist() == [0, 1, 2, 3, 4]
    assert by_sample(remade(profile, sites.joined(parts), numbers)) == by_sample(profile)


def test_hostile_texts_and_numbers_come_back():
    profile = build(
        [
            Sample(
                stack="f\0\n🐹 \x7f.go:-5",
                values=(-1, 2**63 - 1, -(2**63), 0),
                labels={"bytes": -7, "": "", "k\0": "\ud800"},
            ),
            Sample(stack="", values=(0, 0, 0, 0), labels={"bytes": 2**63 - 1}),
        ],
        mapping=Mapping(start=2**64 - 1, limit=0, offset=2**64 - 4096, file="\ud800"),
        units={"bytes": "nanoparsecs"},
    )

    (numbers,), parts = stored(profile)
    whole = sites.joined([sites.decode(sites.encode(part)) for part in parts])

    assert by_sample(remade(profile, whole, numbers)) == by_sample(profile)


def test_an_empty_profile_comes_back():
    profile = heap()

    (numbers,), parts = stored(profile)

    assert by_sample(remade(profile, sites.joined(parts), numbers)) == []


def test_only_what_samples_lead_to_is_stored():
    _, (part,) = stored(samples_of(heap(LEAK, SERVE), 0))

    assert "net/http.serve" not in part.strings
    assert len(part.locations) == 2


def test_builds_are_forgotten_where_there_is_no_room():
    cache = KnownBuilds(most_bytes=1000)
    for name in (b"a", b"b", b"c"):
        cache.put(name, Known(build_id=1, end=(10, 10, 10, 10)))
    _, (part,) = stored(heap(LEAK))

    assert [name for name in (b"a", b"b", b"c") if cache.get(name)] == [b"c"]
    cache.forget(b"c")
    cache.put(b"d", Known(build_id=2).extended(part, parts=1))
    assert cache.get(b"d") is not None
