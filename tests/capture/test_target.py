"""What may be typed for a target, and what is never repeated."""

import pytest

from memsnap.capture.target import (
    HttpTarget,
    PidTarget,
    UnixTarget,
    is_target,
    parse_prefix,
    parse_target,
)
from memsnap.errors import UsageError


@pytest.mark.parametrize(
    ("text", "target", "shown"),
    [
        ("http://h:6060", HttpTarget(origin="http://h:6060"), "http://h:6060/debug/pprof"),
        ("http://h:6060/", HttpTarget(origin="http://h:6060"), "http://h:6060/debug/pprof"),
        ("http://h/debug/pprof/", HttpTarget(origin="http://h"), "http://h/debug/pprof"),
        ("HTTP://H/debug/pprof/heap", HttpTarget(origin="http://h"), "http://h/debug/pprof"),
        ("h:6060", HttpTarget(origin="http://h:6060"), "http://h:6060/debug/pprof"),
        ("[::1]:6060", HttpTarget(origin="http://[::1]:6060"), "http://[::1]:6060/debug/pprof"),
        (
            "https://h/x/debug/pprof/heap?authKey=k&gc=1&debug=1&seconds=3",
            HttpTarget(origin="https://h", prefix="/x/debug/pprof", query=(("authKey", "k"),)),
            "https://h/x/debug/pprof",
        ),
        ("http://h/pprof", HttpTarget(origin="http://h", prefix="/pprof"), "http://h/pprof"),
        ("http://h/heap", HttpTarget(origin="http://h", prefix=""), "http://h"),
        (
            "http://ann:p%40ss@h:1/debug/pprof",
            HttpTarget(origin="http://h:1", user="ann", password="p@ss"),
            "http://h:1/debug/pprof",
        ),
        ("unix:/run/app.sock", UnixTarget(path="/run/app.sock"), "unix:/run/app.sock"),
        ("unix:///run/app.sock", UnixTarget(path="/run/app.sock"), "unix:/run/app.sock"),
        ("unix:@app", UnixTarget(path="@app"), "unix:@app"),
        ("unix:run/app.sock", UnixTarget(path="run/app.sock"), "unix:run/app.sock"),
        (
            "unix:/run/app.sock:/x/debug/pprof/heap?k=v",
            UnixTarget(path="/run/app.sock", prefix="/x/debug/pprof", query=(("k", "v"),)),
            "unix:/run/app.sock:/x/debug/pprof",
        ),
        ("pid:4711", PidTarget(pid=4711), "pid:4711"),
        ("PID:4711 ", PidTarget(pid=4711), "pid:4711"),
    ],
)
def test_a_target_is_read_and_shown_without_secrets(text, target, shown):
    assert parse_target(text) == target
    assert str(target) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "a.snap",
        "ftp://h/x",
        "http://",
        "http://:6060",
        "http://h:port",
        "http://h:99999",
        "http://[::1",
        "http://h o/",
        "unix:",
        "unix:/",
        "unix:@",
        "unix:/a\0b",
        "pid:",
        "pid:0",
        "pid:-1",
        "pid:12x",
        "pid:99999999999",
    ],
)
def test_what_is_no_target_is_a_usage_error_with_the_forms(text):
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert caught.value.exit_code == 2
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["ann:s3cret@h:1", "ftp://ann:s3cret@h", "http://ann:s3cret@", "x?key=s3cret", "@s3cret@"],
)
def test_an_error_repeats_no_secret(text):
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert "s3cret" not in caught.value.message


def test_a_repr_repeats_no_secret():
    for text in ("http://ann:s3cret@h/?k=s3cret", "unix:/run/a:/p?k=s3cret"):
        assert "s3cret" not in repr(parse_target(text))


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("/debug/pprof/", "/debug/pprof"),
        ("debug/pprof/goroutine/extra", "/debug/pprof"),
        ("/x//y/heap", "/x/y"),
        ("/", ""),
        ("/pprof/cmdline", "/pprof"),
    ],
)
def test_a_prefix_ends_above_the_profile(text, prefix):
    assert parse_prefix(text) == prefix


@pytest.mark.parametrize("text", ["http://h/debug/pprof", "/debug/pprof?k=s3cret"])
def test_a_prefix_is_no_url(text):
    with pytest.raises(UsageError, match="a prefix is a path"):
        parse_prefix(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("http://h", True), ("unix:/a", True), ("pid:1", True), ("h:6060", False), ("a.snap", False)],
)
def test_a_scheme_tells_a_target_from_a_file(text, expected):
    assert is_target(text) is expected
