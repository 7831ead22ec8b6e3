"""What no single key can tell: keys that contradict each other, and what is hardly meant."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from memsnap.config.lines import KeyPath, line_of
from memsnap.config.mistakes import Mistake
from memsnap.config.settings import (
    AccessSettings,
    AlertSettings,
    DiscoverSettings,
    DnsRecord,
    DnsSearch,
    HttpSearch,
    HttpSettings,
    KubernetesSearch,
    Metric,
    RetentionSettings,
    Settings,
    StoreSettings,
    TargetSettings,
    TokenSettings,
    TriggerSettings,
    visit_settings,
)
from memsnap.config.tables import Reader, spelt
from memsnap.units import format_duration

Said = Iterator[tuple[KeyPath, str]]  # where, and what


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the elements of the arrays in Settings stand in the file."""

    triggers: tuple[KeyPath, ...]
    alerts: tuple[KeyPath, ...]
    tokens: tuple[KeyPath, ...]
    targets: tuple[KeyPath, ...]
    discovers: tuple[KeyPath, ...]


def check(
    settings: Settings, places: Places, reader: Reader, parse_target: Callable[[str], object]
) -> tuple[str, ...]:
    """Note the mistakes of `settings` that lie between keys, and return warnings."""
    targets = list(zip(places.targets, settings.targets, strict=True))
    discovers = list(zip(places.discovers, settings.discovers, strict=True))
    triggers = list(zip(places.triggers, settings.triggers, strict=True))
    mistakes = [
        *_retention(settings.retention),
        *_triggers(triggers),
        *_alerts(zip(places.alerts, settings.alerts, strict=True)),
        *_http(settings.http),
        *_tokens(zip(places.tokens, settings.tokens, strict=True)),
        *_targets(targets, parse_target),
        *_discovers(discovers),
    ]
    for path, text in mistakes:
        reader.wrong(path, text)
    warnings = [
        *_passwords(settings.store, targets, reader),
        *_slow(settings, targets, discovers),
    ]
    return tuple(
        str(Mistake(key=spelt(path), text=text, line=line_of(path, reader.lines)))
        for path, text in warnings
    )


def identity(target: TargetSettings, parse_target: Callable[[str], object]) -> str:
    """Return what names a target in the store: its id, or its address without secrets."""
    return target.id or str(parse_target(target.address))


def _retention(retention: RetentionSettings) -> Said:
    ages = {
        "all-for": retention.all_for_s,
        "hourly-for": retention.hourly_for_s,
        "daily-for": retention.daily_for_s,
    }
    used = [(key, age) for key, age in ages.items() if age]
    for (shorter, least), (longer, age) in pairwise(used):
        if age < least:
            yield ("retention", longer), f"is shorter than {shorter}; ages count from now"


def _triggers(triggers: Iterable[tuple[KeyPath, TriggerSettings]]) -> Said:
    names: set[str] = set()
    for path, trigger in triggers:
        if trigger.name in names:
            yield (*path, "name"), f"{trigger.name!r} is there twice"
        names.add(trigger.name)
        conditions = (trigger.above, trigger.grows_by, trigger.grows_fraction)
        if all(condition is None for condition in conditions):
            yield path, "has no condition: give above, grows-by or grows-fraction"
        if trigger.metric is Metric.CGROUP_FRACTION:
            for key, value in (("above", trigger.above), ("grows-by", trigger.grows_by)):
                if value is not None and value >= 1:
                    yield (*path, key), "is a part of the cgroup's limit: below 1, such as 0.9"


def _alerts(alerts: Iterable[tuple[KeyPath, AlertSettings]]) -> Said:
    names: set[str] = set()
    for path, alert in alerts:
        if alert.name in names:
            yield (*path, "name"), f"{alert.name!r} is there twice"
        names.add(alert.name)
        given = {"url": alert.url, "url-file": alert.url_file, "url-env": alert.url_env}
        there = [key for key, value in given.items() if value]
        if not there:
            yield path, "url is missing; or give url-file or url-env, which hold it"
        for key in there[1:]:
            yield (*path, key), f"stands beside {there[0]}; give one of them"
        yield from _access((*path, "request"), alert.request)


def _http(http: HttpSettings) -> Said:
    if http.key and not http.cert:
        yield ("http", "key"), "needs its certificate, cert"


def _tokens(tokens: Iterable[tuple[KeyPath, TokenSettings]]) -> Said:
    names: set[str] = set()
    hashes: set[str] = set()
    for path, token in tokens:
        if token.name in names:
            yield (*path, "name"), f"{token.name!r} is there twice"
        if token.hash in hashes:
            yield (*path, "hash"), "is that of another token; make one for each"
        names.add(token.name)
        hashes.add(token.hash)


def _targets(
    targets: Iterable[tuple[KeyPath, TargetSettings]], parse_target: Callable[[str], object]
) -> Said:
    known: dict[str, KeyPath] = {}
    for path, target in targets:
        name = identity(target, parse_target)
        if name in known:
            yield (
                path,
                f"{name} is {spelt(known[name])} already; if both are meant, give each an id",
            )
        known.setdefault(name, path)
        yield from _access(path, target.overrides.access)


def _discovers(discovers: Iterable[tuple[KeyPath, DiscoverSettings]]) -> Said:
    names: set[str] = set()
    for path, discover in discovers:
        if discover.name in names:
            yield path, f"the name {discover.name!r} is there twice; give each discovery its own"
        names.add(discover.name)
        yield from _access(path, discover.overrides.access)
        match discover.search:
            case DnsSearch(type=DnsRecord.SRV, port=port) if port:
                yield (*path, "port"), "is told by SRV records; leave it out, or set type"
            case DnsSearch(type=(DnsRecord.A | DnsRecord.AAAA) as kind, port=0):
                yield path, f"port is missing, which {kind.value} records do not tell"
            case HttpSearch(request=request) | KubernetesSearch(request=request):
                yield from _access((*path, "request"), request)


def _access(path: KeyPath, access: AccessSettings) -> Said:
    """The rules of `capture.access`, which no two keys may break."""
    password = access.password_file or access.password_env
    token = access.token_file or access.token_env
    if access.password_file and access.password_env:
        yield (*path, "password-env"), "stands beside password-file; give one of them"
    if access.token_file and access.token_env:
        yield (*path, "token-env"), "stands beside token-file; give one of them"
    if access.user and token:
        yield (*path, "user"), "stands beside a token; a request carries one or the other"
    if password and not access.user:
        yield path, "user is missing, to whom the password belongs"
    if access.key and not access.cert:
        yield (*path, "key"), "needs its certificate, cert"
    if access.insecure and access.ca:
        yield (*path, "insecure"), "stands beside ca; give one of them"


def _passwords(
    store: StoreSettings, targets: Iterable[tuple[KeyPath, TargetSettings]], reader: Reader
) -> Said:
    if ("store", "url") in reader.lines and _has_password(store.url):
        yield ("store", "url"), "holds a password; url-file or url-env keep it out of this file"
    for path, target in targets:
        if _has_password(target.address):
            yield (
                (*path, "address"),
                "holds a password; user with password-file or password-env keep it out of here",
            )


def _has_password(url: str) -> bool:
    return re.match(r"[a-z+]+://[^/?#@]*:[^/?#]+@", url) is not None


def _slow(
    settings: Settings,
    targets: Iterable[tuple[KeyPath, TargetSettings]],
    discovers: Iterable[tuple[KeyPath, DiscoverSettings]],
) -> Said:
    """Tell where one request may outlast the time to the next visit, whose slot is lost then."""
    common = settings.collector
    if common.timeout_s > common.interval_s:
        yield ("collector", "timeout"), _outlasts(common.timeout_s, common.interval_s)
    owners = [(path, one.overrides) for path, one in targets]
    owners += [(path, one.overrides) for path, one in discovers]
    for path, own in owners:
        visit = visit_settings(common, own)
        if (own.timeout_s or own.interval_s) and visit.timeout_s > visit.interval_s:
            yield path, _outlasts(visit.timeout_s, visit.interval_s)


def _outlasts(timeout_s: float, interval_s: float) -> str:
    return (
        f"the timeout of {format_duration(timeout_s)} outlasts the interval of "
        f"{format_duration(interval_s)}: visits that need it miss the next slot"
    )
