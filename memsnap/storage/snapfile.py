"""Snapshots as files: a `.snap` is a pprof profile with one extra field (docs/snap-format.md).

The extra field holds a message of its own: the capture's circumstances as JSON, and the
goroutine profiles of the same visit.  Plain heap profiles read as snapshots that know little.
"""

import os
import secrets
from dataclasses import replace
from pathlib import Path

import msgspec

from memsnap.errors import FileError, FormatError
from memsnap.pprof import wire
from memsnap.pprof.encode import compress, delimited, encode
from memsnap.pprof.reader import DEFAULT_MAX_BYTES, read
from memsnap.snapshot import Capture, Snapshot

FORMAT = 1
"""The newest format of the extension that this release reads, and the one that it writes."""

_CAPTURE, _GOROUTINES, _LEAKS = 1, 2, 3


class _Header(msgspec.Struct):
    """What every format promises to keep, so that old readers can refuse newer files."""

    format: int


class _Meta(msgspec.Struct, kw_only=True):
    format: int
    capture: Capture


def load(path: Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Snapshot:
    """Return the snapshot in a `.snap` file, or in any heap profile that pprof reads.

    `max_bytes` bounds the decompressed size.  Raises FileError where the file cannot be read,
    FormatError where it is no profile or comes from a newer memsnap.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _file_error("read", path, error) from error
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
        raise FormatError(f"{name}: the memsnap part of the file is corrupt: {error}") from error

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
    meta = msgspec.json.encode(_Meta(format=FORMAT, capture=snapshot.capture))
    extension = delimited(_CAPTURE, meta)
    if snapshot.goroutine_profile is not None:
        extension += delimited(_GOROUTINES, snapshot.goroutine_profile)
    if snapshot.leak_profile is not None:
        extension += delimited(_LEAKS, snapshot.leak_profile)
    return compress(encode(replace(snapshot.heap, extension=extension)))


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` by way of a temporary file beside it, synced before it is renamed.

    Raises FileError and leaves nothing behind where that fails (a full disk, no permission).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _file_error("write", path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _capture(data: bytes, name: str) -> Capture:
    try:
        written = msgspec.json.decode(data, type=_Header).format
    except msgspec.MsgspecError as error:
        raise FormatError(f"{name}: the memsnap part of the file is corrupt: {error}") from error
    if written > FORMAT:
        raise FormatError(
            f"{name} was written by a newer memsnap (format {written}; this one reads up to "
            f"{FORMAT})",
            hint="upgrade memsnap: pip install -U memsnap; go tool pprof opens the file as it is",
        )
    try:
        return msgspec.json.decode(data, type=_Meta).capture
    except msgspec.MsgspecError as error:
        raise FormatError(f"{name}: the memsnap part of the file is corrupt: {error}") from error


def _file_error(verb: str, path: Path, error: OSError) -> FileError:
    reason = error.strerror or str(error)
    hints = {
        "read": "is the path right, and readable by this user?",
        "write": "choose another place with -o FILE",
    }
    return FileError(f"cannot {verb} {path}: {reason[:1].lower()}{reason[1:]}", hint=hints[verb])
