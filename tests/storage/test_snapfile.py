"""A `.snap` keeps what a capture knows, refuses what it cannot know, and is never half a file."""

import contextlib
import gzip
import json
import os
import socket
import stat
import subprocess
import sys
import types
import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from builders.profiles import Row, as_data, heap, message
from hypothesis import given
from hypothesis import strategies as st

from memsnap.errors import FileError, FormatError
from memsnap.pprof.encode import compress, encode
from memsnap.snapshot import Capture, GcProof, Process, Snapshot
from memsnap.storage import snapfile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAP = heap(
    Row("main.leak leak.go:12 < main.main main.go:5", size=48, alloc=9, live=7, type="[]uint8"),
    Row("net/http.(*conn).serve server.go:2009", size=4096, alloc=2, live=1),
    time_nanos=1_795_386_933_106_963_000,
)
CAPTURE = Capture(
    target="pid:4711",
    service="shop",
    taken_ns=1_795_386_933_106_963_000,
    gc=GcProof(forced=True, proven=True, reason="cycle 6, then 7"),
    process=Process(pid=4711, command=("/srv/shop", "-listen", ":80")),
)
SNAPSHOT = Snapshot(name="a.snap", heap=HEAP, capture=CAPTURE)
TEXT = b"heap profile: 1: 48 [2: 96] @ heap/1048576\n1: 48 [2: 96] @ 0x1 0x2\n"


def any_of(kind):
    """A strategy for a type of the snapshot's dataclasses; numbers are what 64 bits hold."""
    if is_dataclass(kind):
        return st.builds(kind, **{field.name: any_of(field.type) for field in fields(kind)})
    if typing.get_origin(kind) is tuple:
        return st.lists(any_of(typing.get_args(kind)[0]), max_size=3).map(tuple)
    if typing.get_origin(kind) is types.UnionType:
        return st.one_of(*map(any_of, typing.get_args(kind)))
    return {
        int: st.integers(-(2**63) + 1, 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        str: st.text(max_size=20),
        bool: st.booleans(),
        types.NoneType: st.none(),
    }[kind]


def with_extension(content):
    """The bytes of a file whose field 1000 holds `content`."""
    return compress(encode(replace(HEAP, extension=content)))


def with_metadata(text):
    return with_extension(message((1, text)))


def refused(kind, data, path):
    path.write_bytes(data)
    with pytest.raises(kind) as caught:
        snapfile.load(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def not_written(path, *, data=b"new"):
    """Return the error of a write that must fail and must leave the folder as it was."""
    folder = path.parent
    before = sorted(folder.iterdir()) if folder.is_dir() else None
    with pytest.raises(FileError) as caught:
        snapfile.write_atomically(path, data)
    assert (sorted(folder.iterdir()) if folder.is_dir() else None) == before
    assert str(path) in caught.value.message
    return caught.value


@contextlib.contextmanager
def without_privileges():
    """Run the block as a user who owns nothing; root may read and write whatever it likes."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@given(capture=any_of(Capture))
def test_whatever_a_capture_says_comes_back(capture):
    data = snapfile.to_bytes(Snapshot(name="x", heap=HEAP, capture=capture))
    assert snapfile.from_bytes(data, name="x").capture == capture


@given(goroutines=st.none() | st.binary(), leaks=st.none() | st.binary())
def test_the_goroutines_of_the_visit_come_back(goroutines, leaks):
    snapshot = replace(SNAPSHOT, goroutine_profile=goroutines, leak_profile=leaks)
    again = snapfile.from_bytes(snapfile.to_bytes(snapshot), name="x")
    assert (again.goroutine_profile, again.leak_profile) == (goroutines, leaks)


def test_the_profile_comes_back_with_its_labels(tmp_path):
    path = tmp_path / "a.snap"
    size = snapfile.save(SNAPSHOT, path)
    again = snapfile.load(path)
    assert path.stat().st_size == size
    assert again.name == str(path)
    assert as_data(replace(again.heap, extension=b"")) == as_data(HEAP)


def test_saved_twice_the_bytes_are_the_same(tmp_path):
    data = snapfile.to_bytes(SNAPSHOT)
    assert snapfile.to_bytes(snapfile.from_bytes(data, name="x")) == data


def test_a_name_that_is_no_unicode_does_not_cost_the_capture():
    # What a program's path holds that is no UTF-8 arrives as lone surrogates.
    odd = replace(CAPTURE, service="caf\udce9")
    data = snapfile.to_bytes(replace(SNAPSHOT, capture=odd))
    assert snapfile.from_bytes(data, name="x").capture == replace(CAPTURE, service="caf?")


@pytest.mark.parametrize(
    "data",
    [
        compress(encode(HEAP)),
        encode(HEAP),
        gzip.compress(compress(encode(HEAP))),
        zstd.compress(encode(HEAP)),
    ],
    ids=["gzip", "raw", "gzip twice", "zstd"],
)
def test_a_plain_profile_is_a_snapshot_that_knows_its_time(data, tmp_path):
    (tmp_path / "heap.pb.gz").write_bytes(data)
    snapshot = snapfile.load(tmp_path / "heap.pb.gz")
    assert as_data(snapshot.heap) == as_data(HEAP)
    assert snapshot.capture == Capture(taken_ns=HEAP.time_nanos)
    assert snapshot.goroutine_profile is None


@pytest.mark.parametrize("data", [TEXT, gzip.compress(TEXT)], ids=["text", "gzip"])
def test_a_profile_as_text_is_a_snapshot(data, tmp_path):
    (tmp_path / "heap.txt").write_bytes(data)
    snapshot = snapfile.load(tmp_path / "heap.txt")
    assert len(snapshot.heap) == 1
    assert snapshot.capture == Capture()


def test_a_file_of_a_newer_format_is_refused_and_says_what_to_do(tmp_path):
    newer = snapfile.FORMAT + 1
    data = with_metadata(json.dumps({"format": newer, "capture": {"shape": ["unknown"]}}))
    error = refused(FormatError, data, tmp_path / "a.snap")
    assert f"written by a newer memsnap (format {newer}" in error.message
    assert "upgrade" in error.hint


def test_keys_that_this_release_does_not_know_are_passed_over(tmp_path):
    meta = {"format": 1, "later": 1, "capture": {"target": "pid:1", "later": {"x": [1]}}}
    (tmp_path / "a.snap").write_bytes(with_metadata(json.dumps(meta)))
    assert snapfile.load(tmp_path / "a.snap").capture == Capture(target="pid:1")


def test_fields_that_this_release_does_not_know_are_passed_over(tmp_path):
    meta = json.dumps({"format": 1, "capture": {}})
    content = message((9, 5), (1, meta), (4, b"later"))
    (tmp_path / "a.snap").write_bytes(with_extension(content))
    assert snapfile.load(tmp_path / "a.snap").capture == Capture()


@pytest.mark.parametrize(
    "data",
    [
        with_extension(b"\x0a\xff"),
        with_extension(message((2, b"goroutines only"))),
        with_extension(message((1, 7))),
        with_metadata(""),
        with_metadata("{"),
        with_metadata("[]"),
        with_metadata("{}"),
        with_metadata('{"format": "1", "capture": {}}'),
        with_metadata('{"format": 1}'),
        with_metadata('{"format": 1, "capture": {"taken_ns": "now"}}'),
        with_metadata('{"format": 1, "capture": {"taken_ns": 1%s}}' % ("0" * 30)),
        with_metadata(b'{"format": 1, "capture": {"target": "\xff"}}'),
        with_metadata('{"format": 1, "later": %s' % ("[" * 100_000)),
    ],
    ids=[
        "cut short",
        "no metadata",
        "metadata is a number",
        "empty",
        "no JSON",
        "a list",
        "no format",
        "format is text",
        "no capture",
        "wrong type",
        "a time beyond all time",
        "no UTF-8",
        "nested without end",
    ],
)
def test_a_corrupt_extension_is_refused(data, tmp_path):
    assert "corrupt" in refused(FormatError, data, tmp_path / "a.snap").message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (snapfile.to_bytes(SNAPSHOT)[:-30], "ends in the middle of its gzip data"),
        (b"\x1f\x8b\x08\x00 no deflate here", "corrupt gzip data"),
        (b"<html><title>Sign in</title>", "an HTML page"),
        (b'{"memstats": {}}', "is JSON"),
    ],
    ids=["empty", "truncated", "corrupt", "html", "json"],
)
def test_what_is_no_profile_is_named(data, said, tmp_path):
    assert said in refused(FormatError, data, tmp_path / "a.snap").message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*gone\.snap: no such file"):
        snapfile.load(tmp_path / "gone.snap")


def test_a_folder_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*: is a directory"):
        snapfile.load(tmp_path)


def test_a_file_of_another_user_is_named(tmp_path):
    path = tmp_path / "a.snap"
    snapfile.save(SNAPSHOT, path)
    path.chmod(0)
    with pytest.raises(FileError, match=r"cannot read .*: permission denied"), without_privileges():
        snapfile.load(path)


def test_a_file_without_end_is_read_up_to_the_limit():
    with pytest.raises(FormatError, match=r"/dev/zero is larger than 1.00 MB") as caught:
        snapfile.load("/dev/zero", max_bytes=1 << 20)
    assert "--max-size" in caught.value.hint


def test_a_bomb_stops_at_the_limit(tmp_path):
    (tmp_path / "a.snap").write_bytes(gzip.compress(b"\0" * (8 << 20)))
    with pytest.raises(FormatError, match=r"a\.snap holds more than 1\.00 MB"):
        snapfile.load(tmp_path / "a.snap", max_bytes=1 << 20)


def test_a_write_replaces_what_was_there(tmp_path):
    path = tmp_path / "a.snap"
    path.write_bytes(b"old")
    snapfile.write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.snap"]
    assert path.read_bytes() == b"new"


def test_a_name_as_long_as_names_can_be_is_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".snap")
    snapfile.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_of_a_link_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "a.snap").symlink_to("data/real.snap")
    snapfile.write_atomically(tmp_path / "a.snap", b"new")
    assert (tmp_path / "a.snap").is_symlink()
    assert (tmp_path / "data/real.snap").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as reader:
        snapfile.write_atomically(path, b"new")
        assert reader.communicate()[0] == b"new"
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("name", ["folder", ".", "/", ".."])
def test_a_folder_is_not_written_over(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert "is a directory" in not_written(Path(name)).message


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert "not a directory" in not_written(tmp_path / "file" / "a.snap").message


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    assert "no such file" in not_written(tmp_path / "gone" / "a.snap").message
    assert not (tmp_path / "gone").exists()


def test_a_socket_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        not_written(Path("socket"))


def test_without_permission_nothing_is_written(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with without_privileges(), pytest.raises(FileError, match=r"cannot write .*permission denied"):
        snapfile.write_atomically(folder / "a.snap", b"new")
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_up_keeps_the_old_file_and_no_half_of_the_new(tmp_path):
    path = tmp_path / "a.snap"
    path.write_bytes(b"old")
    # A limit on the size of files ends a write in the middle, as a full disk does.
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from memsnap.errors import FileError; from memsnap.storage import snapfile\n"
        "limits = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))\n"
        "try: snapfile.write_atomically(Path(sys.argv[1]), bytes(10000))\n"
        "except FileError as error: sys.exit(error.message)\n"
        "finally: resource.setrlimit(resource.RLIMIT_FSIZE, limits)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"cannot write {path}: file too large\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.snap"]
    assert path.read_bytes() == b"old"
