"""Forms of parameters: what each may be, and how its text becomes a value.

The same table reads requests and writes the OpenAPI document, so that they cannot disagree.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from memsnap.archive.moments import parse_time
from memsnap.errors import UsageError

LARGEST = 2**63 - 1
MOST_LETTERS = 500
"""The most letters of one parameter."""

_FLAGS = {"true": True, "1": True, "": True, "false": False, "0": False}
_NANOSECONDS = re.compile(r"[0-9]{16,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a parameter is written: `read` raises UsageError, `schema` is JSON Schema."""

    read: Callable[[str, str], Any]
    schema: Mapping[str, Any]


def text() -> Form:
    """Any text without NUL, which no name has and no database takes."""

    def read(name: str, value: str) -> str:
        if "\0" in value:
            raise UsageError(f"{name} holds a NUL", hint="no name has one")
        return value

    return Form(read=read, schema={"type": "string", "maxLength": MOST_LETTERS})


def capture() -> Form:
    """Which capture is meant: its id, a moment, or TARGET@MOMENT; see `pairs`."""
    plain = text()
    return Form(read=plain.read, schema={**plain.schema, "examples": ["1", "2", "first", "-1h"]})


def flag() -> Form:
    """Yes or no."""

    def read(name: str, value: str) -> bool:
        meant = _FLAGS.get(value.lower())
        if meant is None:
            raise UsageError(f"{name} is {value!r}", hint=f"{name}=true or =false")
        return meant

    return Form(read=read, schema={"type": "boolean"})


def number(least: int = 0, most: int = LARGEST) -> Form:
    """A whole number within limits."""

    def read(name: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise UsageError(f"{name} is {value!r}, and no number", hint=f"{name}={max(least, 17)}")
        if not least <= int(value) <= most:
            raise UsageError(f"{name} is {value}", hint=f"from {least} to {most}")
        return int(value)

    return Form(read=read, schema={"type": "integer", "minimum": least, "maximum": most})


def choice(*names: str) -> Form:
    """One of some words."""

    def read(name: str, value: str) -> str:
        if value not in names:
            raise UsageError(f"{name} is {value!r}", hint=f"{name} is one of {', '.join(names)}")
        return value

    return Form(read=read, schema={"type": "string", "enum": list(names)})


def moment() -> Form:
    """A moment, read as ns since 1970: so written, or in ISO 8601, or as `-1h`, or `now`."""
    return Form(
        read=read_moment,
        schema={"type": "string", "maxLength": 40, "examples": ["-1h", "2026-11-22T14:03:07Z"]},
    )


def read_moment(name: str, value: str) -> int:
    """Read a moment as ns since 1970; a time without an offset is in UTC."""
    if _NANOSECONDS.fullmatch(value):
        return min(int(value), LARGEST)
    if not value.startswith("-") and re.search(r"T[0-9:.]* [0-9:]+$", value):
        raise UsageError(f"{name} is {value!r}", hint="write + as %2B in a URL, or use Z")
    try:
        return parse_time(value, now_ns=time.time_ns(), zone=UTC)
    except UsageError as error:
        raise UsageError(
            f"{name} is {value!r}, and no time",
            hint="-1h, now, 2026-11-22T14:03:07Z, or nanoseconds since 1970",
        ) from error


def place() -> Form:
    """Where a page goes on: what the page before gave as `next`."""

    def read(name: str, value: str) -> tuple[int, int]:
        found = re.fullmatch(r"([0-9]{1,19})-([0-9]{1,19})", value)
        if not found or max(int(found[1]), int(found[2])) > LARGEST:
            raise UsageError(f"{name} is {value!r}", hint="it is the `next` of the page before")
        return int(found[1]), int(found[2])

    return Form(
        read=read,
        schema={"type": "string", "maxLength": 40, "pattern": "^[0-9]{1,19}-[0-9]{1,19}$"},
    )


def label() -> Form:
    """One label that targets must have."""

    def read(name: str, value: str) -> tuple[str, str]:
        key, separator, wanted = value.partition("=")
        if not key or not separator or "\0" in value:
            raise UsageError(f"{name} is {value!r}", hint=f"{name}=NAME=VALUE")
        return key, wanted

    return Form(
        read=read,
        schema={"type": "string", "maxLength": MOST_LETTERS, "pattern": "^[^=]+=.*$"},
    )
