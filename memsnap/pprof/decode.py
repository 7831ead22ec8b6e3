"""Reading profile.proto: uncompressed bytes become a checked `Profile` of numpy columns.

The field numbers are those of google/pprof, `proto/profile.proto`.  What a `Profile` promises is
checked here and nowhere else.  Compression and older formats belong to `envelope` and `legacy`.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from memsnap.errors import FormatError
from memsnap.pprof.profile import (
    EXTENSION_FIELD,
    Functions,
    Int32s,
    Int64s,
    Labels,
    Locations,
    Mapping,
    Profile,
    UInt64s,
    ValueType,
)
from memsnap.pprof.wire import (
    LENGTH_DELIMITED,
    VARINT,
    Bytes,
    Fields,
    Spans,
    WireError,
    frames,
    varints,
    walk,
)

_MESSAGES = frozenset({1, 2, 3, 4, 5, 6, 11, EXTENSION_FIELD})
_SCALARS = frozenset({7, 8, 9, 10, 12, 14, 15})
_COMMENT = 13
_FIELDS = _MESSAGES | _SCALARS | {_COMMENT}

_MAX_SAMPLE_TYPES = 256
_MAX_MAPPINGS = 1 << 16
_NO_SPANS = Spans(np.zeros(0, np.int32), np.zeros(0, np.int32))


def decode(data: bytes, *, name: str) -> Profile:
    """Return the profile that `data`, an uncompressed profile.proto message, holds.

    Raises FormatError, naming `name`, for anything that breaks the wire format or the rules of
    the message: indices and ids out of range, values that do not match the sample types.
    """
    try:
        return _Decoder(data).profile()
    except WireError as error:
        raise FormatError(
            f"{name} is not a readable pprof profile: {error}",
            hint="fetch it again; it may have been cut short on the way",
        ) from error


_Scalar = TypeVar("_Scalar", bound=np.signedinteger)


class _Samples(NamedTuple):
    values: Int64s
    stack_start: Int64s
    stack: Int32s
    labels: Labels


class _Decoder:
    """The parts of one message, read in the order in which they refer to each other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.buffer: Bytes = np.frombuffer(data, np.uint8)
        self.spans = frames(data, _FIELDS)
        for tag in self.spans:
            _check_wire(tag >> 3, tag & 7)
        self.strings = self._strings()

    def profile(self) -> Profile:
        sample_types = self._value_types(self._messages(1))
        if not sample_types:
            raise WireError("it names no sample types")
        mappings, mapping_ids = self._mappings()
        functions, function_ids = self._functions()
        locations, location_ids = self._locations(mapping_ids, function_ids)
        samples = self._samples(len(sample_types), location_ids)
        period_types = self._value_types(self._messages(11)[-1:])
        comments = self._texts(self._comments())
        return Profile(
            sample_types=sample_types,
            values=samples.values,
            stack_start=samples.stack_start,
            stack=samples.stack,
            labels=samples.labels,
            locations=locations,
            functions=functions,
            mappings=mappings,
            strings=self.strings,
            default_sample_type=self._text(14),
            period_type=period_types[0] if period_types else None,
            period=self._integer(12),
            time_nanos=self._integer(9),
            duration_nanos=self._integer(10),
            drop_frames=self._text(7),
            keep_frames=self._text(8),
            doc_url=self._text(15),
            comments=comments,
            extension=self._extension(),
        )

    def _messages(self, number: int) -> Spans:
        return self.spans.get(number << 3 | LENGTH_DELIMITED, _NO_SPANS)

    def _strings(self) -> tuple[str, ...]:
        spans = self._messages(6)
        data = self.data
        strings = tuple(
            [
                str(data[start:end], "utf-8", "replace")
                for start, end in zip(spans.start.tolist(), spans.end.tolist(), strict=True)
            ]
        )
        if not strings or strings[0]:
            raise WireError("its string table does not start with the empty string")
        return strings

    def _scalar(self, number: int) -> int:
        spans = self.spans.get(number << 3 | VARINT, _NO_SPANS)
        last = [int(numbers[-1]) for numbers, _ in varints(self.buffer, spans[-1:])]
        return last[0] if last else 0

    def _integer(self, number: int) -> int:
        value = self._scalar(number)
        return value - (1 << 64) if value >= 1 << 63 else value

    def _text(self, number: int) -> str:
        return self._texts(np.array([self._scalar(number)], np.uint64))[0]

    def _texts(self, indices: UInt64s) -> tuple[str, ...]:
        return tuple(self.strings[index] for index in self._string_indices(indices).tolist())

    def _string_indices(self, indices: UInt64s) -> Int32s:
        if (indices >= len(self.strings)).any():
            raise WireError("it refers to a string that its string table does not have")
        return indices.astype(np.int32)

    def _comments(self) -> UInt64s:
        pieces = [
            numbers
            for wire in (VARINT, LENGTH_DELIMITED)
            for numbers, _ in varints(self.buffer, self.spans.get(_COMMENT << 3 | wire, _NO_SPANS))
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)

    def _extension(self) -> bytes:
        spans = self._messages(EXTENSION_FIELD)
        if not len(spans):
            return b""
        return self.data[int(spans.start[-1]) : int(spans.end[-1])]

    def _value_types(self, messages: Spans) -> tuple[ValueType, ...]:
        if len(messages) > _MAX_SAMPLE_TYPES:
            raise WireError(f"it names {len(messages)} sample types")
        fields = walk(self.buffer, messages)
        kinds = self._texts(fields.last(1, len(messages)))
        units = self._texts(fields.last(2, len(messages)))
        return tuple(ValueType(kind, unit) for kind, unit in zip(kinds, units, strict=True))

    def _mappings(self) -> tuple[tuple[Mapping, ...], "_Ids"]:
        messages = self._messages(3)
        count = len(messages)
        if count > _MAX_MAPPINGS:
            raise WireError(f"it names {count} mappings")
        fields = walk(self.buffer, messages)
        ids = _Ids("mapping", fields.last(1, count))
        numbers = (fields.last(number, count).tolist() for number in (2, 3, 4))
        texts = (self._texts(fields.last(number, count)) for number in (5, 6))
        flags = (fields.last(number, count).astype(np.bool_).tolist() for number in (7, 8, 9, 10))
        mappings = tuple(
            Mapping(
                start=start,
                limit=limit,
                offset=offset,
                file=file,
                build_id=build_id,
                has_functions=has[0],
                has_filenames=has[1],
                has_line_numbers=has[2],
                has_inline_frames=has[3],
            )
            for start, limit, offset, file, build_id, *has in zip(
                *numbers, *texts, *flags, strict=True
            )
        )
        return mappings, ids

    def _functions(self) -> tuple[Functions, "_Ids"]:
        messages = self._messages(5)
        count = len(messages)
        fields = walk(self.buffer, messages)
        ids = _Ids("function", fields.last(1, count))
        functions = Functions(
            name=self._string_indices(fields.last(2, count)),
            system_name=self._string_indices(fields.last(3, count)),
            file=self._string_indices(fields.last(4, count)),
            start_line=fields.last(5, count).view(np.int64),
        )
        return functions, ids

    def _locations(self, mapping_ids: "_Ids", function_ids: "_Ids") -> tuple[Locations, "_Ids"]:
        messages = self._messages(4)
        count = len(messages)
        fields = walk(self.buffer, messages)
        ids = _Ids("location", fields.last(1, count))
        mapping_id = fields.last(2, count)
        mapping = np.full(count, -1, np.int32)
        mapping[mapping_id > 0] = mapping_ids.indices(mapping_id[mapping_id > 0])
        line = fields.of(4, LENGTH_DELIMITED)
        line_fields = walk(self.buffer, line.span)
        locations = Locations(
            mapping=mapping,
            address=fields.last(3, count),
            is_folded=fields.last(5, count).astype(np.bool_),
            line_start=_starts(np.bincount(line.message, minlength=count)),
            line_function=function_ids.indices(line_fields.last(1, len(line.message))),
            line_number=line_fields.last(2, len(line.message)).view(np.int64),
            line_column=line_fields.last(3, len(line.message)).view(np.int64),
        )
        return locations, ids

    def _samples(self, width: int, location_ids: "_Ids") -> _Samples:
        messages = self._messages(2)
        fields = walk(self.buffer, messages)
        count = len(messages)
        values, lengths = self._repeated(fields.of(2, VARINT, LENGTH_DELIMITED), count, _signed)
        if (lengths != width).any():
            got = int(lengths[lengths != width][0])
            raise WireError(f"a sample of it has {got} values where its sample types are {width}")
        stack, depths = self._repeated(
            fields.of(1, VARINT, LENGTH_DELIMITED), count, location_ids.indices
        )
        return _Samples(
            values=values.reshape(count, width),
            stack_start=_starts(depths),
            stack=stack,
            labels=self._labels(fields.of(3, LENGTH_DELIMITED)),
        )

    def _repeated(
        self, fields: Fields, count: int, convert: Callable[[UInt64s], npt.NDArray[_Scalar]]
    ) -> tuple[npt.NDArray[_Scalar], Int64s]:
        """Return a repeated number of `count` messages as one column, and how many each has."""
        pieces = [convert(np.zeros(0, np.uint64))]
        counts = [np.zeros(0, np.int64)]
        for numbers, per_run in varints(self.buffer, fields.span):
            pieces.append(convert(numbers))
            counts.append(per_run)
        lengths = np.zeros(count, np.int64)
        if (fields.message[1:] > fields.message[:-1]).all():
            lengths[fields.message] = np.concatenate(counts)
        else:
            np.add.at(lengths, fields.message, np.concatenate(counts))
        return np.concatenate(pieces), lengths

    def _labels(self, label: Fields) -> Labels:
        count = len(label.message)
        fields = walk(self.buffer, label.span)
        string = self._string_indices(fields.last(2, count))
        number = fields.last(3, count).view(np.int64)
        # A label is a text where it has one and a number otherwise (google/pprof, postDecode).
        is_text = string > 0
        return Labels(
            sample=label.message,
            key=self._string_indices(fields.last(1, count)),
            string=np.where(is_text, string, np.int32(-1)),
            number=np.where(is_text, 0, number),
            unit=self._string_indices(fields.last(4, count)),
        )


class _Ids:
    """The ids of one kind of message, and the way from an id to its index."""

    def __init__(self, kind: str, ids: UInt64s) -> None:
        self.kind = kind
        self.count = len(ids)
        if (ids == 0).any():
            raise WireError(f"a {kind} of it has no id")
        self.order = np.argsort(ids).astype(np.int32)
        self.sorted = ids[self.order]
        if (self.sorted[1:] == self.sorted[:-1]).any():
            raise WireError(f"two {kind}s of it have the same id")
        # Writers number from 1, nearly without gaps: then a table is the fastest way.
        largest = int(self.sorted[-1]) if self.count else 0
        self.table = np.full(largest + 1 if largest <= 4 * self.count + 4096 else 0, -1, np.int32)
        if len(self.table):
            self.table[ids] = np.arange(self.count, dtype=np.int32)

    def indices(self, ids: UInt64s) -> Int32s:
        """Return the indices of messages by their ids."""
        if len(self.table):
            if (ids >= len(self.table)).any():
                raise self._unknown()
            index = self.table[ids]
            if (index < 0).any():
                raise self._unknown()
            return index
        place = np.minimum(np.searchsorted(self.sorted, ids), self.count - 1)
        if (self.sorted[place] != ids).any():
            raise self._unknown()
        return self.order[place]

    def _unknown(self) -> WireError:
        return WireError(f"it refers to a {self.kind} that it does not have")


def _signed(numbers: UInt64s) -> Int64s:
    return numbers.view(np.int64)


def _starts(lengths: Int64s) -> Int64s:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _check_wire(number: int, wire: int) -> None:
    """Refuse a known field of the message itself that has another wire type than its own."""
    refused = VARINT if number in _MESSAGES else LENGTH_DELIMITED if number in _SCALARS else -1
    if wire not in (VARINT, LENGTH_DELIMITED) or wire == refused:
        raise WireError(f"field {number} has wire type {wire}")
