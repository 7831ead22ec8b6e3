"""Bytes, counts, durations and times: how people write them and how memsnap prints them.

Sizes are integer bytes and print in binary units, as `go tool pprof` does (kB = 1024 there too).
"""

import re
from datetime import datetime

from memsnap.errors import UsageError

_BYTE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_bytes(text: str) -> int:
    """Return the integer bytes that `text` means: `512`, `64kB`, `5MB`, `1.5GiB` (1 kB = 1024)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise UsageError(f"{text!r} is not a size", hint="write it as 512, 64kB, 5MB or 1.5GiB")
    return round(float(match[1]) * _BYTE_UNITS[match[2]])


def parse_duration(text: str) -> float:
    """Return the seconds that `text` means: `10s`, `1m30s`, `250ms`, `2h`, or plain seconds."""
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{text!r} is not a duration", hint="write it as 10s, 1m30s or 250ms")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def format_bytes(size_bytes: float, *, signed: bool = False) -> str:
    """Return `12.4 MB`, three significant figures, binary units; with a sign if `signed`."""
    sign = "-" if size_bytes < 0 else "+" if signed and size_bytes > 0 else ""
    size = abs(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{sign}{_three_figures(size, unit)} {unit}"
        size /= 1024
    return f"{sign}{_three_figures(size, 'TB')} TB"


def format_size(size_bytes: int) -> str:
    """Return an exact size as one writes it: `64 kB`, not `64.0 kB`; else as `format_bytes`."""
    number, unit = format_bytes(size_bytes).split(" ")
    exact = "." in number and float(number).is_integer()
    return f"{float(number):.0f} {unit}" if exact else f"{number} {unit}"


def format_range(low_bytes: float, high_bytes: float) -> str:
    """Return `15.0…28.6 MB`, both ends in the unit of the larger; one number if they are alike."""
    if format_bytes(low_bytes) == format_bytes(high_bytes):
        return format_bytes(low_bytes)
    largest = max(abs(low_bytes), abs(high_bytes))
    unit = format_bytes(largest).partition(" ")[2]
    scale = 1024 ** ("B", "kB", "MB", "GB", "TB").index(unit)
    ends = [_three_figures(abs(end) / scale, unit) for end in (low_bytes, high_bytes)]
    signs = [
        "-" if end < 0 and float(text) else ""
        for end, text in zip((low_bytes, high_bytes), ends, strict=True)
    ]
    return f"{signs[0]}{ends[0]}…{signs[1]}{ends[1]} {unit}"


def _three_figures(value: float, unit: str) -> str:
    if unit == "B" or value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def format_count(count: float, *, signed: bool = False) -> str:
    """Return an integer with thousands separated by commas: `1,234,567`."""
    return f"{round(count):+,}" if signed and round(count) else f"{round(count):,}"


def format_duration(seconds: float) -> str:
    """Return the two largest units: `38s`, `1m12s`, `3h05m`, `2d04h`; `240ms` below a second."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def format_time(when: datetime) -> str:
    """Return an aware time as `2026-11-22 14:03:07Z` in UTC, or with its own offset."""
    text = when.isoformat(sep=" ", timespec="seconds")
    return text.replace("+00:00", "Z")
