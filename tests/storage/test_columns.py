"""Samples go into blobs and come out bit for bit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from builders.profiles import scaled
from hypothesis import given
from hypothesis import strategies as st

from memsnap.errors import FormatError
from memsnap.storage.columns import decode, encode, roles, scales

RATE = 512 * 1024
ANY = st.integers(-(2**63), 2**63 - 1)


def _roles(values):
    return np.arange(values.shape[1])


def _blob():
    values = np.ones((9, 4), np.int64)
    return encode(
        np.arange(9), values, object_bytes=np.ones(9, np.int64), rate=1, roles=_roles(values)
    )


def _round_trip(sites, values, object_bytes, rate):
    sites, values = np.array(sites, np.int64), np.array(values, np.int64)
    blob = encode(
        sites,
        values,
        object_bytes=np.array(object_bytes, np.int64),
        rate=rate,
        roles=_roles(values),
    )
    raw = decode(blob)
    sizes = dict(zip(sites.tolist(), object_bytes, strict=True))
    ordered = np.array([sizes[site] for site in raw.sites.tolist()], np.int64)
    return raw, raw.values(ordered, scales(ordered, rate))


@st.composite
def _hostile(draw):
    columns = draw(st.integers(0, 5))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2**31 - 1),
                st.lists(ANY | st.integers(0, 9), min_size=columns, max_size=columns),
            ),
            max_size=20,
        )
    )
    sizes = {site: draw(ANY | st.integers(0, 5000)) for site, _ in rows}
    return rows, columns, sizes, draw(ANY | st.sampled_from([0, 1, RATE]))


@given(_hostile())
def test_any_integers_come_back_as_they_were(case):
    rows, columns, sizes, rate = case
    sites = np.array([site for site, _ in rows], np.int64)
    values = np.array([row for _, row in rows], np.int64).reshape(len(rows), columns)
    object_bytes = np.array([sizes[site] for site, _ in rows], np.int64)

    blob = encode(sites, values, object_bytes=object_bytes, rate=rate, roles=_roles(values))
    raw = decode(blob)

    widths = np.array([sizes[site] for site in raw.sites.tolist()], np.int64)
    again = raw.values(widths, scales(widths, rate))
    order = np.argsort(sites, kind="stable")
    assert raw.sites.tolist() == sites[order].tolist()
    assert again.tolist() == values[order].tolist()


@given(
    st.lists(
        st.tuples(st.integers(1, 1 << 40), st.integers(0, 10_000), st.integers(0, 10_000)),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([1, 4096, RATE]),
)
def test_what_go_estimates_is_stored_as_counts(buckets, rate):
    values = [
        (*scaled(alloc, size, rate), *scaled(live, size, rate)) for size, alloc, live in buckets
    ]

    raw, again = _round_trip(range(len(buckets)), values, [size for size, *_ in buckets], rate)

    assert again.tolist() == [list(row) for row in values]
    counted = np.setdiff1d(np.arange(len(buckets)), raw.odd)
    for place in counted.tolist():
        assert raw.counts[:, place].tolist() == list(buckets[place][1:])
    small = [place for place, (size, alloc, _) in enumerate(buckets) if size * alloc < 1 << 40]
    # The exponential of this machine may differ in its last bit from the correct one.
    assert len(set(small) & set(raw.odd.tolist())) <= len(buckets) // 4 + 1


def test_values_that_no_count_explains_are_kept_beside_the_others():
    values = [scaled(3, 48, RATE) * 2, (5, 7, 5, 8), scaled(2, 64, RATE) * 2]

    raw, again = _round_trip([4, 9, 4], values, [48, 48, 48], RATE)

    assert raw.odd.tolist() == [1, 2]
    assert again.tolist() == [list(values[0]), list(values[2]), list(values[1])]


def test_some_of_the_samples_are_those_of_all():
    values = np.array([[2, 96], [5, 7], [1, 48], [9, 9]])
    sizes = np.full(4, 48)
    raw = decode(encode(np.arange(4), values, object_bytes=sizes, rate=1, roles=_roles(values)))

    for places in ([], [0], [1], [0, 1], [1, 2, 3], [0, 1, 2, 3]):
        some = raw.taken(np.array(places, np.intp))
        assert some.sites.tolist() == places
        assert (
            some.values(np.full(len(places), 48), np.ones(len(places))).tolist()
            == values[places].tolist()
        )


def test_the_exponential_of_the_factor_is_rounded_correctly():
    def exp(x: Fraction) -> float:
        return float(sum(x**n / math.factorial(n) for n in range(120)))

    sizes = [1, 16, 24, 48, 1024, 524288, 10_000_000]

    factors = scales(np.array([*sizes, 0]), RATE)

    assert factors.tolist() == [1 / (1 - exp(Fraction(-size, RATE))) for size in sizes] + [1.0]


@pytest.mark.parametrize("cut", [0, 1, 5, -1])
def test_a_damaged_blob_is_a_format_error(cut):
    blob = _blob()

    with pytest.raises(FormatError, match="samples in the store"):
        decode(blob[:cut])


def test_a_blob_of_a_newer_version_says_so():
    blob = _blob()

    with pytest.raises(FormatError, match="newer memsnap"):
        decode(bytes([200]) + blob[1:])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("alloc_objects", "alloc_space", "inuse_objects", "inuse_space"), [0, 1, 2, 3]),
        (("inuse_space", "inuse_objects", "objects"), [3, 2, -1]),
        (("objects", "space"), [2, 3]),
        (("samples", "cpu"), [-1, -1]),
    ],
)
def test_what_the_values_are_is_known_by_their_names(names, expected):
    assert roles(names).tolist() == expected
