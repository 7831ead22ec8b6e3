"""Compression taken off: layers, limits, and what is damaged."""

import gzip
import sys
import zlib

import pytest

from memsnap.errors import FormatError
from memsnap.pprof.envelope import unwrap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = bytes(range(256)) * 5000  # more than one piece
LIMIT = 10 << 20


def refused(data, max_bytes=LIMIT):
    with pytest.raises(FormatError) as caught:
        unwrap(data, name="heap.pb.gz", max_bytes=max_bytes)
    assert "heap.pb.gz" in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "data",
    [
        CONTENT,
        gzip.compress(CONTENT),
        gzip.compress(gzip.compress(CONTENT)),
        zstd.compress(CONTENT),
        zstd.compress(gzip.compress(CONTENT)),
        gzip.compress(zstd.compress(gzip.compress(gzip.compress(CONTENT)))),
        gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]),
        gzip.compress(CONTENT) + bytes(500),
        zstd.compress(CONTENT[:1000]) + zstd.compress(CONTENT[1000:]),
    ],
    ids=[
        "plain",
        "gzip",
        "gzip in gzip",
        "zstd",
        "gzip in zstd",
        "four layers",
        "two gzip members",
        "padded with zeros",
        "two zstd frames",
    ],
)
def test_all_layers_come_off(data):
    assert unwrap(data, name="a", max_bytes=LIMIT) == CONTENT


def test_nothing_stays_nothing():
    assert unwrap(b"", name="a", max_bytes=LIMIT) == b""
    assert unwrap(gzip.compress(b""), name="a", max_bytes=LIMIT) == b""


def test_five_layers_are_too_many():
    data = CONTENT
    for _ in range(5):
        data = gzip.compress(data)

    assert "more than 4 times" in refused(data).message


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_a_bomb_is_refused_at_the_limit_and_says_how_to_raise_it(compress):
    bomb = compress(bytes(64 << 20))

    error = refused(bomb, max_bytes=1 << 20)

    assert "more than 1.00 MB" in error.message
    assert "--max-size" in error.hint


def test_a_bomb_in_a_bomb_is_refused():
    refused(gzip.compress(gzip.compress(bytes(256 << 20))), max_bytes=1 << 20)


def test_the_limit_holds_for_plain_data_and_allows_exactly_itself():
    assert unwrap(gzip.compress(bytes(1000)), name="a", max_bytes=1000) == bytes(1000)
    refused(bytes(1001), max_bytes=1000)
    refused(gzip.compress(bytes(1001)), max_bytes=1000)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_data_cut_anywhere_is_refused(compress):
    data = compress(CONTENT[:3000])
    for size in range(4, len(data)):
        assert "ends in the middle" in refused(data[:size]).message


def test_a_wrong_checksum_is_refused():
    data = bytearray(gzip.compress(CONTENT))
    data[-6] ^= 1

    assert "corrupt gzip data" in refused(bytes(data)).message


def test_garbage_after_the_magic_is_refused():
    assert "corrupt gzip data" in refused(b"\x1f\x8b" + b"\xff" * 50).message
    assert "zstd" in refused(b"\x28\xb5\x2f\xfd" + b"\xff" * 50).message


def test_garbage_after_a_member_is_refused():
    refused(gzip.compress(CONTENT) + b"<html>")


def test_data_that_zlib_cannot_shrink_passes():
    noise = b"".join(zlib.crc32(bytes([n % 251])).to_bytes(4, "big") for n in range(50_000))

    assert unwrap(gzip.compress(noise, 0), name="a", max_bytes=LIMIT) == noise
