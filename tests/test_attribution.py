"""Types become labels of a heap profile, from the very executable that ran and no other."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toolchains
import typed_services
from builders import profiles
from builders.captures import plain

from memsnap.attribution import NO_TYPES, Attributor
from memsnap.errors import FormatError
from memsnap.gobin.executable import Executable
from memsnap.gobin.pclntab import Pclntab
from memsnap.gobin.sites import Resolver
from memsnap.pprof.heap import string_label
from memsnap.pprof.profile import Labels, Mapping, Profile
from memsnap.pprof.reader import read
from memsnap.snapshot import Capture, Snapshot
from memsnap.storage import snapfile

pytestmark = pytest.mark.go

BUILDS = {
    "default": (),
    "stripped": typed_services.STRIPPED,
    "pie": typed_services.PIE,
    "stripped pie": typed_services.STRIPPED + typed_services.PIE,
}
MAX_ADDRESS = (1 << 64) - 1


@pytest.fixture(scope="module")
def executable() -> Iterator[Executable]:
    """The stripped service."""
    with Executable.open(typed_services.recorded(*typed_services.STRIPPED).executable) as opened:
        yield opened


@pytest.fixture(scope="module")
def attribute(executable: Executable) -> Callable[[Profile], Snapshot]:
    """A function that types a profile by the stripped service."""
    return lambda profile: Attributor(executable).attribute(plain(profile))


@pytest.fixture(scope="module")
def proto() -> Profile:
    """The stripped service's heap profile."""
    return read(typed_services.recorded(*typed_services.STRIPPED).proto, name="heap.pb.gz")


def leaves(profile: Profile) -> dict[tuple[str, int, int], set[str]]:
    """Return the types of live objects by innermost function, its line, and their size."""
    found: dict[tuple[str, int, int], set[str]] = {}
    types = string_label(profile, "type").tolist()
    sizes = {
        int(sample): int(number)
        for sample, number, string in zip(
            profile.labels.sample, profile.labels.number, profile.labels.string, strict=True
        )
        if string < 0
    }
    for sample in np.flatnonzero(profile.values[:, 3] > 0).tolist():
        location = profile.stack[profile.stack_start[sample]]
        at = profile.locations.line_start[location]
        name = profile.strings[profile.functions.name[profile.locations.line_function[at]]]
        key = name.partition("[")[0], int(profile.locations.line_number[at]), sizes[sample]
        found.setdefault(key, set()).add(
            profile.strings[types[sample]] if types[sample] > 0 else ""
        )
    return found


def labels_of(profile: Profile) -> list[tuple[int, str, str, int]]:
    """Return every label as sample, key, text and number."""
    labels, strings = profile.labels, profile.strings
    return [
        (sample, strings[key], strings[string] if string >= 0 else "", number)
        for sample, key, string, number in zip(
            labels.sample.tolist(),
            labels.key.tolist(),
            labels.string.tolist(),
            labels.number.tolist(),
            strict=True,
        )
    ]


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_every_way_of_linking_is_typed(flags: tuple[str, ...]) -> None:
    recorded = typed_services.recorded(*flags)
    with Executable.open(recorded.executable) as executable:
        typed = Attributor(executable).attribute(plain(read(recorded.proto, name="heap.pb.gz")))

    covered = typed.capture.types
    assert covered
    assert covered.matched_locations == covered.checked_locations > 100
    assert covered.typed_live_bytes > 0.9 * covered.live_bytes
    assert covered.build_id == executable.image.build_id
    by_function = {name: types for (name, _, _), types in leaves(typed.heap).items()}
    assert by_function["net/http.(*Request).WithContext"] == {"http.Request"}
    assert by_function["context.WithValue"] == {"context.valueCtx"}
    assert "map[string]*main.Note" in by_function["main.(*Cache"]


@pytest.mark.slow
@pytest.mark.parametrize("minor", toolchains.RELEASES)
@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_every_release_of_go_is_typed_from_both_forms_of_profile(
    go_release: Callable[[str], toolchains.Go], minor: str, flags: tuple[str, ...]
) -> None:
    recorded = typed_services.record(typed_services.program(*flags, go=go_release(minor)))
    with Executable.open(recorded.executable) as executable:
        for data in (recorded.proto, recorded.text):
            typed = Attributor(executable).attribute(plain(read(data, name="heap")))

            covered = typed.capture.types
            assert covered
            assert covered.matched_locations == covered.checked_locations
            assert covered.typed_live_bytes > 0.9 * covered.live_bytes
            found = {name: types for (name, _, _), types in leaves(typed.heap).items()}
            assert found["net/http.(*Request).WithContext"] == {"http.Request"}


@pytest.mark.parametrize("flags", [typed_services.STRIPPED, typed_services.PIE], ids=["-s", "pie"])
def test_a_text_profile_gets_the_types_of_the_proto_profile(flags: tuple[str, ...]) -> None:
    recorded = typed_services.recorded(*flags)
    with Executable.open(recorded.executable) as executable:
        proto, text = (
            Attributor(executable).attribute(plain(read(data, name="heap")))
            for data in (recorded.proto, recorded.text)
        )

    covered = text.capture.types
    assert covered
    assert covered.matched_locations == covered.checked_locations
    ours, theirs = leaves(text.heap), leaves(proto.heap)
    common = [key for key in ours if key in theirs and "main." in key[0]]
    assert len(common) > 8
    assert [ours[key] for key in common] == [theirs[key] for key in common]


@pytest.mark.parametrize("flags", [typed_services.STRIPPED, typed_services.PIE], ids=["-s", "pie"])
def test_a_profile_that_lost_its_mappings_is_typed_all_the_same(flags: tuple[str, ...]) -> None:
    recorded = typed_services.recorded(*flags)
    heap = read(recorded.proto, name="heap.pb.gz")
    unmapped = replace(heap.locations, mapping=np.full_like(heap.locations.mapping, -1))
    with Executable.open(recorded.executable) as executable:
        attributor = Attributor(executable)
        whole = attributor.attribute(plain(heap))
        lacking = attributor.attribute(plain(replace(heap, mappings=(), locations=unmapped)))

    assert labels_of(lacking.heap) == labels_of(whole.heap)


def test_mappings_of_other_files_do_not_count(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    foreign = Mapping(start=0x7F0000000000, limit=0x7F0000100000, offset=0x5000000, file="a.so")
    old = proto.locations
    moved = replace(
        old,
        mapping=np.where(old.mapping >= 0, old.mapping + 2, -1).astype(np.int32),
        address=old.address.copy(),
    )
    # Half of the places lie in a plugin, and nothing of the executable is like them.
    moved.mapping[::2] = 0
    moved.address[::2] += np.uint64(0x7F0000000000)

    typed = attribute(replace(proto, mappings=(foreign, foreign, *proto.mappings), locations=moved))

    covered = typed.capture.types
    assert covered
    assert covered.matched_locations == covered.checked_locations


def test_a_plugin_with_the_most_code_in_use_is_not_taken_for_the_executable(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    moved = proto.locations.address.copy()
    moved[: len(moved) * 2 // 3] += np.uint64(0x7F0000000000)
    in_plugin = moved >= 0x7F0000000000
    own = proto.mappings[0]
    plugin = replace(own, start=own.start + 0x7F0000000000, limit=own.limit + 0x7F0000000000)
    plugin = replace(plugin, file="/srv/a.so", start=plugin.start + 0x10000)
    locations = replace(
        proto.locations,
        address=moved,
        mapping=np.where(in_plugin, len(proto.mappings), 0).astype(np.int32),
    )

    typed = attribute(replace(proto, mappings=(*proto.mappings, plugin), locations=locations))

    covered = typed.capture.types
    assert covered
    assert covered.matched_locations == covered.checked_locations > 100
    assert [note for note in typed.capture.notes if "/srv/a.so" in note] == [
        f"{NO_TYPES}not for what /srv/a.so allocates: plugins and shared libraries are not read."
    ]


def test_what_is_known_of_a_build_is_neither_read_nor_resolved_again(
    executable: Executable, proto: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Attributor(executable)
    once = first.attribute(plain(proto))
    again = Attributor(executable, first.known)
    monkeypatch.setattr(Pclntab, "inline_lines", None)
    monkeypatch.setattr(Resolver, "site", None)

    twice = again.attribute(plain(proto))

    assert first.is_extended
    assert not again.is_extended
    assert labels_of(twice.heap) == labels_of(once.heap)
    assert twice.capture.types == once.capture.types


def test_places_that_another_build_agreed_to_do_not_count_for_this_one(
    executable: Executable,
) -> None:
    other = typed_services.recorded(*typed_services.PIE)
    mine = Attributor(executable)
    mine.attribute(plain(read(typed_services.recorded(*typed_services.STRIPPED).proto, name="a")))

    with pytest.raises(FormatError, match=r"\d+ of 400 places in the code agree"):
        Attributor(executable, mine.known).attribute(plain(read(other.proto, name="x")))


def test_a_second_attribution_gives_the_same_labels(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    once = attribute(proto)
    twice = attribute(once.heap)

    assert labels_of(twice.heap) == labels_of(once.heap)
    assert twice.heap.strings == once.heap.strings
    assert twice.capture.types == once.capture.types


def test_other_labels_stay(attribute: Callable[[Profile], Snapshot], proto: Profile) -> None:
    typed = attribute(proto).heap

    ours = ("type", "type_full", "alloc", "certainty")
    assert [label for label in labels_of(typed) if label[1] not in ours] == labels_of(proto)
    assert typed.labels.unit.max() < len(typed.strings)
    assert (np.diff(typed.labels.sample) >= 0).all()


def test_import_paths_are_kept_beside_what_go_prints(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    by_sample: dict[int, dict[str, str]] = {}
    for sample, key, text, _ in labels_of(attribute(proto).heap):
        by_sample.setdefault(sample, {})[key] = text

    full = {
        labels["type"]: labels["type_full"]
        for labels in by_sample.values()
        if "type_full" in labels
    }
    assert full["http.Request"] == "net/http.Request"
    assert "main.Note" not in full


def test_labels_of_an_earlier_attribution_go_however_their_key_is_stored(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    first = len(proto.strings)
    strings = (*proto.strings, "type", "type", "main.Stale")
    count = len(proto)
    old = proto.labels
    doubled = Labels(
        sample=np.concatenate([old.sample, np.arange(count, dtype=np.int32)]),
        key=np.concatenate([old.key, np.arange(count, dtype=np.int32) % 2 + first]),
        string=np.concatenate([old.string, np.full(count, first + 2, np.int32)]),
        number=np.concatenate([old.number, np.zeros(count, np.int64)]),
        unit=np.concatenate([old.unit, np.zeros(count, np.int32)]),
    )

    typed = attribute(replace(proto, strings=strings, labels=doubled)).heap

    assert "main.Stale" not in [text for _, _, text, _ in labels_of(typed)]
    assert labels_of(typed) == labels_of(attribute(proto).heap)


def test_strings_keep_their_numbers_whatever_they_say(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    odd = ("\0", "\0001", "\0" + str(len(proto.strings) + 1), "inferred", proto.strings[1])
    strings = (*proto.strings, *odd)

    typed = attribute(replace(proto, strings=strings)).heap

    assert typed.strings[: len(strings)] == strings
    assert labels_of(typed) == labels_of(attribute(proto).heap)


def test_types_survive_the_file(
    attribute: Callable[[Profile], Snapshot], proto: Profile, tmp_path: Path
) -> None:
    typed = attribute(proto)
    snapfile.save(typed, tmp_path / "a.snap")

    loaded = snapfile.load(tmp_path / "a.snap")

    assert labels_of(loaded.heap) == labels_of(typed.heap)
    assert loaded.capture.types == typed.capture.types


def test_another_build_is_refused_with_the_counts(executable: Executable) -> None:
    other = typed_services.recorded(*typed_services.PIE)

    with pytest.raises(FormatError, match=r"other\.pb\.gz: \d+ of 400 places in the code agree"):
        Attributor(executable).attribute(plain(read(other.proto, name="x"), "other.pb.gz"))


def test_a_profile_without_names_cannot_be_told_from_another_builds(
    attribute: Callable[[Profile], Snapshot], proto: Profile
) -> None:
    bare = replace(
        proto.locations,
        line_start=np.zeros_like(proto.locations.line_start),
        line_function=np.zeros(0, np.int32),
        line_number=np.zeros(0, np.int64),
        line_column=np.zeros(0, np.int64),
    )

    with pytest.raises(FormatError, match="names no functions"):
        attribute(replace(proto, locations=bare))


def test_a_profile_without_samples_has_nothing_untyped(
    attribute: Callable[[Profile], Snapshot],
) -> None:
    covered = attribute(profiles.heap()).capture.types

    assert covered
    assert (covered.live_bytes, covered.typed_live_bytes) == (0, 0)


def test_the_note_that_there_are_no_types_goes_when_there_are(
    executable: Executable, proto: Profile
) -> None:
    notes = ("The counters could not be had.", f"{NO_TYPES}the executable is on another machine.")
    snapshot = Snapshot(name="a.snap", heap=proto, capture=Capture(notes=notes))

    assert Attributor(executable).attribute(snapshot).capture.notes == notes[:1]


@pytest.mark.parametrize("address", [0, 1, (1 << 63) - 1, 1 << 63, MAX_ADDRESS])
@pytest.mark.parametrize("flags", [typed_services.STRIPPED, typed_services.PIE], ids=["-s", "pie"])
def test_impossible_addresses_have_no_type_and_do_no_harm(
    flags: tuple[str, ...], address: int
) -> None:
    recorded = typed_services.recorded(*flags)
    heap = read(recorded.proto, name="heap.pb.gz")
    heap.locations.address[::20] = address
    hit = {*range(0, len(heap.locations), 20)}
    with Executable.open(recorded.executable) as executable:
        typed = Attributor(executable).attribute(plain(heap)).heap

    types = string_label(typed, "type")
    leaf = heap.stack[heap.stack_start[:-1]]
    assert all(types[sample] < 0 for sample, at in enumerate(leaf.tolist()) if at in hit)
    assert (types >= 0).any()


@pytest.mark.parametrize("field", ["start", "limit", "offset"])
@pytest.mark.parametrize("value", [0, 1 << 40, MAX_ADDRESS])
def test_impossible_mappings_are_refused_or_overcome(
    attribute: Callable[[Profile], Snapshot], proto: Profile, field: str, value: int
) -> None:
    mapping = replace(proto.mappings[0], **{field: value})

    with contextlib.suppress(FormatError):
        typed = attribute(replace(proto, mappings=(mapping, *proto.mappings[1:])))
        assert typed.capture.types
