"""What an archive is asked with, out of the values of a request."""

import time

from memsnap.analysis.select import Selection
from memsnap.archive.values import FailureQuery, SeriesQuery, TargetQuery
from memsnap.errors import UsageError
from memsnap.storage.records import Labels, SnapshotFilter
from memsnap.web.api.forms import LARGEST
from memsnap.web.api.parameters import Values

_DAY_NS = 86_400 * 10**9


def target_query(values: Values) -> TargetQuery:
    """Return what `/targets` was asked."""
    return TargetQuery(
        service=values["service"],
        labels=_labels(values["label"]),
        with_retired=values["retired"],
        after_id=values["after"],
        limit=values["limit"],
    )


def snapshot_query(values: Values) -> SnapshotFilter:
    """Return what `/snapshots` was asked."""
    return SnapshotFilter(
        id=values["id"],
        target_id=values["target"],
        service=values["service"],
        labels=_labels(values["label"]),
        since_ns=values["since"],
        until_ns=values["until"],
        after=values["after"],
        limit=values["limit"],
        newest_first=values["order"] == "newest",
    )


def failure_query(values: Values, *, target_id: int | None = None) -> FailureQuery:
    """Return what `/failures` was asked, or `/targets/{id}/failures`."""
    return FailureQuery(
        target_id=target_id or values["target"],
        service=values.get("service", ""),
        labels=_labels(values.get("label", ())),
        since_ns=values["since"],
        until_ns=values["until"],
        limit=values["limit"],
    )


def series_query(values: Values) -> SeriesQuery:
    """Return what `/targets/{id}/series` was asked; without a time it is the last day."""
    since_ns, until_ns = values["since"], values["until"]
    if since_ns is None and until_ns is None:
        since_ns = time.time_ns() - _DAY_NS
    return SeriesQuery(
        metrics=values["metric"], match=selection(values), since_ns=since_ns, until_ns=until_ns
    )


def selection(values: Values) -> Selection:
    """Return the filters by type and by frame."""
    return Selection(
        focus=values["focus"],
        function=values["in"],
        package=values["package"],
        file=values["file"],
        min_bytes=values.get("min-bytes", 0),
    )


def path_number(text: str) -> int:
    """Return an id out of a path; 0, which nothing has, where a database could not hold it."""
    number = int(text)
    return number if number <= LARGEST else 0


def _labels(pairs: tuple[tuple[str, str], ...]) -> Labels:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise UsageError(f"the label {name} has two values", hint="give one of them")
    return tuple(sorted(found.items()))
