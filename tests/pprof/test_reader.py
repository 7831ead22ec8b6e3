"""The door: every form of a profile comes in, everything else is named."""

import gzip
import json
import random

import pytest
from builders.profiles import Row, as_data, heap

from memsnap.errors import FormatError
from memsnap.pprof.encode import compress, encode
from memsnap.pprof.reader import excerpt, read

PROFILE = heap(Row("main.f a.go:1", 48, 9, 7))
TEXT = b"heap profile: 7: 336 [9: 432] @ heap/1048576\n7: 336 [9: 432] @ 0x401001\n"


def refused(data):
    with pytest.raises(FormatError) as caught:
        read(data, name="http://app:6060/heap")
    error = caught.value
    assert "http://app:6060/heap" in error.message
    assert error.hint
    for text in (error.message, error.hint):
        assert text.isprintable()
        assert len(text) < 200
    return error


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, lambda data: gzip.compress(compress(data))])
def test_profiles_come_in_with_and_without_compression(wrap):
    assert as_data(read(wrap(encode(PROFILE)), name="a")) == as_data(PROFILE)


def test_text_profiles_come_in_with_and_without_compression():
    expected = PROFILE.values.tolist()

    assert read(TEXT, name="a").values.tolist() == expected
    assert read(gzip.compress(TEXT), name="a").values.tolist() == expected


@pytest.mark.parametrize(
    ("data", "what", "quoted"),
    [
        (b"", "is empty", ""),
        (gzip.compress(b"", mtime=0), "is empty", ""),
        (b"<!DOCTYPE html>\n<html><title>Sign in</title>", "an HTML page", "'Sign in'"),
        (b"\n\n <HTML><body>hello", "an HTML page", "'<HTML><body>hello'"),
        (b"<?xml version='1.0'?><Error/>", "XML", "<Error/>"),
        (b'{"error": "no such pod"}', "JSON", "no such pod"),
        (b"  [1, 2]", "JSON", "[1, 2]"),
        (b"404 page not found\n", "plain text", "'404 page not found'"),
        (b"Could not enable CPU profiling: already in use\n", "plain text", "'Could not enable"),
        ("caf\u00e9 ferm\u00e9".encode("latin-1"), "plain text", "caf"),
        (b"goroutine profile: total 7\n1 @ 0x1", "a goroutine profile", "total 7"),
        (b"goroutine 1 [running]:\nmain.main()", "a listing of goroutine stacks", "running"),
        (b"threadcreate profile: total 9\n", "a count profile", "threadcreate"),
        (b"--- mutex:\ncycles/second=1\n", "a mutex or block profile", "mutex"),
        (b"--- threadz 1 ---\n", "a thread profile", "threadz"),
        (b"JAVA PROFILE 1.0.2\0\0\0\0\4", "hprof", ""),
        (b"FLR\0\0\2\0\0", "JFR", ""),
        (b"go 1.23 trace\0\0\0", "execution trace", ""),
        (b"go1.7 heap dump\n\6\0", "WriteHeapDump", ""),
        (b"\x7fELF\2\1\1", "an ELF executable", ""),
        (b"PK\3\4\x14\0", "a zip archive", ""),
        (b"SQLite format 3\0\x10", "an SQLite database", ""),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary data of an unknown format", "89 50 4e 47"),
        (bytes(64), "binary data of an unknown format", "00 00"),
    ],
)
def test_what_is_no_profile_is_named_and_quoted(data, what, quoted):
    error = refused(data)

    assert what in error.message
    assert quoted in error.message


def test_a_heap_profile_as_json_is_not_taken_for_a_profile():
    refused(json.dumps({"nodes": list(range(10_000))}).encode())


def test_quotes_are_short_and_safe_to_print():
    hostile = b"\x1b]0;owned\x07 caf\xc3\xa9 \xff\xfe\r\n" + "\u202e".encode() + b"x" * 100

    text = excerpt(hostile)

    assert len(text) == 60
    assert text.isprintable()
    assert text.startswith("]0;owned caf\u00e9 \ufffd\ufffd xxx")


def test_a_profile_cut_short_is_refused():
    data = compress(encode(PROFILE))

    assert "ends in the middle of its gzip data" in refused(data[:-30]).message
    assert "not a readable pprof profile" in refused(encode(PROFILE)[:-3]).message


def test_random_bytes_are_refused():
    random_bytes = random.Random(2)
    for size in (1, 8, 64, 4096):
        for _ in range(50):
            refused(random_bytes.randbytes(size))


def test_the_size_limit_holds():
    with pytest.raises(FormatError, match="more than 100 B"):
        read(compress(encode(PROFILE)), name="a", max_bytes=100)
