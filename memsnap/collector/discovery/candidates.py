"""From what a discovery came across to what is visited: labels, relabelling, keep and drop, keys.

Labels that begin with two underscores are for relabelling and are not kept.  Three of them say
where the target is, as in Prometheus' discoveries: `__address__` (host:port, or any address that
memsnap takes), `__scheme__` and `__path__`, the path of pprof.  What else a discovery knows is in
labels that begin with `__meta_`.  The label `service` names the service.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from memsnap.capture.endpoint import is_loopback
from memsnap.capture.target import (
    HttpTarget,
    PidTarget,
    Target,
    UnixTarget,
    parse_prefix,
    parse_target,
)
from memsnap.collector.discovery.found import Found
from memsnap.config.forms import fill
from memsnap.config.settings import CollectorSettings, DiscoverSettings, visit_settings
from memsnap.errors import UsageError
from memsnap.storage.records import SeenTarget

ADDRESS, SCHEME, PATH, SERVICE = "__address__", "__scheme__", "__path__", "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something that may be a target; `labels` hold where it is (`__address__`).

    `service` is its name unless a label says otherwise.  `key` names it for good; empty where its
    address does.  The rest is as in Found.
    """

    labels: Mapping[str, str]
    service: str = ""
    key: str = ""
    expected: bool = True
    listeners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a discovery's candidates have become; `problems` tell of those that are no targets."""

    found: tuple[Found, ...] = ()
    problems: tuple[str, ...] = field(default=())


def admit(
    candidates: Iterable[Candidate],
    discover: DiscoverSettings,
    collector: CollectorSettings,
    host: str,
) -> Admission:
    """Return the targets among `candidates`, by key and each once; `host` is this machine."""
    found: dict[str, Found] = {}
    problems = []
    for candidate in candidates:
        labels = relabelled(candidate, discover)
        if not _wanted(labels, discover):
            continue
        try:
            target = _target(labels, discover.overrides.prefix)
        except UsageError as error:
            problems.append(f"{error.message}; {error.hint}" if error.hint else error.message)
            continue
        near = host if is_local(target) else ""
        key = candidate.key or str(target)
        seen = SeenTarget(
            key=f"{near}/{key}" if near else key,
            address=str(target),
            service=labels.get(SERVICE) or candidate.service or default_service(target),
            source=discover.name,
            labels=_kept(labels),
        )
        one = Found(
            seen=seen,
            target=target,
            visit=visit_settings(collector, discover.overrides),
            host=near,
            expected=candidate.expected,
            listeners=candidate.listeners,
        )
        found.setdefault(seen.key, one)
    return Admission(found=tuple(found[key] for key in sorted(found)), problems=tuple(problems))


def relabelled(candidate: Candidate, discover: DiscoverSettings) -> dict[str, str]:
    """Return a candidate's labels after those of the configuration and the relabelling."""
    labels = {**candidate.labels, **dict(discover.labels)}
    if candidate.service:
        labels.setdefault(SERVICE, candidate.service)
    for name, template in discover.relabel:
        value = fill(template, labels)
        if value:
            labels[name] = value
        else:
            labels.pop(name, None)
    return labels


def is_local(target: Target) -> bool:
    """Whether only this machine can reach a target."""
    match target:
        case HttpTarget(origin=origin):
            return is_loopback(urlsplit(origin).hostname or "")
        case PidTarget() | UnixTarget():
            return True


def default_service(target: Target) -> str:
    """Return a name for a target that nobody has named: its host, socket or process."""
    match target:
        case HttpTarget(origin=origin):
            return urlsplit(origin).netloc
        case UnixTarget(path=path):
            return PurePosixPath(path.removeprefix("@")).stem or path
        case PidTarget():
            return str(target)


def with_prefix(target: Target, prefix: str | None) -> Target:
    """Return a target with pprof below `prefix`, unless that is None or left to probing."""
    if prefix is None or isinstance(target, PidTarget):
        return target
    return replace(target, prefix=parse_prefix(prefix))


def _wanted(labels: Mapping[str, str], discover: DiscoverSettings) -> bool:
    keep = all(pattern.fullmatch(labels.get(name, "")) for name, pattern in discover.keep)
    return keep and not any(
        pattern.fullmatch(labels.get(name, "")) for name, pattern in discover.drop
    )


def _target(labels: Mapping[str, str], prefix: str | None) -> Target:
    """Return the target that the labels say; raises UsageError where they say none."""
    address, scheme = labels.get(ADDRESS, ""), labels.get(SCHEME, "")
    if scheme and "://" not in address and not address.startswith(("unix:", "pid:")):
        address = f"{scheme}://{address}"
    return with_prefix(parse_target(address), prefix or labels.get(PATH) or None)


def _kept(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, labels[name])
        for name in sorted(labels)
        if not name.startswith("__") and name != SERVICE
    )
