"""Queries as the parameters of a URL, as the API reads them (see `memsnap.web.api.queries`)."""

from memsnap.archive.values import FailureQuery, FindingQuery, SeriesQuery, TargetQuery
from memsnap.storage.records import Labels, SnapshotFilter

Parameters = dict[str, str | list[str]]


def target_parameters(wanted: TargetQuery) -> Parameters:
    """Return the parameters of `/targets`."""
    retired = {"retired": "true"} if wanted.with_retired else {}
    return {**_of_target(wanted.service, wanted.labels), **retired, **_given(after=wanted.after_id)}


def snapshot_parameters(wanted: SnapshotFilter) -> Parameters:
    """Return the parameters of `/snapshots`."""
    after = cursor(*wanted.after) if wanted.after else None
    return {
        **_of_target(wanted.service, wanted.labels),
        **_given(id=wanted.id, target=wanted.target_id, after=after),
        **_times(wanted.since_ns, wanted.until_ns),
        **({} if wanted.newest_first else {"order": "oldest"}),
    }


def failure_parameters(wanted: FailureQuery) -> Parameters:
    """Return the parameters of `/failures`."""
    return {
        **_of_target(wanted.service, wanted.labels),
        **_given(target=wanted.target_id),
        **_times(wanted.since_ns, wanted.until_ns),
        "limit": str(wanted.limit),
    }


def series_parameters(wanted: SeriesQuery) -> Parameters:
    """Return the parameters of `/targets/{id}/series`."""
    match = wanted.match
    filters = {"focus": match.focus, "package": match.package, "file": match.file}
    return {
        **({"metric": list(wanted.metrics)} if wanted.metrics else {}),
        **{name: value for name, value in {**filters, "in": match.function}.items() if value},
        **_times(wanted.since_ns, wanted.until_ns),
    }


def finding_parameters(wanted: FindingQuery) -> Parameters:
    """Return the parameters of `/findings`."""
    states = [state.value for state in wanted.states]
    return {
        **_given(target=wanted.target_id),
        **({"state": states} if states else {}),
        "limit": str(wanted.limit),
    }


def settling_parameters(*, until_ns: int | None = None, reason: str = "") -> Parameters:
    """Return the parameters of `/findings/{id}/mute` and `/resolve`."""
    return {**_times(None, until_ns), **({"reason": reason} if reason else {})}


def cursor(slot_ns: int, snapshot_id: int) -> str:
    """Return the place of a snapshot in the list of all, for the parameter `after`."""
    return f"{slot_ns}-{snapshot_id}"


def _of_target(service: str, labels: Labels) -> Parameters:
    return {
        **({"service": service} if service else {}),
        **({"label": [f"{name}={value}" for name, value in labels]} if labels else {}),
    }


def _times(since_ns: int | None, until_ns: int | None) -> Parameters:
    # All of 19 digits, so that none can be taken for a date.
    times = {"since": since_ns, "until": until_ns}
    return {name: f"{ns:019d}" for name, ns in times.items() if ns is not None}


def _given(**numbers: int | str | None) -> Parameters:
    return {name: str(value) for name, value in numbers.items() if value is not None}
