"""From the bytes of a file or an answer to a profile, whatever form it came in.

The one door for outside bytes: what is no profile is recognised here by its looks, so that the
message can say what it is instead of what it is not.
"""

import re
from typing import NamedTuple

from memsnap.errors import FormatError
from memsnap.pprof.decode import decode
from memsnap.pprof.envelope import unwrap
from memsnap.pprof.profile import Profile

# What a profile may hold uncompressed: 100,000 deep stacks take 8 MB, as text 300 MB.
DEFAULT_MAX_BYTES = 512 << 20

_EXCERPT_CHARACTERS = 60
_SNIFFED_BYTES = 4096
_ADDRESS_HINT = "check the address: Go serves it at /debug/pprof/heap"
_FETCH_HINT = "give a heap profile, as from /debug/pprof/heap?gc=1"


class _Look(NamedTuple):
    """A format that is no heap profile, by its first bytes."""

    pattern: bytes
    what: str
    hint: str


def _looks(*rows: tuple[bytes, str, str]) -> tuple[_Look, ...]:
    return tuple(_Look(pattern, what, hint) for pattern, what, hint in rows)


_BINARY_LOOKS = _looks(
    (rb"JAVA PROFILE 1\.", "a Java heap dump (hprof)", "memsnap reads Go and C++ profiles"),
    (rb"FLR\0", "a Java flight recording (JFR)", "memsnap reads Go and C++ profiles"),
    (rb"go 1\.\d+ trace\0", "a Go execution trace", _FETCH_HINT),
    (rb"go1\.\d+ heap dump\n", "a dump of debug.WriteHeapDump", _FETCH_HINT),
    (rb"\x7fELF", "an ELF executable", _FETCH_HINT),
    (rb"PK\x03\x04", "a zip archive", "unpack it first"),
    (rb"SQLite format 3\0", "an SQLite database", _FETCH_HINT),
)
_TEXT_LOOKS = _looks(
    (rb"goroutine(leak)? profile: total", "a goroutine profile as text", _FETCH_HINT),
    (rb"goroutine \d+ .*\[", "a listing of goroutine stacks", _FETCH_HINT),
    (rb"\S+ profile: total \d", "a count profile as text", _FETCH_HINT),
    (rb"--- (mutex|contention)", "a mutex or block profile as text", _FETCH_HINT),
    (rb"--- (threadz|Thread)", "a thread profile as text", _FETCH_HINT),
    (rb"(?i)\s*(<!doctype html|<html|<head|<body)", "an HTML page", _ADDRESS_HINT),
    (rb"\s*<", "XML or HTML", _ADDRESS_HINT),
    (rb"\s*[{\[]", "JSON", _ADDRESS_HINT),
    (rb"", "plain text", _ADDRESS_HINT),
)


def read(data: bytes, *, name: str, max_bytes: int = DEFAULT_MAX_BYTES) -> Profile:
    """Return the profile in `data`: profile.proto or a text heap profile, compressed or not.

    `max_bytes` limits the uncompressed size.  Raises FormatError, naming `name`, that says what
    the data looks like where it is no profile.
    """
    content = unwrap(data, name=name, max_bytes=max_bytes)
    if not content:
        raise FormatError(
            f"{name} is empty",
            hint="fetch it again; if it stays empty, the address serves no profile",
        )
    if content.startswith(b"heap profile:"):
        from memsnap.pprof.legacy import parse_heap_text

        return parse_heap_text(content, name=name)
    _refuse_foreign(content, name)
    return decode(content, name=name)


def excerpt(content: bytes) -> str:
    """Return the beginning of foreign bytes, on one line and safe to print."""
    text = content[:_SNIFFED_BYTES].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>([^<]+)", text, re.IGNORECASE)
    if title:
        text = title[1]
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(text) <= _EXCERPT_CHARACTERS:
        return text
    return text[: _EXCERPT_CHARACTERS - 3] + "..."


def _refuse_foreign(content: bytes, name: str) -> None:
    for look in _BINARY_LOOKS:
        if re.match(look.pattern, content):
            raise FormatError(f"{name} is {look.what}, not a heap profile", hint=look.hint)
    if _is_text(content):
        look = next(look for look in _TEXT_LOOKS if re.match(look.pattern, content))
        raise FormatError(
            f"{name} is {look.what}, not a heap profile: '{excerpt(content)}'", hint=look.hint
        )
    # A message starts with one of its own fields: number 1 to 15, a varint or a length.
    if not (8 <= content[0] < 128 and content[0] & 7 in (0, 2)):
        raise FormatError(
            f"{name} is binary data of an unknown format, not a heap profile: it starts with"
            f" {content[:8].hex(' ')}",
            hint=_FETCH_HINT,
        )


def _is_text(content: bytes) -> bool:
    """Whether the beginning lacks control characters, which no pprof message does."""
    return not re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", content[:512])
