"""Taking compression off: what the network adds around a profile, undone within a size limit.

Go gzips its profiles, proxies gzip or zstd the answer once more, and `curl` keeps all of it.
"""

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from memsnap.errors import FormatError
from memsnap.units import format_bytes

MAX_LAYERS = 4
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# How much is fed and taken at a time: a bomb is noticed one piece after the limit.
_INPUT_BYTES = 1 << 16
_OUTPUT_BYTES = 1 << 20


def unwrap(data: bytes, *, name: str, max_bytes: int) -> bytes:
    """Return `data` without its layers of gzip and zstd, of which it may have none.

    Raises FormatError, naming `name`, for a layer that is corrupt or cut short, for more than
    four layers, and for content of more than `max_bytes`, whatever it unpacks to.
    """
    for _ in range(MAX_LAYERS):
        if data.startswith(GZIP_MAGIC):
            data = _unpack(data, _GZIP, name, max_bytes)
        elif data.startswith(ZSTD_MAGIC):
            data = _unpack(data, _zstd(), name, max_bytes)
        else:
            _check_size(len(data), name, max_bytes)
            return data
    if data.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
        raise FormatError(
            f"{name} is compressed more than {MAX_LAYERS} times over",
            hint="unpack it by hand, or ask for it with 'Accept-Encoding: identity'",
        )
    return data


class _Decoder(Protocol):
    """One gzip member or zstd frame; the standard library's decompressors look like this."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """A `_Decoder` of zlib, whose own object gives unused input back instead of keeping it."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece


@dataclass(frozen=True, slots=True)
class _Compression:
    """A kind of compression: what begins a new member or frame, and what it raises."""

    kind: str
    new: Callable[[], _Decoder]
    error: type[Exception]


_GZIP = _Compression("gzip", _GzipMember, zlib.error)


def _zstd() -> _Compression:
    """Import zstd only now: few profiles need it."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor, ZstdError
    else:
        from backports.zstd import ZstdDecompressor, ZstdError
    return _Compression("zstd", ZstdDecompressor, ZstdError)


def _unpack(data: bytes, compression: _Compression, name: str, max_bytes: int) -> bytes:
    """Return the content of all members (RFC 1952, 2.2) or frames (RFC 8878, 3.1) of `data`."""
    pieces: list[bytes] = []
    size = position = 0
    while position < len(data):
        if data[position] == 0 and not data[position:].strip(b"\0"):
            break  # padding, as gzip(1) treats it
        decoder = compression.new()
        while not decoder.eof:
            chunk = b""
            if decoder.needs_input:
                chunk = data[position : position + _INPUT_BYTES]
                position += len(chunk)
                if not chunk:
                    raise _truncated(name, compression.kind)
            try:
                piece = decoder.decompress(chunk, _OUTPUT_BYTES)
            except compression.error as error:
                raise _corrupt(name, compression.kind, str(error)) from error
            size += len(piece)
            _check_size(size, name, max_bytes)
            if piece:
                pieces.append(piece)
        position -= len(decoder.unused_data)
    return b"".join(pieces)


def _check_size(size: int, name: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise FormatError(
            f"{name} holds more than {format_bytes(max_bytes)} uncompressed",
            hint="if it is a genuine profile, allow it with --max-size",
        )


def _truncated(name: str, kind: str) -> FormatError:
    return FormatError(
        f"{name} ends in the middle of its {kind} data",
        hint="fetch it again; the transfer was probably cut short",
    )


def _corrupt(name: str, kind: str, reason: str) -> FormatError:
    return FormatError(
        f"{name} has corrupt {kind} data ({reason})",
        hint="fetch it again; it was damaged on the way or is no profile",
    )
