"""The fast decoder against the wire format's freedoms, its slow twin, and hostile bytes."""

import contextlib
import itertools

import numpy as np
import pytest
from builders.profiles import Fixed, Row, as_data, heap, message
from builders.slow_decoder import resolved, slow_decode
from hypothesis import given
from hypothesis import strategies as st

from memsnap.errors import FormatError
from memsnap.pprof.decode import decode
from memsnap.pprof.encode import encode
from memsnap.pprof.wire import MAX_FIELDS_PER_MESSAGE

STRINGS = ["", "inuse_space", "bytes", "main.f", "main.go", "type", "[]uint8", "é"]


def strings(texts=STRINGS):
    return [(6, text) for text in texts]


def refused(data):
    with pytest.raises(FormatError) as caught:
        decode(data, name="a.pb")
    assert "a.pb" in caught.value.message
    return caught.value.message


TWO_LOCATIONS = ((4, message((1, 1))), (4, message((1, 2))))


def one_sample(*fields, locations=TWO_LOCATIONS, more=()):
    return message(
        (1, message((1, 1), (2, 2))), (2, message(*fields)), *locations, *strings(), *more
    )


def test_fields_may_come_in_any_order():
    parts = [
        (1, message((1, 1), (2, 2))),
        (2, message((2, [5]), (1, [2, 1]))),
        (2, message((1, [1]), (2, [6]))),
        (4, message((1, 1), (3, 0x1000))),
        (4, message((3, 0x2000), (1, 2))),
        (5, message((2, 3), (1, 9))),
        *strings(),
    ]
    reordered = parts[::-1]
    reordered[: len(STRINGS)] = strings()

    profile = decode(message(*reordered), name="a.pb")

    assert profile.stack.tolist() == [1, 0, 1]  # the samples and locations are reversed, too
    assert profile.values.tolist() == [[6], [5]]
    assert profile.locations.address.tolist() == [0x2000, 0x1000]


@pytest.mark.parametrize(
    "stack",
    [
        [(1, [1, 2, 1])],
        [(1, 1), (1, 2), (1, 1)],
        [(1, [1]), (1, 2), (1, [1])],
        [(1, []), (1, [1, 2]), (1, 1), (1, [])],
    ],
    ids=["packed", "unpacked", "mixed", "with empty pieces"],
)
def test_repeated_numbers_may_be_packed_or_not(stack):
    profile = decode(one_sample((2, 7), *stack), name="a.pb")

    assert profile.stack.tolist() == [0, 1, 0]
    assert profile.values.tolist() == [[7]]


def test_pieces_of_one_stack_may_lie_among_other_fields():
    label = message((1, 5), (2, 6))
    profile = decode(one_sample((1, 1), (3, label), (2, [7]), (1, 2), (3, label)), name="a.pb")

    assert profile.stack.tolist() == [0, 1]
    assert profile.labels.sample.tolist() == [0, 0]


def test_unknown_fields_of_every_wire_type_are_skipped():
    unknown = [(99, 1 << 63), (98, b"x" * 300), (97, Fixed(b"\xff" * 8)), (96, Fixed(b"\xff" * 4))]
    data = message(
        *unknown,
        (1, message(*unknown, (1, 1), (2, 2))),
        (2, message(*unknown, (1, [1]), *unknown, (2, [3]), *unknown)),
        (4, message(*unknown, (1, 1), *unknown)),
        *strings(),
        *unknown,
    )

    assert resolved(decode(data, name="a.pb")) == slow_decode(data)


def test_the_last_of_a_repeated_scalar_counts():
    data = one_sample((2, 1), locations=[(4, message((3, 5), (1, 7), (1, 1), (3, 6)))])

    assert decode(data, name="a.pb").locations.address.tolist() == [6]


def test_ids_may_be_any_numbers():
    ids = [1 << 63, 5, (1 << 64) - 1]
    locations = [(4, message((1, number), (3, place))) for place, number in enumerate(ids)]
    data = one_sample((1, [*ids, 5]), (2, 1), locations=locations)

    assert decode(data, name="a.pb").stack.tolist() == [0, 1, 2, 1]


def test_values_are_signed_64_bit():
    extremes = [(1 << 63) - 1, -(1 << 63), -1, 0]
    types = [(1, message((1, 1)))] * 4
    data = message(*types, (2, message((2, extremes))), *strings())

    assert decode(data, name="a.pb").values.tolist() == [extremes]


def test_strings_that_are_not_utf8_are_replaced():
    data = message((1, b""), (6, b""), (6, b"caf\xe9"))

    assert decode(data, name="a.pb").strings == ("", "caf\ufffd")


def test_the_extension_is_kept_byte_for_byte():
    data = message((1, b""), (6, b""), (1000, b"\x00\xffanything"))

    assert decode(data, name="a.pb").extension == b"\x00\xffanything"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "string table"),
        (message((1, b""), (6, b"x")), "string table"),
        (message((6, b"")), "no sample types"),
        (one_sample((2, [1, 2])), "2 values"),
        (one_sample((1, [1])), "0 values"),
        (one_sample((2, 1), (1, [3])), "location"),
        (one_sample((2, 1), (1, [0])), "location"),
        (one_sample((2, 1), (3, message((1, 8)))), "string"),
        (one_sample((2, 1), (3, message((2, 1 << 63)))), "string"),
        (one_sample((2, 1), more=[(14, 8)]), "string"),
        (one_sample((2, 1), more=[(13, [1, 99])]), "string"),
        (one_sample((2, 1), more=[(5, message((1, 1), (2, 8)))]), "string"),
        (one_sample((2, 1), locations=[(4, b"")]), "no id"),
        (one_sample((2, 1), locations=[(4, message((1, 3)))] * 2), "same id"),
        (one_sample((2, 1), locations=[(4, message((1, 1), (2, 1)))]), "mapping"),
        (one_sample((2, 1), locations=[(4, message((1, 1), (4, message((1, 1)))))]), "function"),
        (one_sample((2, 1), locations=[(4, message((1, 1), (4, b"")))]), "function"),
        (one_sample((2, 1), (1, Fixed(b"12345678"))), "wire type 1"),
        (message((1, 5), (6, b"")), "wire type 0"),
        (message((1, b""), (6, b""), (12, b"x")), "wire type 2"),
        (one_sample((2, b"\x80" * 10 + b"\x01")), "10 bytes"),
        (one_sample((2, b"\x80")), "middle of a number"),
        (one_sample((2, 1)) + b"\x60" + b"\xff" * 11, "10 bytes"),
        (one_sample((2, 1)) + b"\x0b", "wire type 3"),
        (one_sample((2, 1)) + b"\x00\x00", "numbered 0"),
        (one_sample((2, 1)) + b"\x12\x7f", "middle of a field"),
        (one_sample((2, 1)) + b"\x12" + b"\xff" * 9 + b"\x01", "middle of a field"),
        (one_sample((2, 1)) + b"\x12\x02\x0a\x7f", "longer than the message"),
        (one_sample((2, 1)) + b"\x12\x0b\x0a" + b"\xff" * 9 + b"\x01", "longer than the message"),
        (one_sample((2, 1)) + b"\x12\x04\x0d123", "longer than the message"),
        (one_sample((2, 1)) + b"\x12\x02\x0b\x01", "wire type"),
        (one_sample((2, 1)) + b"\x12\x01\x08", "middle of a field"),
        (one_sample((2, 1)) + b"\x12\x02\x00\x01", "impossible field number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_breaks_the_rules_is_refused_with_the_reason(data, reason):
    assert reason in refused(data)


def test_a_message_of_very_many_fields_is_refused_early():
    at_most = [(1, 1)] * (MAX_FIELDS_PER_MESSAGE - 1)
    assert len(decode(one_sample((2, 1), *at_most), name="a.pb").stack) == len(at_most)

    assert "fields" in refused(one_sample((2, 1), (2, 1), *at_most))


def small_profile():
    return encode(
        heap(
            Row("main.leak leak.go:12 | main.run run.go:3 < main.main main.go:5", 48, 9, 7),
            Row("main.grow grow.go:8", 4096, 2, 1, type="[]uint8", kind="append"),
            time_nanos=1,
            comments=("hello",),
            extension=b"{}",
        )
    )


def test_a_profile_cut_anywhere_is_refused_or_complete_in_itself():
    data = small_profile()
    for size in range(len(data)):
        try:
            profile = decode(data[:size], name="a.pb")
        except FormatError:
            continue
        # Cut between two fields: what is left is a message of its own.
        assert resolved(profile) == slow_decode(data[:size])


@given(st.data())
def test_flipped_bytes_never_crash_and_never_read_differently_from_the_twin(data):
    content = bytearray(small_profile())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        profile = decode(bytes(content), name="a.pb")
    except FormatError:
        return
    assert resolved(profile) == slow_decode(bytes(content))


@given(st.binary(max_size=200))
def test_random_bytes_never_crash(content):
    for data in (content, b"\x0a\x00\x32\x00" + content, one_sample((2, 1)) + content):
        with contextlib.suppress(FormatError):
            decode(data, name="a.pb")


NUMBERS = st.one_of(st.integers(0, 300), st.integers(0, (1 << 64) - 1))
TEXT = st.integers(0, len(STRINGS) - 1)
UNKNOWN = st.sampled_from([(77, 5), (78, b"abc"), (79, Fixed(b"1234")), (80, Fixed(b"12345678"))])


@st.composite
def bodies(draw, *fields):
    """A message of the given (number, strategy) fields, shuffled, with some unknown ones."""
    chosen = [(number, draw(value)) for number, value in fields]
    chosen += draw(st.lists(UNKNOWN, max_size=2))
    return message(*draw(st.permutations(chosen)))


def split(draw, number, items):
    """One repeated number in packed and unpacked pieces, in order."""
    pieces, rest = [], list(items)
    while rest:
        size = draw(st.integers(1, len(rest)))
        pieces.append((number, rest[0] if size == 1 and draw(st.booleans()) else rest[:size]))
        rest = rest[size:]
    return pieces


@st.composite
def messages(draw):
    """A valid profile message that uses all the freedom of the wire format."""
    ids = [draw(st.lists(NUMBERS.filter(bool), unique=True, max_size=4)) for _ in range(3)]
    mapping_ids, function_ids, location_ids = ids
    width = draw(st.integers(1, 3))
    fields = [(1, draw(bodies((1, TEXT), (2, TEXT)))) for _ in range(width)]
    for number in mapping_ids:
        numeric = [(place, NUMBERS) for place in (2, 3, 4, 7, 8, 9, 10)]
        fields.append((3, draw(bodies((1, st.just(number)), (5, TEXT), (6, TEXT), *numeric))))
    for number in function_ids:
        texts = [(place, TEXT) for place in (2, 3, 4)]
        fields.append((5, draw(bodies((1, st.just(number)), (5, NUMBERS), *texts))))
    for number in location_ids:
        parts = [(1, st.just(number)), (3, NUMBERS), (5, st.integers(0, 2))]
        if mapping_ids:
            parts.append((2, st.sampled_from([0, *mapping_ids])))
        line = bodies((1, st.sampled_from(function_ids)), (2, NUMBERS), (3, NUMBERS))
        lines = draw(st.integers(0, 3)) if function_ids else 0
        fields.append((4, draw(bodies(*parts, *[(4, line)] * lines))))
    for _ in range(draw(st.integers(0, 6))):
        stack = draw(st.lists(st.sampled_from(location_ids), max_size=5)) if location_ids else []
        pieces = split(draw, 1, stack)
        values = split(draw, 2, draw(st.lists(NUMBERS, min_size=width, max_size=width)))
        label = bodies((1, TEXT), (2, TEXT), (3, NUMBERS), (4, TEXT))
        labels = [(3, draw(label)) for _ in range(draw(st.integers(0, 2)))]
        order = draw(st.permutations([pieces, values, labels]))
        fields.append((2, message(*itertools.chain(*order))))
    scalars = [(9, NUMBERS), (10, NUMBERS), (12, NUMBERS), *[(n, TEXT) for n in (7, 8, 14, 15)]]
    fields += [(number, draw(value)) for number, value in scalars if draw(st.booleans())]
    fields += [(1000, draw(st.binary(max_size=5)))] * draw(st.integers(0, 1))
    fields += [(13, draw(st.lists(TEXT, max_size=3)))] * draw(st.integers(0, 1))
    fields += [(11, draw(bodies((1, TEXT), (2, TEXT))))] * draw(st.integers(0, 1))
    rest = draw(st.permutations(fields))
    return message(*rest, *strings())


@given(messages())
def test_it_reads_what_the_slow_twin_reads(data):
    assert resolved(decode(data, name="a.pb")) == slow_decode(data)


@given(messages())
def test_what_is_encoded_again_decodes_to_equal_columns(data):
    profile = decode(data, name="a.pb")

    again = decode(encode(profile), name="again")

    assert as_data(again) == as_data(profile)
    assert again.stack.dtype == np.int32
    assert again.labels.number.dtype == np.int64
