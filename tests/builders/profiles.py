"""Profiles from readable data: a test says what it is about, the rest has a plain default.

    heap(
        Row("main.leak leak.go:12 < main.main main.go:5", size=48, alloc=9, live=7),
        Row("net/http.(*conn).serve server.go:2009", size=4096, alloc=1, live=0, type="[]uint8"),
    )

A stack is written leaf first, its locations parted by ` < `; a location with inlined calls has
several lines, innermost first, parted by ` | `.  A line is `function file:line`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from memsnap.pprof.profile import Functions, Labels, Locations, Mapping, Profile, ValueType

HEAP_TYPES = (
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
)
DEFAULT_RATE = 512 * 1024
MAIN = Mapping(
    start=0x400000,
    limit=0x800000,
    file="/srv/app",
    build_id="c0ffee",
    has_functions=True,
    has_filenames=True,
    has_line_numbers=True,
    has_inline_frames=True,
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample as it stands in a profile: values as they are, labels of text or number."""

    stack: str
    values: Sequence[int]
    labels: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One bucket of Go's heap profiler: raw, unscaled counts of sampled objects of one size."""

    stack: str
    size: int
    alloc: int
    live: int
    type: str = ""
    kind: str = ""


def heap(*rows: Row, rate: int = DEFAULT_RATE, **header: object) -> Profile:
    """Return the heap profile that Go would write for these buckets at this rate."""
    samples = [
        Sample(
            stack=row.stack,
            values=(*scaled(row.alloc, row.size, rate), *scaled(row.live, row.size, rate)),
            labels={"bytes": row.size}
            | ({"type": row.type} if row.type else {})
            | ({"alloc": row.kind} if row.kind else {}),
        )
        for row in rows
    ]
    return build(samples, period=rate, **header)


def scaled(count: int, size: int, rate: int) -> tuple[int, int]:
    """Return objects and bytes as Go estimates them (runtime/pprof, scaleHeapSample)."""
    if count == 0 or size == 0:
        return 0, 0
    if rate <= 1:
        return count, count * size
    scale = 1 / (1 - math.exp(-float(size) / float(rate)))
    return int(float(count) * scale), int(float(count * size) * scale)


def build(
    samples: Iterable[Sample],
    *,
    types: Sequence[tuple[str, str]] = HEAP_TYPES,
    period_type: tuple[str, str] | None = ("space", "bytes"),
    period: int = DEFAULT_RATE,
    mapping: Mapping | None = MAIN,
    units: dict[str, str] | None = None,
    **header: object,
) -> Profile:
    """Return a profile of any kind; `header` holds further fields of `Profile`.

    `units` gives the unit of a numeric label by its key.
    """
    samples = list(samples)
    tables = _Tables()
    for text in _header_texts(types, period_type, mapping, header):
        tables.string(text)
    stacks = [tables.stack(sample.stack) for sample in samples]
    labels = [
        _label(tables, row, key, value, (units or {}).get(key, ""))
        for row, sample in enumerate(samples)
        for key, value in sample.labels.items()
    ]
    label_columns = list(zip(*labels, strict=True)) or [()] * 5
    functions = list(zip(*tables.functions, strict=True)) or [()] * 2
    lines = [line for location in tables.locations for line in location]
    return Profile(
        sample_types=tuple(ValueType(*pair) for pair in types),
        values=np.array([sample.values for sample in samples], np.int64).reshape(-1, len(types)),
        stack_start=_starts(len(stack) for stack in stacks),
        stack=np.array([index for stack in stacks for index in stack], np.int32),
        labels=Labels(
            sample=np.array(label_columns[0], np.int32),
            key=np.array(label_columns[1], np.int32),
            string=np.array(label_columns[2], np.int32),
            number=np.array(label_columns[3], np.int64),
            unit=np.array(label_columns[4], np.int32),
        ),
        locations=Locations(
            mapping=np.full(len(tables.locations), -1 if mapping is None else 0, np.int32),
            address=np.array([0x401000 + 16 * i for i in range(len(tables.locations))], np.uint64),
            is_folded=np.zeros(len(tables.locations), np.bool_),
            line_start=_starts(len(location) for location in tables.locations),
            line_function=np.array([function for function, _ in lines], np.int32),
            line_number=np.array([number for _, number in lines], np.int64),
            line_column=np.zeros(len(lines), np.int64),
        ),
        functions=Functions(
            name=np.array(functions[0], np.int32),
            system_name=np.array(functions[0], np.int32),
            file=np.array(functions[1], np.int32),
            start_line=np.zeros(len(tables.functions), np.int64),
        ),
        mappings=() if mapping is None else (mapping,),
        strings=tuple(tables.strings),
        period_type=ValueType(*period_type) if period_type else None,
        period=period,
        **header,  # type: ignore[arg-type]
    )


def _header_texts(
    types: Sequence[tuple[str, str]],
    period_type: tuple[str, str] | None,
    mapping: Mapping | None,
    header: dict[str, object],
) -> list[str]:
    texts = [text for pair in types for text in pair]
    texts += period_type or ()
    texts += (mapping.file, mapping.build_id) if mapping else ()
    texts += [value for value in header.values() if isinstance(value, str)]
    return texts + list(header.get("comments", ()))


class _Tables:
    """Strings, functions and locations, each kept once in the order of their first use."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {"": 0}
        self.functions: dict[tuple[int, int], int] = {}
        self.locations: dict[tuple[tuple[int, int], ...], int] = {}

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def stack(self, text: str) -> list[int]:
        return [self._location(part) for part in text.split(" < ")] if text else []

    def _location(self, text: str) -> int:
        lines = tuple(self._line(part) for part in text.split(" | "))
        return self.locations.setdefault(lines, len(self.locations))

    def _line(self, text: str) -> tuple[int, int]:
        function, _, place = text.rpartition(" ")
        file, _, number = place.rpartition(":")
        key = self.string(function), self.string(file)
        return self.functions.setdefault(key, len(self.functions)), int(number)


def _label(
    tables: _Tables, sample: int, key: str, value: str | int, unit: str
) -> tuple[int, int, int, int, int]:
    if isinstance(value, str):
        return sample, tables.string(key), tables.string(value), 0, 0
    return sample, tables.string(key), -1, value, tables.string(unit)


def _starts(lengths: Iterable[int]) -> np.ndarray:
    return np.cumsum([0, *lengths], dtype=np.int64)


def as_data(profile: Profile) -> dict[str, object]:
    """Return a profile as plain lists, to compare two with `==`."""

    def columns(part: object) -> dict[str, list]:
        return {name: getattr(part, name).tolist() for name in part.__slots__}  # type: ignore[attr-defined]

    plain = {name: getattr(profile, name) for name in Profile.__slots__}
    for name in ("values", "stack_start", "stack"):
        plain[name] = plain[name].tolist()
    for name in ("labels", "locations", "functions"):
        plain[name] = columns(plain[name])
    return plain


def message(*fields: tuple[int, object]) -> bytes:
    """Return a protobuf message, field by field: an int is a varint, bytes or str a length and
    content, a list of ints a packed field, `Fixed` eight or four bytes.
    """
    return b"".join(_field(number, value) for number, value in fields)


@dataclass(frozen=True)
class Fixed:
    """A field of eight or four bytes, which no message of pprof has: readers must skip it."""

    content: bytes


def _field(number: int, value: object) -> bytes:
    match value:
        case int():
            return varint(number << 3) + varint(value)
        case Fixed(content):
            return varint(number << 3 | (1 if len(content) == 8 else 5)) + content
        case str():
            return _field(number, value.encode())
        case bytes():
            return varint(number << 3 | 2) + varint(len(value)) + value
        case list():
            return _field(number, b"".join(varint(item) for item in value))
    raise TypeError(value)


def varint(value: int) -> bytes:
    """Return a number as protobuf writes it; negative ones take ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
