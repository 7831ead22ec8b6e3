"""Moments as people write them: `now`, `-1h`, `first`, `last`, `2026-11-22T14:03`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import Enum

from memsnap.errors import UsageError
from memsnap.units import parse_duration

HINT = "write now, -1h, -30m, first, last, or a time: 2026-11-22T14:03 or 2026-11-22T14:03:07Z"
_LARGEST_NS = 2**63 - 1


class End(Enum):
    """One of the two ends of what there is."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """A moment in ns since 1970, and as it was written."""

    ns: int
    text: str


Moment = End | At


def parse_moment(text: str, *, now_ns: int, zone: tzinfo | None = None) -> Moment:
    """Return the moment that `text` means.

    A time without an offset is one of `zone`, None being the zone of this machine.  Raises
    UsageError.
    """
    word = text.strip().lower()
    if word in {"first", "last"}:
        return End(word)
    return At(ns=parse_time(text, now_ns=now_ns, zone=zone), text=text.strip())


def parse_time(text: str, *, now_ns: int, zone: tzinfo | None = None) -> int:
    """Return the time that `text` means in ns since 1970: a moment that is neither end."""
    word = text.strip()
    if word.lower() == "now":
        return now_ns
    if word.startswith("-"):
        try:
            ago_ns = round(parse_duration(word[1:]) * 1e9)
        except UsageError as error:
            raise UsageError(f"{text!r} is no moment", hint=HINT) from error
        return max(now_ns - ago_ns, 0)
    return _of_iso(word, zone)


def parse_span(text: str, *, now_ns: int) -> int:
    """Return the time that `--since` means: `24h` is as long ago, else as `parse_time`."""
    if re.fullmatch(r"[0-9.]+(ms|[smhd])([0-9.]+(ms|[smhd]))*", text.strip().lower()):
        text = f"-{text.strip()}"
    return parse_time(text, now_ns=now_ns)


def to_datetime(ns: int) -> datetime:
    """Return ns since 1970 as an aware time in UTC, to the second."""
    return datetime.fromtimestamp(ns // 10**9, tz=UTC)


def _of_iso(text: str, zone: tzinfo | None) -> int:
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=zone) if zone else when.astimezone()
        ns = int(when.timestamp()) * 10**9 + when.microsecond * 1000
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text!r} is no moment", hint=HINT) from error
    if not 0 <= ns <= _LARGEST_NS:
        raise UsageError(f"{text!r} is out of range", hint=HINT)
    return ns
