"""A slow, obvious decoder of profile.proto: the twin that the fast one is checked against.

One message after the other, one field after the other, dicts of lists; no checks.
"""

from collections import defaultdict

from memsnap.pprof.profile import Profile


def slow_decode(data: bytes) -> dict[str, object]:
    """Return what a valid message says, in the shape of `as_data` but with texts resolved."""
    top = _fields(data)
    strings = [text.decode("utf-8", "replace") for text in top[6]]
    places = {
        number: {_last(_fields(body), 1): place for place, body in enumerate(top[number])}
        for number in (3, 4, 5)
    }
    return {
        "types": [_value_type(body, strings) for body in top[1]],
        "samples": [_sample(body, strings, places[4]) for body in top[2]],
        "locations": [_location(body, places) for body in top[4]],
        "functions": [_function(body, strings) for body in top[5]],
        "mappings": [_mapping(body, strings) for body in top[3]],
        "period": (_signed(_last(top, 12)), [_value_type(b, strings) for b in top[11]][-1:]),
        "times": (_signed(_last(top, 9)), _signed(_last(top, 10))),
        "texts": [strings[_last(top, number)] for number in (7, 8, 14, 15)],
        "comments": [strings[place] for place in _numbers(top[13])],
        "extension": top[1000][-1] if top[1000] else b"",
    }


def resolved(profile: Profile) -> dict[str, object]:
    """Return a profile of the fast decoder in the shape of `slow_decode`."""
    strings = profile.strings
    labels = defaultdict(list)
    for sample, key, string, number, unit in zip(
        *(getattr(profile.labels, name).tolist() for name in profile.labels.__slots__), strict=True
    ):
        value = number if string < 0 else strings[string]
        labels[sample].append((strings[key], value, strings[unit]))
    stack, bounds = profile.stack.tolist(), profile.stack_start.tolist()
    places = profile.locations
    lines = list(
        zip(
            places.line_function.tolist(),
            places.line_number.tolist(),
            places.line_column.tolist(),
            strict=True,
        )
    )
    line_bounds = places.line_start.tolist()
    return {
        "types": [(kind.type, kind.unit) for kind in profile.sample_types],
        "samples": [
            (stack[bounds[row] : bounds[row + 1]], values, labels[row])
            for row, values in enumerate(profile.values.tolist())
        ],
        "locations": [
            (mapping, address, lines[line_bounds[row] : line_bounds[row + 1]], folded)
            for row, (mapping, address, folded) in enumerate(
                zip(
                    places.mapping.tolist(),
                    places.address.tolist(),
                    places.is_folded.tolist(),
                    strict=True,
                )
            )
        ],
        "functions": [
            (strings[name], strings[system], strings[file], line)
            for name, system, file, line in zip(
                *(
                    getattr(profile.functions, name).tolist()
                    for name in profile.functions.__slots__
                ),
                strict=True,
            )
        ],
        "mappings": [
            tuple(getattr(mapping, name) for name in mapping.__slots__)
            for mapping in profile.mappings
        ],
        "period": (
            profile.period,
            [(profile.period_type.type, profile.period_type.unit)] if profile.period_type else [],
        ),
        "times": (profile.time_nanos, profile.duration_nanos),
        "texts": [
            profile.drop_frames,
            profile.keep_frames,
            profile.default_sample_type,
            profile.doc_url,
        ],
        "comments": list(profile.comments),
        "extension": profile.extension,
    }


def _fields(data: bytes) -> defaultdict[int, list]:
    fields: defaultdict[int, list] = defaultdict(list)
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 == 0:
            value, position = _varint(data, position)
        elif tag & 7 == 2:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
        else:
            width = {1: 8, 5: 4}[tag & 7]
            value, position = data[position : position + width], position + width
        fields[tag >> 3].append(value)
    return fields


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while data[position] & 128:
        value |= (data[position] & 127) << shift
        shift += 7
        position += 1
    return (value | data[position] << shift) % (1 << 64), position + 1


def _numbers(values: list) -> list[int]:
    """Return a repeated number, each of its values packed or not."""
    numbers = []
    for value in values:
        if isinstance(value, int):
            numbers.append(value)
            continue
        position = 0
        while position < len(value):
            number, position = _varint(value, position)
            numbers.append(number)
    return numbers


def _last(fields: defaultdict[int, list], number: int) -> int:
    return fields[number][-1] if fields[number] else 0


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _value_type(body: bytes, strings: list[str]) -> tuple[str, str]:
    fields = _fields(body)
    return strings[_last(fields, 1)], strings[_last(fields, 2)]


def _sample(body: bytes, strings: list[str], places: dict[int, int]) -> tuple:
    fields = _fields(body)
    stack = [places[number] for number in _numbers(fields[1])]
    values = [_signed(number) for number in _numbers(fields[2])]
    return stack, values, [_label(label, strings) for label in fields[3]]


def _label(body: bytes, strings: list[str]) -> tuple[str, str | int, str]:
    fields = _fields(body)
    text = _last(fields, 2)
    value = strings[text] if text else _signed(_last(fields, 3))
    return strings[_last(fields, 1)], value, strings[_last(fields, 4)]


def _location(body: bytes, places: dict[int, dict[int, int]]) -> tuple:
    fields = _fields(body)
    mapping = _last(fields, 2)
    lines = []
    for part in fields[4]:
        line = _fields(part)
        column = _signed(_last(line, 3))
        lines.append((places[5][_last(line, 1)], _signed(_last(line, 2)), column))
    mapping_place = places[3][mapping] if mapping else -1
    return mapping_place, _last(fields, 3), lines, bool(_last(fields, 5))


def _function(body: bytes, strings: list[str]) -> tuple:
    fields = _fields(body)
    texts = (strings[_last(fields, number)] for number in (2, 3, 4))
    return (*texts, _signed(_last(fields, 5)))


def _mapping(body: bytes, strings: list[str]) -> tuple:
    fields = _fields(body)
    numbers = (_last(fields, number) for number in (2, 3, 4))
    texts = (strings[_last(fields, number)] for number in (5, 6))
    return (*numbers, *texts, *(bool(_last(fields, number)) for number in (7, 8, 9, 10)))
