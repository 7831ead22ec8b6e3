"""Parameters of a URL, read once into the values that an archive is asked with.

What is unknown, there twice, or malformed is refused with what there is.
"""

import re
import time
from collections.abc import Collection
from datetime import UTC

from multidict import MultiMapping

from memsnap.analysis.names import nearest
from memsnap.analysis.select import Selection
from memsnap.archive.moments import parse_time
from memsnap.archive.values import MOST_ROWS, FailureQuery, SeriesQuery, TargetQuery
from memsnap.errors import UsageError
from memsnap.storage.records import Labels, SnapshotFilter

Query = MultiMapping[str]

_DEFAULT_ROWS = 100
_LARGEST = 2**63 - 1
_DAY_NS = 86_400 * 10**9
_FLAGS = {"true": True, "1": True, "": True, "false": False, "0": False}
_NANOSECONDS = re.compile(r"[0-9]{16,19}")
_SERIES = ("metric", "focus", "in", "package", "file", "since", "until")


def target_query(query: Query) -> TargetQuery:
    """Read what `/targets` was asked."""
    read = _Reader(query, ("service", "label", "retired", "after", "limit"))
    return TargetQuery(
        service=read.text("service"),
        labels=read.labels(),
        with_retired=read.flag("retired"),
        after_id=read.number("after"),
        limit=read.limit(default=MOST_ROWS),
    )


def target_name(query: Query) -> str:
    """Return the name that `/targets?name=...` looks for."""
    return _Reader(query, ("name",)).text("name")


def snapshot_query(query: Query) -> SnapshotFilter:
    """Read what `/snapshots` was asked."""
    known = ("id", "target", "service", "label", "since", "until", "order", "after", "limit")
    read = _Reader(query, known)
    order = read.text("order") or "newest"
    if order not in {"newest", "oldest"}:
        raise UsageError(f"order is {order!r}", hint="order=newest or order=oldest")
    return SnapshotFilter(
        id=read.number("id"),
        target_id=read.number("target"),
        service=read.text("service"),
        labels=read.labels(),
        since_ns=read.time("since"),
        until_ns=read.time("until"),
        after=read.place("after"),
        limit=read.limit(),
        newest_first=order == "newest",
    )


def failure_query(query: Query, *, target_id: int | None = None) -> FailureQuery:
    """Read what `/failures` was asked, or `/targets/{id}/failures`."""
    known = ("since", "until", "limit")
    read = _Reader(query, known if target_id else ("target", "service", "label", *known))
    return FailureQuery(
        target_id=target_id or read.number("target"),
        service=read.text("service"),
        labels=read.labels(),
        since_ns=read.time("since"),
        until_ns=read.time("until"),
        limit=read.limit(),
    )


def series_query(query: Query) -> SeriesQuery:
    """Read what `/targets/{id}/series` was asked; without a time it is the last day."""
    read = _Reader(query, _SERIES)
    since_ns, until_ns = read.time("since"), read.time("until")
    if since_ns is None and until_ns is None:
        since_ns = time.time_ns() - _DAY_NS
    return SeriesQuery(
        metrics=tuple(query.getall("metric", ())),
        match=Selection(
            focus=read.text("focus"),
            function=read.text("in"),
            package=read.text("package"),
            file=read.text("file"),
        ),
        since_ns=since_ns,
        until_ns=until_ns,
    )


def nothing(query: Query) -> None:
    """Refuse all parameters."""
    _Reader(query, ())


def path_number(text: str) -> int:
    """Return an id out of a path; 0, which nothing has, where a database could not hold it."""
    number = int(text)
    return number if number <= _LARGEST else 0


class _Reader:
    """The parameters of one request."""

    def __init__(self, query: Query, known: Collection[str]) -> None:
        for name in query:
            if name not in known:
                close = nearest(name, known)
                there = ", ".join(known) or "none"
                raise UsageError(
                    f"there is no parameter {name!r} here",
                    hint=f"did you mean {close[0]}?" if close else f"there are: {there}",
                )
            if len(query.getall(name)) > 1 and name not in {"label", "metric"}:
                raise UsageError(f"the parameter {name} is there twice", hint="give it once")
        self._query = query

    def text(self, name: str) -> str:
        text = self._query.get(name, "")
        if "\0" in text:
            raise UsageError(f"{name} holds a NUL", hint="no name has one")
        return text

    def flag(self, name: str) -> bool:
        if name not in self._query:
            return False
        value = _FLAGS.get(self._query[name].lower())
        if value is None:
            raise UsageError(f"{name} is {self._query[name]!r}", hint=f"{name}=true or =false")
        return value

    def number(self, name: str) -> int | None:
        text = self._query.get(name)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > _LARGEST:
            raise UsageError(f"{name} is {text!r}, and no number", hint=f"{name}=17")
        return int(text)

    def limit(self, *, default: int = _DEFAULT_ROWS) -> int:
        limit = self.number("limit")
        if limit is None:
            return default
        if not 1 <= limit <= MOST_ROWS:
            raise UsageError(f"limit is {limit}", hint=f"from 1 to {MOST_ROWS}; then go on")
        return limit

    def time(self, name: str) -> int | None:
        """Return ns since 1970: so written, or in ISO 8601, or as `-1h`."""
        text = self._query.get(name)
        if text is None:
            return None
        if _NANOSECONDS.fullmatch(text):
            return min(int(text), _LARGEST)
        if not text.startswith("-") and re.search(r"T[0-9:.]* [0-9:]+$", text):
            raise UsageError(f"{name} is {text!r}", hint="write + as %2B in a URL, or use Z")
        try:
            return parse_time(text, now_ns=time.time_ns(), zone=UTC)
        except UsageError as error:
            raise UsageError(
                f"{name} is {text!r}, and no time",
                hint="-1h, now, 2026-11-22T14:03:07Z, or nanoseconds since 1970",
            ) from error

    def place(self, name: str) -> tuple[int, int] | None:
        text = self._query.get(name)
        if text is None:
            return None
        found = re.fullmatch(r"([0-9]{1,19})-([0-9]{1,19})", text)
        if not found or max(int(found[1]), int(found[2])) > _LARGEST:
            raise UsageError(f"{name} is {text!r}", hint="it is the `next` of the page before")
        return int(found[1]), int(found[2])

    def labels(self) -> Labels:
        found: dict[str, str] = {}
        for text in self._query.getall("label", ()):
            name, separator, value = text.partition("=")
            if not name or not separator or "\0" in text:
                raise UsageError(f"label is {text!r}", hint="label=NAME=VALUE")
            if found.setdefault(name, value) != value:
                raise UsageError(f"the label {name} has two values", hint="give one of them")
        return tuple(sorted(found.items()))
