"""Gives every allocation of a snapshot its Go type, from the executable that ran.

The answers become labels of the heap profile, which any pprof tool can filter by: `type` and
`alloc`, `type_full` where import paths say more, and `certainty` where a type is inferred rather
than read from the code.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from memsnap.errors import FormatError
from memsnap.gobin.executable import Executable
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.site import Certainty, Site, unknown
from memsnap.gobin.sites import Resolver
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.labelling import with_text_labels
from memsnap.pprof.profile import Bools, Int64s, Profile
from memsnap.snapshot import Snapshot, Types

TYPE, FULL, ALLOC, CERTAINTY = "type", "type_full", "alloc", "certainty"
NO_TYPES = "No types: "  # how the note begins that says why a capture has none

_ENOUGH_MATCHES = 0.9  # of the checked locations; the right build matches all, a wrong one few
_CHECKED = 400  # locations, spread over the profile
_MOST_PLACES = 10_000  # remembered of a build
_VOTERS = 100  # locations that tell where the code lies, where no mapping does
_PLUGIN = "plugin"  # the setting -buildmode of such a file
_PAGE = 4096  # bytes; the loader moves code by whole pages
_MOST_PAGES = 64  # of one function that are searched
# What people write, and what reflect prints.
_AS_GO_PRINTS = {"byte": "uint8", "rune": "int32", "any": "interface {}"}
_READABLE = re.compile(r"(?<![\w.])(?:byte|rune|any)(?![\w.])")
_WORDS = {
    AllocKind.NEW: "new",
    AllocKind.SLICE: "make",
    AllocKind.APPEND: "append",
    AllocKind.CHAN: "chan",
    AllocKind.MAP: "map",
    AllocKind.STRING: "string",
    AllocKind.BYTES: "bytes",
    AllocKind.BOX: "box",
    AllocKind.CLOSURE: "closure",
    AllocKind.VARIABLES: "variables",
    AllocKind.REFLECT: "reflect",
    AllocKind.RUNTIME: "runtime",
}


@dataclass(frozen=True, slots=True)
class Match:
    """How many of the checked locations the executable calls what the profile calls them."""

    checked: int
    matched: int

    @property
    def is_same_build(self) -> bool:
        """Whether the executable is the one that was profiled."""
        return self.checked > 0 and self.matched >= _ENOUGH_MATCHES * self.checked


class _Place(NamedTuple):
    """Where a process has the code: moved by `bias`, in a mapping (-1: all), at these locations."""

    bias: int
    mapping: int
    inside: Bools


class Answer(NamedTuple):
    """What the labels of a sample say; empty texts where there is nothing to say."""

    type: str
    full: str  # the same with import paths; empty where it is no different
    alloc: str
    certainty: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one build, for an `Attributor` to add to.

    `answers` are by the digest of a stack and an object size; `places` are digests of addresses
    in the code, each with the functions and lines that the executable has there.
    """

    answers: dict[bytes, Answer] = field(default_factory=dict)
    places: set[bytes] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.answers) + len(self.places)


class Attributor:
    """Attributes snapshots of one executable, and remembers what it has resolved.

    `known` is what earlier runs found; `is_extended` tells whether there is more by now.
    """

    def __init__(self, executable: Executable, known: Known | None = None) -> None:
        self.executable = executable
        self.known = known or Known()
        self._answered = self.known.answers
        self._first = len(self.known)
        self._resolver = Resolver(executable)

    @property
    def is_extended(self) -> bool:
        """Whether there is anything that was not known at first."""
        return len(self.known) > self._first

    def attribute(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types; those that it had are replaced.

        Raises FormatError where the executable is a plugin, or, with the counts, of another build.
        """
        heap = snapshot.heap
        samples = heap_samples(heap, name=snapshot.name)
        if self.executable.build_info.settings.get("-buildmode") == _PLUGIN:
            raise FormatError(
                f"{self.executable.name} is a Go plugin, and memsnap reads executables only",
                hint="give the executable of the service that loads it",
            )
        place, match = self._best_place(heap)
        if len(heap) and not match.is_same_build:
            raise _another_build(self.executable.name, snapshot.name, match)
        answers = self._answers(heap, place.bias, samples.object_bytes)
        typed = np.array([bool(answer.type) for answer in answers], dtype=np.bool_)
        live = samples.live_bytes
        types = Types(
            executable=self.executable.name,
            build_id=self.executable.image.build_id,
            checked_locations=match.checked,
            matched_locations=match.matched,
            live_bytes=int(live.sum()),
            typed_live_bytes=int(live[typed].sum()),
        )
        return replace(
            snapshot,
            heap=with_text_labels(
                heap,
                {
                    TYPE: [answer.type for answer in answers],
                    FULL: [answer.full for answer in answers],
                    ALLOC: [answer.alloc for answer in answers],
                    CERTAINTY: [answer.certainty for answer in answers],
                },
            ),
            capture=replace(
                snapshot.capture,
                types=types,
                notes=(
                    *(note for note in snapshot.capture.notes if not note.startswith(NO_TYPES)),
                    *_notes_on_others(heap, place.mapping),
                ),
            ),
        )

    def _answers(self, heap: Profile, bias: int, sizes: Int64s) -> list[Answer]:
        """Return an answer per sample; each stack of a size is resolved once for all runs."""
        addresses = heap.locations.address - np.uint64(bias % (1 << 64))
        starts, stack = heap.stack_start.tolist(), addresses[heap.stack]
        keys: list[bytes] = []
        new: dict[bytes, tuple[list[int], int]] = {}
        for first, last, size in zip(starts, starts[1:], sizes.tolist(), strict=False):
            raw = stack[first:last].tobytes() + size.to_bytes(8, "little", signed=True)
            keys.append(blake2b(raw, digest_size=16).digest())
            if keys[-1] not in self._answered:
                new[keys[-1]] = stack[first:last].tolist(), size
        logical = _has_logical_frames(heap)
        # By address, so that a function is decoded once for all its sites.
        for key, (frames, size) in sorted(new.items(), key=lambda item: item[1][0][:1]):
            self._answered[key] = self._resolved(frames, size, logical=logical)
        return [self._answered[key] for key in keys]

    def _resolved(self, stack: list[int], size: int, *, logical: bool) -> Answer:
        """Return the answer to one stack; none where its addresses lead to no code."""
        try:
            return _answer(self._resolver.site(self._physical(stack) if logical else stack, size))
        except FormatError:
            return _answer(unknown())

    def _physical(self, stack: list[int]) -> list[int]:
        """Drop what text profiles invent for the callers of inlined functions.

        Those addresses lie in the code of the caller that holds the call, which stands before.
        """
        kept: list[int] = []
        invented: list[int] = []
        for address in stack:
            if address not in invented:
                kept.append(address)
                calls = self.executable.pclntab.inlined_calls(address)
                invented = [call.parent_pc for call in calls]
        return kept

    def _best_place(self, heap: Profile) -> tuple[_Place, Match]:
        """Return the first place of the code where the profile agrees, else the likeliest one."""
        tried: list[tuple[_Place, Match]] = []
        for place in self._places(heap):
            tried.append((place, self._match(heap, place)))
            if tried[-1][1].is_same_build:
                return tried[-1]
        return tried[0]

    def _places(self, heap: Profile) -> Iterator[_Place]:
        """Yield where the code may lie, the likeliest first; at least one.

        From the mapping that holds it (abi of ELF: a segment's file offset decides).  Where none
        fits, as in a text profile, all locations count, and their names and lines tell.
        """
        code = [segment for segment in self.executable.image.segments if segment.executable]
        is_mapped = False
        for at in _by_use(heap):
            mapping = heap.mappings[at]
            for segment in code:
                page = mapping.offset - segment.offset % _PAGE
                if segment.offset - _PAGE < page <= segment.offset + segment.file_size:
                    bias = mapping.start - mapping.offset + segment.offset - segment.address
                    yield _Place(bias, at, heap.locations.mapping == at)
                    is_mapped = True
        if not is_mapped:
            moved = self._voted_bias(heap) if self.executable.image.pie else 0
            yield _Place(moved, -1, np.ones(len(heap.locations), dtype=np.bool_))

    def _voted_bias(self, heap: Profile) -> int:
        """Return the bias that most locations agree on: those of a name and line fit few places."""
        votes: Counter[int] = Counter()
        locations, pclntab = heap.locations, self.executable.pclntab
        for at in _spread(np.flatnonzero(np.diff(locations.line_start) > 0), _VOTERS):
            holder = locations.line_function[locations.line_start[at + 1] - 1]
            function = pclntab.by_name(heap.strings[heap.functions.name[holder]])
            if function is None:
                continue
            address = int(locations.address[at])
            first = function.entry + (address - function.entry) % _PAGE
            last = min(function.end, first + _MOST_PAGES * _PAGE)
            votes.update(
                address - pc for pc in range(first, last, _PAGE) if self._agrees(heap, at, pc)
            )
        return votes.most_common(1)[0][0] if votes else 0

    def _match(self, heap: Profile, place: _Place) -> Match:
        named = np.flatnonzero((np.diff(heap.locations.line_start) > 0) & place.inside)
        chosen = _spread(named, _CHECKED)
        addresses = heap.locations.address
        matched = sum(self._is_known(heap, at, int(addresses[at]) - place.bias) for at in chosen)
        return Match(checked=len(chosen), matched=matched)

    def _is_known(self, heap: Profile, location: int, pc: int) -> bool:
        """Whether the code at `pc` is what the profile says, now or in an earlier run."""
        said = repr((pc, _has_logical_frames(heap), list(_lines(heap, location))))
        digest = blake2b(said.encode(), digest_size=16).digest()
        if digest in self.known.places:
            return True
        agrees = self._agrees(heap, location, pc)
        if agrees and len(self.known.places) < _MOST_PLACES:
            self.known.places.add(digest)
        return agrees

    def _agrees(self, heap: Profile, location: int, pc: int) -> bool:
        """Whether the code at `pc` is what the profile says of a location."""
        frames = self.executable.pclntab.inline_lines(pc)
        read = [(_plain(name), line) for name, line in frames]
        lines = list(_lines(heap, location))
        return (read[:1] if _has_logical_frames(heap) else read) == lines


def _another_build(executable: str, profile: str, match: Match) -> FormatError:
    if not match.checked:
        return FormatError(
            f"{profile} names no functions of {executable}: nothing tells that it is the same build"
        )
    return FormatError(
        f"{executable} is not the executable behind {profile}: "
        f"{match.matched} of {match.checked} places in the code agree",
        hint="give the very file that ran: builds differ though their sources do not",
    )


def _notes_on_others(heap: Profile, mapping: int) -> list[str]:
    """Return a note for each file but that of the executable whose code allocates."""
    if mapping < 0:
        return []
    leaves = heap.stack[heap.stack_start[:-1][np.diff(heap.stack_start) > 0]]
    used = set(heap.locations.mapping[leaves].tolist())
    files = {heap.mappings[at].file for at in used if at >= 0 and at != mapping}
    return [
        f"{NO_TYPES}not for what {file} allocates: plugins and shared libraries are not read."
        for file in sorted(files - {heap.mappings[mapping].file, ""})
    ]


def _has_logical_frames(heap: Profile) -> bool:
    """Whether inlined functions have locations of their own, as in Go's text profiles."""
    return not heap.mappings and bool((np.diff(heap.locations.line_start) <= 1).all())


def _spread(places: np.ndarray, count: int) -> list[int]:
    """Return at most `count` of `places`, evenly spread."""
    steps = np.linspace(0, len(places) - 1, min(len(places), count)).astype(np.int64)
    chosen: list[int] = places[steps].tolist()
    return chosen


def _by_use(heap: Profile) -> Iterable[int]:
    """Return the mappings that locations lie in, the most used first."""
    used = heap.locations.mapping[heap.locations.mapping >= 0]
    counts = np.bincount(used, minlength=len(heap.mappings))
    return [at for at in np.argsort(-counts, kind="stable").tolist() if counts[at]]


def _lines(heap: Profile, location: int) -> Iterator[tuple[str, int]]:
    locations = heap.locations
    for line in range(locations.line_start[location], locations.line_start[location + 1]):
        name = heap.strings[heap.functions.name[locations.line_function[line]]]
        yield _plain(name), int(locations.line_number[line])


def _plain(function: str) -> str:
    """Return a function's name without type arguments, which text profiles shorten to `[...]`."""
    return function.partition("[")[0]


def _answer(site: Site) -> Answer:
    """Return the labels of a site: the type as Go prints it, if it is known well enough."""
    inferred = site.certainty is Certainty.INFERRED
    known = site.certainty.trustworthy or inferred
    printed, full = (
        _READABLE.sub(lambda name: _AS_GO_PRINTS[name[0]], text)
        for text in (site.type_name, site.full_name)
    )
    return Answer(
        type=printed if known else "",
        full=full if known and full != printed else "",
        alloc=_WORDS.get(site.kind, ""),
        certainty=site.certainty.value if inferred and printed else "",
    )
