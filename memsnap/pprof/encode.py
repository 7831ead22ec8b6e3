"""Writing profile.proto: the columns of a `Profile` become the bytes that every pprof tool reads.

Messages are built as ragged columns of numbers, because all of a profile but its texts is
varints: `Ragged` holds some numbers for each of many messages, and whole columns are joined,
wrapped and turned into bytes at once.  Field numbers are those of google/pprof,
`proto/profile.proto`.
"""

import gzip
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memsnap.pprof.profile import (
    EXTENSION_FIELD,
    Bools,
    Int64s,
    Labels,
    Mapping,
    Profile,
    UInt64s,
    ValueType,
)

_SAMPLES_PER_CHUNK = 8192
_LENGTH_DELIMITED = 2
# Compression is the larger part of writing, and level 6 costs twice as much for 7 % less.
_GZIP_LEVEL = 1

# The least number that needs 2, 3, ... 10 bytes as a varint.
_LEAST = np.array([1 << 7 * extra for extra in range(1, 10)], np.uint64)

Numbers = npt.NDArray[np.integer]


def encode(profile: Profile) -> bytes:
    """Return `profile` as an uncompressed profile.proto message.

    Ids are indices + 1 and everything keeps its order, so that decoding the result gives equal
    columns.  Texts that the string table lacks (of mappings, types, comments) are added to it.
    """
    texts = _Texts(profile.strings)
    parts = [_value_types(1, profile.sample_types, texts)]
    parts += _samples(profile)
    parts.append(_mappings(profile.mappings, texts))
    parts.append(_locations(profile))
    parts.append(_functions(profile))
    tail = _tail(profile, texts)
    parts += [delimited(6, text.encode("utf-8", "replace")) for text in texts.table]
    parts.append(tail)
    if profile.extension:
        parts.append(delimited(EXTENSION_FIELD, profile.extension))
    return b"".join(parts)


def compress(data: bytes) -> bytes:
    """Return `data` gzip-compressed; the same data always gives the same bytes."""
    return gzip.compress(data, _GZIP_LEVEL, mtime=0)


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Numbers of many messages: `counts[i]` of `numbers` belong to message i, in order."""

    numbers: UInt64s
    counts: Int64s

    def sums(self, weights: Int64s) -> Int64s:
        """Return the sum of `weights`, one for each number, by message."""
        running = np.zeros(len(weights) + 1, np.int64)
        np.cumsum(weights, out=running[1:])
        ends = np.cumsum(self.counts)
        sums: Int64s = running[ends] - running[ends - self.counts]
        return sums

    def sizes(self) -> Int64s:
        """Return the bytes that each message's numbers take as varints."""
        return self.sums(_sizes(self.numbers))


class _Texts:
    """The string table, and the index of a text in it."""

    def __init__(self, strings: tuple[str, ...]) -> None:
        self.table = list(strings)
        self.places = {text: place for place, text in reversed(list(enumerate(strings)))}

    def index(self, text: str) -> int:
        place = self.places.setdefault(text, len(self.table))
        if place == len(self.table):
            self.table.append(text)
        return place


def _samples(profile: Profile) -> list[bytes]:
    """Return the samples as messages, some thousands at a time to bound the memory."""
    labels = _labels(profile.labels)
    samples = len(profile)
    label_start = np.searchsorted(profile.labels.sample, np.arange(samples + 1))
    number_start = np.zeros(len(labels.counts) + 1, np.int64)
    np.cumsum(labels.counts, out=number_start[1:])
    parts = []
    for first in range(0, samples, _SAMPLES_PER_CHUNK):
        last = min(first + _SAMPLES_PER_CHUNK, samples)
        values = profile.values[first:last]
        starts = profile.stack_start[first : last + 1]
        low, high = number_start[label_start[[first, last]]]
        body = _join(
            _packed(1, _ragged(profile.stack[starts[0] : starts[-1]] + 1, np.diff(starts))),
            _packed(2, _ragged(values.ravel(), np.full(last - first, values.shape[1]))),
            Ragged(
                labels.numbers[low:high],
                np.diff(number_start[label_start[first : last + 1]]),
            ),
        )
        parts.append(_to_bytes(_wrapped(2, body)))
    return parts


def _labels(labels: Labels) -> Ragged:
    return _wrapped(
        3,
        _message(
            {
                1: labels.key,
                2: np.maximum(labels.string, 0),
                3: labels.number,
                4: labels.unit,
            },
            len(labels),
        ),
    )


def _mappings(mappings: tuple[Mapping, ...], texts: _Texts) -> bytes:
    columns: dict[int, Numbers] = {
        1: np.arange(1, len(mappings) + 1),
        2: np.array([mapping.start for mapping in mappings], np.uint64),
        3: np.array([mapping.limit for mapping in mappings], np.uint64),
        4: np.array([mapping.offset for mapping in mappings], np.uint64),
        5: np.array([texts.index(mapping.file) for mapping in mappings], np.uint64),
        6: np.array([texts.index(mapping.build_id) for mapping in mappings], np.uint64),
        7: np.array([mapping.has_functions for mapping in mappings], np.uint64),
        8: np.array([mapping.has_filenames for mapping in mappings], np.uint64),
        9: np.array([mapping.has_line_numbers for mapping in mappings], np.uint64),
        10: np.array([mapping.has_inline_frames for mapping in mappings], np.uint64),
    }
    return _to_bytes(_wrapped(3, _message(columns, len(mappings))))


def _locations(profile: Profile) -> bytes:
    locations = profile.locations
    count = len(locations)
    lines = _wrapped(
        4,
        _message(
            {
                1: locations.line_function + 1,
                2: locations.line_number,
                3: locations.line_column,
            },
            len(locations.line_function),
        ),
    )
    body = _join(
        _message(
            {1: np.arange(1, count + 1), 2: locations.mapping + 1, 3: locations.address}, count
        ),
        _regrouped(lines, locations.line_start),
        _message({5: locations.is_folded.astype(np.uint64)}, count),
    )
    return _to_bytes(_wrapped(4, body))


def _functions(profile: Profile) -> bytes:
    functions = profile.functions
    columns: dict[int, Numbers] = {
        1: np.arange(1, len(functions) + 1),
        2: functions.name,
        3: functions.system_name,
        4: functions.file,
        5: functions.start_line,
    }
    return _to_bytes(_wrapped(5, _message(columns, len(functions))))


def _tail(profile: Profile, texts: _Texts) -> bytes:
    """Return the scalar fields of the message itself, and its comments."""
    one = {
        7: texts.index(profile.drop_frames),
        8: texts.index(profile.keep_frames),
        9: profile.time_nanos,
        10: profile.duration_nanos,
        12: profile.period,
        14: texts.index(profile.default_sample_type),
        15: texts.index(profile.doc_url),
    }
    columns: dict[int, Numbers] = {key: np.array([value], np.int64) for key, value in one.items()}
    comments = np.array([texts.index(text) for text in profile.comments], np.int64)
    parts = [_to_bytes(_message(columns, 1))]
    parts.append(_to_bytes(_packed(13, _ragged(comments, np.array([len(comments)])))))
    if profile.period_type is not None:
        parts.append(_value_types(11, (profile.period_type,), texts))
    return b"".join(parts)


def _value_types(number: int, types: tuple[ValueType, ...], texts: _Texts) -> bytes:
    columns: dict[int, Numbers] = {
        1: np.array([texts.index(kind.type) for kind in types], np.int64),
        2: np.array([texts.index(kind.unit) for kind in types], np.int64),
    }
    return _to_bytes(_wrapped(number, _message(columns, len(types))))


def delimited(number: int, content: bytes) -> bytes:
    """Return one length-delimited field of a message."""
    header = np.array([number << 3 | _LENGTH_DELIMITED, len(content)], np.uint64)
    return _varint_bytes(header) + content


def _ragged(numbers: Numbers, counts: npt.NDArray[np.integer]) -> Ragged:
    return Ragged(numbers.astype(np.int64, copy=False).view(np.uint64), counts.astype(np.int64))


def _message(columns: dict[int, Numbers], count: int) -> Ragged:
    """Return messages of scalar fields, one column each; zeros are left out, as proto3 does."""
    parts = []
    for number, column in columns.items():
        values = column.astype(np.uint64)
        given = values != 0
        pairs = np.empty((np.count_nonzero(given), 2), np.uint64)
        pairs[:, 0] = number << 3
        pairs[:, 1] = values[given]
        parts.append(Ragged(pairs.ravel(), 2 * given.astype(np.int64)))
    return _join(*parts) if parts else Ragged(np.zeros(0, np.uint64), np.zeros(count, np.int64))


def _packed(number: int, items: Ragged) -> Ragged:
    """Return a packed repeated field per message, none where there are no items."""
    return _with_header(number, items, items.counts > 0)


def _wrapped(number: int, body: Ragged) -> Ragged:
    """Return every message as a field of the message around it."""
    return _with_header(number, body, np.ones(len(body.counts), np.bool_))


def _with_header(number: int, body: Ragged, given: Bools) -> Ragged:
    headers = np.empty((np.count_nonzero(given), 2), np.uint64)
    headers[:, 0] = number << 3 | _LENGTH_DELIMITED
    headers[:, 1] = body.sizes()[given]
    return _join(Ragged(headers.ravel(), 2 * given.astype(np.int64)), body)


def _regrouped(ragged: Ragged, starts: Int64s) -> Ragged:
    """Return the messages `starts[i]:starts[i + 1]` joined, as one message i."""
    ends = np.zeros(len(ragged.counts) + 1, np.int64)
    np.cumsum(ragged.counts, out=ends[1:])
    return Ragged(ragged.numbers, np.diff(ends[starts]))


def _join(*parts: Ragged) -> Ragged:
    """Return, for every message, the numbers of all parts one after the other."""
    counts = np.zeros_like(parts[0].counts)
    for part in parts:
        counts += part.counts
    total = int(counts.sum())
    numbers = np.empty(total, np.uint64)
    # Where the next part of each message goes.
    place = np.cumsum(counts) - counts
    for part in parts:
        own = np.cumsum(part.counts) - part.counts
        at = np.repeat(place - own, part.counts)
        at += np.arange(len(part.numbers))
        numbers[at] = part.numbers
        place = place + part.counts
    return Ragged(numbers, counts)


def _sizes(numbers: UInt64s) -> Int64s:
    sizes = np.ones(len(numbers), np.int64)
    largest = numbers.max(initial=0)
    for least in _LEAST:
        if largest < least:
            break
        sizes += numbers >= least
    return sizes


def _to_bytes(ragged: Ragged) -> bytes:
    return _varint_bytes(ragged.numbers)


def _varint_bytes(numbers: UInt64s) -> bytes:
    sizes = _sizes(numbers)
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    place = ends - sizes
    rows = np.arange(len(numbers))
    rest = numbers
    while len(rows):
        more = sizes[rows] > 1
        out[place[rows]] = (rest & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << 7)
        rows, rest = rows[more], rest[more] >> np.uint64(7)
        place[rows] += 1
        sizes[rows] -= 1
    return out.tobytes()
