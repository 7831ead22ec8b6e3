"""Snapshots as files: a `.snap` is a pprof profile with one extra field (docs/snap-format.md).

The extra field holds a message of its own: the capture's circumstances as JSON, and the
goroutine profiles of the same visit.  Plain heap profiles read as snapshots that know little.
"""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from memsnap.errors import FileError, FormatError
from memsnap.pprof import wire
from memsnap.pprof.encode import compress, delimited, encode
from memsnap.pprof.reader import DEFAULT_MAX_BYTES, read
from memsnap.snapshot import Capture, Snapshot
from memsnap.units import format_bytes

FORMAT = 1
"""The newest format of the extension that this release reads, and the one that it writes."""

_CAPTURE, _GOROUTINES, _LEAKS = 1, 2, 3
# What msgspec raises for JSON that is none, is of another shape, or never ends nesting.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_LARGEST = 2**63 - 1  # of a number in the metadata: what an int64 column and a clock can hold


class _Header(msgspec.Struct):
    """What every format promises to keep, so that old readers can refuse newer files."""

    format: int


class _Meta(msgspec.Struct, kw_only=True):
    format: int
    capture: Capture


def load(path: Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Snapshot:
    """Return the snapshot in a `.snap` file, or in any heap profile that pprof reads.

    `max_bytes` bounds the size, also after decompression.  Raises FileError where the file cannot
    be read, FormatError where it is no profile or comes from a newer memsnap.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _file_error("read", path, error) from error
    if len(data) > max_bytes:
        raise FormatError(
            f"{path} is larger than {format_bytes(max_bytes)}",
            hint="if it is a genuine profile, allow it with --max-size",
        )
    return from_bytes(data, name=str(path), max_bytes=max_bytes)


def save(snapshot: Snapshot, path: Path | str) -> int:
    """Write `snapshot` to `path`, whole or not at all, and return the size in bytes."""
    data = to_bytes(snapshot)
    write_atomically(Path(path), data)
    return len(data)


def from_bytes(data: bytes, *, name: str, max_bytes: int = DEFAULT_MAX_BYTES) -> Snapshot:
    """Return the snapshot in the bytes of a `.snap` file or of a heap profile."""
    heap = read(data, name=name, max_bytes=max_bytes)
    if not heap.extension:
        return Snapshot(name=name, heap=heap, capture=Capture(taken_ns=heap.time_nanos))
    try:
        fields = wire.frames(heap.extension, frozenset({_CAPTURE, _GOROUTINES, _LEAKS}))
    except wire.WireError as error:
        raise _corrupt(name, str(error)) from error

    def content(number: int) -> bytes | None:
        spans = fields.get(number << 3 | wire.LENGTH_DELIMITED)
        if spans is None or not len(spans):
            return None
        return heap.extension[int(spans.start[-1]) : int(spans.end[-1])]

    return Snapshot(
        name=name,
        heap=heap,
        capture=_capture(content(_CAPTURE) or b"", name),
        goroutine_profile=content(_GOROUTINES),
        leak_profile=content(_LEAKS),
    )


def to_bytes(snapshot: Snapshot) -> bytes:
    """Return the bytes of a `.snap` file: a gzip-compressed profile.proto message."""
    meta = _json(_Meta(format=FORMAT, capture=snapshot.capture))
    extension = delimited(_CAPTURE, meta)
    if snapshot.goroutine_profile is not None:
        extension += delimited(_GOROUTINES, snapshot.goroutine_profile)
    if snapshot.leak_profile is not None:
        extension += delimited(_LEAKS, snapshot.leak_profile)
    return compress(encode(replace(snapshot.heap, extension=extension)))


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` by way of a temporary file beside it, synced before it is renamed.

    What is no file, such as a pipe or /dev/null, is written to as it is and stays what it is; of
    a symbolic link the file behind it is replaced.  Raises FileError and leaves nothing behind
    where that fails (a full disk, no permission, a folder).
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise _file_error("write", path, error) from error


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        # After a failure of open there is nothing to remove, and the reason may come up again.
        with contextlib.suppress(OSError):
            temporary.unlink()


def _json(meta: _Meta) -> bytes:
    """Return the metadata as JSON; names that are no valid Unicode lose what JSON cannot hold."""
    try:
        return msgspec.json.encode(meta)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(meta), ensure_ascii=False)
        return text.encode("utf-8", "replace")


def _capture(data: bytes, name: str) -> Capture:
    try:
        written = msgspec.json.decode(data, type=_Header).format
    except _UNREADABLE as error:
        raise _corrupt(name, str(error)) from error
    if written > FORMAT:
        raise FormatError(
            f"{name} was written by a newer memsnap (format {written}; this one reads up to "
            f"{FORMAT})",
            hint="upgrade memsnap: pip install -U memsnap; go tool pprof opens the file as it is",
        )
    try:
        capture = msgspec.json.decode(data, type=_Meta).capture
    except _UNREADABLE as error:
        raise _corrupt(name, str(error)) from error
    if any(abs(number) > _LARGEST for number in _numbers(msgspec.to_builtins(capture))):
        raise _corrupt(name, "a number is too large")
    return capture


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, int):
        yield value
        return
    elif not isinstance(value, (list, tuple)):
        return
    for item in value:
        yield from _numbers(item)


def _corrupt(name: str, reason: str) -> FormatError:
    return FormatError(
        f"{name}: the memsnap part of the file is corrupt: {reason}",
        hint="take the capture again; go tool pprof may still open this one",
    )


def _file_error(verb: str, path: Path, error: OSError) -> FileError:
    reason = error.strerror or str(error)
    hints = {
        "read": "is the path right, and readable by this user?",
        "write": "choose another place with -o FILE",
    }
    return FileError(f"cannot {verb} {path}: {reason[:1].lower()}{reason[1:]}", hint=hints[verb])
