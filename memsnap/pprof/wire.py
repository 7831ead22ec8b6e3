"""The protobuf wire format over numpy: many messages are read at once, column by column.

Knows varints, tags and lengths (protobuf.dev, "Encoding"), nothing of pprof.  Readers raise
`WireError`, which `decode` turns into a `FormatError` that names the file.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from memsnap.pprof.profile import Int32s, Int64s, UInt64s

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

# Positions, and a few bytes beyond the last, are held as int32.
MAX_BUFFER_BYTES = 2**31 - 64
# Bounds what one message can cost: a walk takes one vectorised round per field of the longest.
MAX_FIELDS_PER_MESSAGE = 4096
# Bounds what tiny fields can cost: two bytes on the wire become tens in columns.
MAX_FIELDS = 1 << 24
# Runs of varints are decoded this many bytes at a time, to stay inside the processor's cache.
_SPANS_PER_CHUNK = 8192
_BYTES_PER_CHUNK = 1 << 20

_MAX_VARINT_BYTES = 10

Bytes = npt.NDArray[np.uint8]


class WireError(ValueError):
    """The bytes break the wire format; the text is a reason, to follow "because"."""


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Byte ranges `start[i]:end[i]` of a buffer, in ascending order and without overlap."""

    start: Int32s
    end: Int32s

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, part: slice) -> "Spans":
        return Spans(self.start[part], self.end[part])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fields:
    """Fields of many messages, as columns sorted by their place in the buffer.

    `message` is the index of the span that was walked; `value` is the number of a varint and
    the byte count of a length-delimited field; `span` covers the bytes of either.
    """

    message: Int32s
    tag: Int32s
    value: UInt64s
    span: Spans

    def of(self, number: int, *wires: int) -> "Fields":
        """Return the fields of one number; any other wire type than `wires` is an error."""
        chosen = np.flatnonzero(self.tag >> 3 == number)
        wire = self.tag[chosen] & 7
        if not np.isin(wire, wires).all():
            raise WireError(f"field {number} has wire type {int(wire[~np.isin(wire, wires)][0])}")
        return Fields(
            message=self.message[chosen],
            tag=self.tag[chosen],
            value=self.value[chosen],
            span=Spans(self.span.start[chosen], self.span.end[chosen]),
        )

    def last(self, number: int, count: int) -> UInt64s:
        """Return one varint field of `count` messages: the last given value, 0 where absent."""
        fields = self.of(number, VARINT)
        column = np.zeros(count, np.uint64)
        column[fields.message] = fields.value
        return column


def frames(data: bytes, wanted: frozenset[int]) -> dict[int, Spans]:
    """Return the payloads of the wanted fields of one message by tag (number << 3 | wire type).

    The only loop in Python over a profile: each length says where the next field starts.
    """
    if len(data) > MAX_BUFFER_BYTES:
        raise WireError(f"it has {len(data)} bytes, more than {MAX_BUFFER_BYTES}")
    bounds: dict[int, array[int]] = {}
    try:
        _frame_into(bounds, data, wanted)
    except IndexError:
        raise WireError("it ends in the middle of a field") from None
    return {tag: _spans_of(pairs) for tag, pairs in bounds.items()}


def _frame_into(bounds: dict[int, "array[int]"], data: bytes, wanted: frozenset[int]) -> None:
    position, size, current = 0, len(data), -1
    append: Callable[[int], None] = _forget
    for _ in range(MAX_FIELDS):
        if position == size:
            return
        tag = data[position]
        position += 1
        if tag >= 128:
            tag, position = read_varint(data, position - 1)
        if tag != current:
            _check_number(tag >> 3)
            current = tag
            known = tag >> 3 in wanted
            append = bounds.setdefault(tag, array("i")).append if known else _forget
        if tag & 7 == LENGTH_DELIMITED:
            length = data[position]
            position += 1
            if length >= 128:
                length, position = read_varint(data, position - 1)
            end = position + length
        else:
            end = _end_of_scalar(data, position, tag & 7)
        if end > size:
            raise WireError("it ends in the middle of a field")
        append(position)
        append(end)
        position = end
    if position != size:
        raise WireError(f"it has more than {MAX_FIELDS} fields")


def _forget(position: int) -> None:
    """Stand in for `append` where a field is not wanted."""


def _spans_of(pairs: "array[int]") -> Spans:
    columns = np.frombuffer(pairs, np.int32).reshape(-1, 2)
    return Spans(np.ascontiguousarray(columns[:, 0]), np.ascontiguousarray(columns[:, 1]))


def _end_of_scalar(data: bytes, position: int, wire: int) -> int:
    if wire == VARINT:
        return read_varint(data, position)[1]
    if wire == FIXED64:
        return position + 8
    if wire == FIXED32:
        return position + 4
    raise WireError(f"it has a field of wire type {wire}")


def _check_number(number: int) -> None:
    if not 0 < number < 1 << 28:
        raise WireError(f"it has a field numbered {number}")


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the varint at `position`, modulo 2**64, and the position after it.

    Raises IndexError where the data ends first.
    """
    value = 0
    for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, position
    raise WireError("it has a number of more than 10 bytes")


def walk(buffer: Bytes, messages: Spans) -> Fields:
    """Read the fields of many messages at once: round k reads the k-th field of each.

    Raises WireError where a field does not end inside its message.
    """
    rounds = list(_rounds(buffer, messages))
    if not rounds:
        none = np.zeros(0, np.int32)
        return Fields(message=none, tag=none, value=none.astype(np.uint64), span=Spans(none, none))
    message, tag, value, start, end = (
        np.concatenate(columns) for columns in zip(*rounds, strict=True)
    )
    if len(rounds) > 1:
        order = np.argsort(start, kind="stable")
        message, tag, value = message[order], tag[order], value[order]
        start, end = start[order], end[order]
    return Fields(message=message, tag=tag, value=value, span=Spans(start, end))


def _rounds(
    buffer: Bytes, messages: Spans
) -> Iterator[tuple[Int32s, Int32s, UInt64s, Int32s, Int32s]]:
    position, limit = messages.start, messages.end
    active = np.arange(len(messages), dtype=np.int32)
    found = 0
    for _ in range(MAX_FIELDS_PER_MESSAGE + 1):
        open_ = position < limit
        if not open_.all():
            active, position, limit = active[open_], position[open_], limit[open_]
        if not len(active):
            return
        found += len(active)
        if found > MAX_FIELDS:
            raise WireError(f"its messages have more than {MAX_FIELDS} fields")
        tag, start, value, end = _field_at(buffer, position, limit)
        yield active, tag, value, start, end
        position = end
    raise WireError(f"a message of it has more than {MAX_FIELDS_PER_MESSAGE} fields")


def _field_at(
    buffer: Bytes, position: Int32s, limit: Int32s
) -> tuple[Int32s, Int32s, UInt64s, Int32s]:
    """Return tag, payload start, value and payload end of one field of every message."""
    raw_tag, start = _varint_at(buffer, position, limit)
    if (raw_tag >= 1 << 31).any() or (raw_tag < 8).any():
        raise WireError("a message of it has an impossible field number")
    tag = raw_tag.astype(np.int32)
    wire = tag & 7
    numeric, delimited = wire == VARINT, wire == LENGTH_DELIMITED
    value = np.zeros(len(tag), np.uint64)
    end = start
    if (numeric | delimited).all():
        value, end = _varint_at(buffer, start, limit)
    else:
        some = np.flatnonzero(numeric | delimited)
        fixed = np.where(wire == FIXED64, 8, np.where(wire == FIXED32, 4, 0)).astype(np.int32)
        if (fixed[~(numeric | delimited)] == 0).any():
            raise WireError("a message of it has a field of an impossible wire type")
        end = start + np.minimum(fixed, limit - start + 1)
        value[some], end[some] = _varint_at(buffer, start[some], limit[some])
    start = np.where(delimited, end, start)
    if (delimited & (value > (limit - end).astype(np.uint64))).any():
        raise WireError("a field of it is longer than the message around it")
    end = end + np.where(delimited, value, 0).astype(np.int32)
    if (end > limit).any():
        raise WireError("a field of it is longer than the message around it")
    return tag, start, value, end


def _varint_at(buffer: Bytes, position: Int32s, limit: Int32s) -> tuple[UInt64s, Int32s]:
    """Return the varints that start at `position` and the positions after them."""
    if (position >= limit).any():
        raise WireError("a message of it ends in the middle of a field")
    byte = buffer[position]
    value = (byte & 127).astype(np.uint64)
    end = position + np.int32(1)
    more = np.flatnonzero(byte >= 128)
    for shift in range(7, 7 * _MAX_VARINT_BYTES, 7):
        if not len(more):
            return value, end
        at = end[more]
        if (at >= limit[more]).any():
            raise WireError("a message of it ends in the middle of a number")
        byte = buffer[at]
        value[more] |= (byte & 127).astype(np.uint64) << np.uint64(shift)
        end[more] = at + 1
        more = more[byte >= 128]
    if len(more):
        raise WireError("it has a number of more than 10 bytes")
    return value, end


def varints(buffer: Bytes, runs: Spans) -> Iterator[tuple[UInt64s, Int64s]]:
    """Decode runs of varints: yields, for some runs at a time, all numbers and counts per run.

    Packed and unpacked repeated fields are both such runs, an unpacked one of a single number.
    """
    sizes = np.cumsum(runs.end - runs.start, dtype=np.int64)
    first = 0
    while first < len(runs):
        done = sizes[first - 1] if first else 0
        by_size = int(np.searchsorted(sizes, done + _BYTES_PER_CHUNK, side="right"))
        last = max(first + 1, min(by_size, first + _SPANS_PER_CHUNK))
        yield _decode_runs(buffer, runs[first:last])
        first = last


def _decode_runs(buffer: Bytes, runs: Spans) -> tuple[UInt64s, Int64s]:
    payload, bounds = _gather(buffer, runs)
    if not len(payload):
        return np.zeros(0, np.uint64), np.zeros(len(runs), np.int64)
    is_last = payload < 128
    filled = bounds[1:] > bounds[:-1]
    if not is_last[bounds[1:][filled] - 1].all():
        raise WireError("a field of it ends in the middle of a number")
    stops = np.flatnonzero(is_last)
    counts = np.diff(np.searchsorted(stops, bounds))
    return _numbers(payload, stops), counts


def _gather(buffer: Bytes, runs: Spans) -> tuple[Bytes, Int64s]:
    """Return the bytes of the runs joined, and where each run begins and ends in them."""
    bounds = np.zeros(len(runs) + 1, np.int64)
    np.cumsum(runs.end - runs.start, out=bounds[1:])
    filled = runs.end > runs.start
    start, end = runs.start[filled], runs.end[filled]
    if not len(start):
        return buffer[:0], bounds
    low, high = int(start[0]), int(end[-1])
    step = np.zeros(high - low + 1, np.int8)
    # A run may start where the one before it ends: there the two steps cancel out.
    step[start - low] += 1
    step[end - low] -= 1
    inside = np.cumsum(step[:-1], dtype=np.int8).view(np.bool_)
    return buffer[low:high][inside], bounds


def _numbers(payload: Bytes, stops: Int64s) -> UInt64s:
    """Assemble varints from their last, most significant byte to their first."""
    lengths = np.diff(stops, prepend=-1)
    longest = int(lengths.max())
    if longest > _MAX_VARINT_BYTES:
        raise WireError("it has a number of more than 10 bytes")
    # Half as wide is nearly twice as fast, and nearly all numbers are that small.
    kind = np.uint32 if longest <= 4 else np.uint64
    seven = kind(7)
    value: npt.NDArray[Any] = payload[stops].astype(kind)
    for back in range(1, longest):
        longer = lengths > back
        if 2 * np.count_nonzero(longer) > len(stops):
            byte = payload[np.maximum(stops - back, 0)] & 127
            value = np.where(longer, value << seven | byte, value)
        else:
            rows = np.flatnonzero(longer)
            byte = payload[stops[rows] - back] & 127
            value[rows] = value[rows] << seven | byte
    return value.astype(np.uint64)
