"""Prometheus' lists of targets: `[{"targets": ["host:6060"], "labels": {"app": "shop"}}]`."""

from collections.abc import Iterator
from typing import Any

from memsnap.collector.discovery.candidates import ADDRESS, SERVICE, Candidate
from memsnap.errors import FormatError

_JOB = "job"  # what Prometheus calls a service


def parse_list(document: Any, *, name: str) -> tuple[Candidate, ...]:
    """Return the candidates in a decoded list; `name` is its file or URL.

    Raises:
        FormatError: it is no such list; nothing of it is to be used then.
    """
    if not isinstance(document, list):
        raise FormatError(f'{name} is no list of targets: it has to be [{{"targets": [...]}}]')
    return tuple(one for i, group in enumerate(document) for one in _group(group, i + 1, name))


def _group(group: Any, number: int, name: str) -> Iterator[Candidate]:
    if not isinstance(group, dict):
        raise FormatError(f"{name}: group {number} is no table with targets")
    targets, labels = group.get("targets", []), group.get("labels") or {}
    if not isinstance(targets, list) or not all(isinstance(one, str) for one in targets):
        raise FormatError(f"{name}: the targets of group {number} are no list of texts")
    if not isinstance(labels, dict) or not all(
        isinstance(part, str) for pair in labels.items() for part in pair
    ):
        raise FormatError(f"{name}: the labels of group {number} are no table of texts")
    service = labels.get(SERVICE) or labels.get(_JOB, "")
    for target in targets:
        yield Candidate(labels={**labels, ADDRESS: target}, service=service)
