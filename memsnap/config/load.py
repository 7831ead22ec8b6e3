"""Makes settings of a file: pure but for `url-file`, so that a reload can be refused whole."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from memsnap.config import checks
from memsnap.config.document import Document, parse_document
from memsnap.config.forms import Outside, nearest, store_url
from memsnap.config.lines import KeyPath
from memsnap.config.mistakes import ConfigError, Mistake
from memsnap.config.settings import (
    SEARCHES,
    TABLES,
    AlertSettings,
    CollectorSettings,
    DiscoverSettings,
    HttpSettings,
    JudgingSettings,
    KubernetesSearch,
    LogSettings,
    RetentionSettings,
    Search,
    Settings,
    StoreSettings,
    TargetSettings,
    TokenSettings,
    TriggerSettings,
)
from memsnap.config.tables import Reader, keys_of
from memsnap.errors import UsageError

S = TypeVar("S")

STORE_URL_VARIABLE = "MEMSNAP_STORE_URL"

_SECRET_MAX_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What others know of the file: how targets and headers are written, and tables of their own.

    `parse_target` and `parse_header` raise UsageError; the text of a parsed target is its
    address without secrets.  `tables` are left to who brings them.
    """

    parse_target: Callable[[str], object]
    parse_header: Callable[[str], object]
    tables: Collection[str] = ()


def settings_of(
    document: Document, environment: Mapping[str, str], neighbours: Neighbours
) -> Settings:
    """Return the settings that a document holds.

    Raises:
        ConfigError: it is wrong; the error has every mistake in it.
    """
    tables = document.tables
    outside = {Outside.TARGET: neighbours.parse_target, Outside.HEADER: neighbours.parse_header}
    reader = Reader(outside=outside, lines=document.lines)
    reader.unknown(tables, {*TABLES, *neighbours.tables}, ())
    triggers = _sections(reader, TriggerSettings, tables, "trigger")
    alerts = _sections(reader, AlertSettings, tables, "alert")
    tokens = _sections(reader, TokenSettings, tables, "token")
    targets = _sections(reader, TargetSettings, tables, "target")
    discovers = _discovers(reader, tables, environment)
    settings = Settings(
        store=_store(reader, tables, environment),
        retention=_section(reader, RetentionSettings, tables, "retention"),
        collector=_section(reader, CollectorSettings, tables, "collector"),
        judging=_section(reader, JudgingSettings, tables, "judging"),
        triggers=tuple(triggers.values()),
        alerts=tuple(alerts.values()),
        http=_section(reader, HttpSettings, tables, "http"),
        tokens=tuple(tokens.values()),
        log=_section(reader, LogSettings, tables, "log"),
        targets=tuple(targets.values()),
        discovers=tuple(discovers.values()),
    )
    places = checks.Places(
        triggers=tuple(triggers),
        alerts=tuple(alerts),
        tokens=tuple(tokens),
        targets=tuple(targets),
        discovers=tuple(discovers),
    )
    warnings = checks.check(settings, places, reader, neighbours.parse_target)
    if reader.mistakes:
        raise ConfigError(document.where, reader.mistakes)
    return replace(settings, warnings=warnings)


def from_command_line(
    targets: Sequence[str],
    environment: Mapping[str, str],
    neighbours: Neighbours,
    *,
    base: Settings | None = None,
) -> Settings:
    """Return `base` (the defaults, with secrets from `environment`) with `targets` added to it.

    Raises:
        ConfigError: an address is none, or is there twice.
    """
    if base is None:
        empty = parse_document("", STORE_URL_VARIABLE)
        base = settings_of(empty, environment, neighbours)
    mistakes = []
    known = {checks.identity(one, neighbours.parse_target) for one in base.targets}
    added: dict[str, TargetSettings] = {}
    for address in targets:
        try:
            identity = str(neighbours.parse_target(address))
        except UsageError as error:
            mistakes.append(Mistake(key="--target", text=f"{error.message}; {error.hint}"))
            continue
        if identity in added:
            mistakes.append(Mistake(key="--target", text=f"{identity} is there twice"))
        elif identity not in known:
            added[identity] = TargetSettings(address=address.strip())
    if mistakes:
        raise ConfigError("command line", mistakes)
    return replace(base, targets=(*base.targets, *added.values()))


def _section(reader: Reader, kind: type[S], tables: Mapping[str, Any], table: str) -> S:
    """Return a table that stands once; all of it has defaults."""
    return reader.table(kind, tables.get(table, {}), (table,)) or kind()


def _sections(
    reader: Reader, kind: type[S], tables: Mapping[str, Any], table: str
) -> dict[KeyPath, S]:
    """Return an array of tables, each by its place; those that cannot be made are left out."""
    array = reader.tables(tables.get(table, []), (table,))
    read = {path: reader.table(kind, value, path) for path, value in array}
    return {path: one for path, one in read.items() if one is not None}


def _store(
    reader: Reader, tables: Mapping[str, Any], environment: Mapping[str, str]
) -> StoreSettings:
    store = _section(reader, StoreSettings, tables, "store")
    table = tables.get("store", {})
    given = [
        key for key in ("url", "url-file", "url-env") if isinstance(table, dict) and key in table
    ]
    if len(given) > 1:
        reader.wrong(("store", given[1]), f"stands beside {given[0]}; give one of them")
    if overlay := environment.get(STORE_URL_VARIABLE, "").strip():
        return _with_url(reader, store, overlay, (STORE_URL_VARIABLE,))
    if store.url_env:
        value = environment.get(store.url_env, "").strip()
        if not value:
            reader.wrong(("store", "url-env"), f"the variable {store.url_env} is not set")
            return store
        return _with_url(reader, store, value, ("store", "url-env"))
    if store.url_file:
        try:
            with Path(store.url_file).open(encoding="utf-8") as file:
                value = file.read(_SECRET_MAX_BYTES).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            reader.wrong(("store", "url-file"), f"cannot read {store.url_file}: {reason}")
            return store
        return _with_url(reader, store, value, ("store", "url-file"))
    return store


def _with_url(reader: Reader, store: StoreSettings, url: str, path: KeyPath) -> StoreSettings:
    try:
        return replace(store, url=store_url(url))
    except UsageError as error:
        reader.wrong(path, f"what it holds {error.message}")
        return store


def _discovers(
    reader: Reader, tables: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[KeyPath, DiscoverSettings]:
    array = reader.tables(tables.get("discover", []), ("discover",))
    read = {path: _discover(reader, value, path, environment) for path, value in array}
    return {path: one for path, one in read.items() if one is not None}


def _discover(
    reader: Reader, table: Any, path: KeyPath, environment: Mapping[str, str]
) -> DiscoverSettings | None:
    """Return one [[discover]]; which keys it may have depends on its kind."""
    if not isinstance(table, dict):
        reader.wrong(path, "is a table, with its keys below")
        return None
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in SEARCHES:
        known = f"must be one of {', '.join(SEARCHES)}{nearest(str(kind), SEARCHES)}"
        if kind is None:
            reader.wrong(path, f"kind is missing; it {known}")
        else:
            reader.wrong((*path, "kind"), f"is {kind!r}, but {known}")
        return None
    own = SEARCHES[kind]
    reader.unknown(table, {"kind", *keys_of(own), *keys_of(DiscoverSettings)}, path)
    search = reader.part(own, table, path)
    discover = reader.part(DiscoverSettings, table, path, {"search": search})
    if search is None or discover is None:
        return None
    search = _with_node(reader, search, path, environment)
    return replace(discover, name=discover.name or kind, search=search)


def _with_node(
    reader: Reader, search: Search, path: KeyPath, environment: Mapping[str, str]
) -> Search:
    """Return a search for pods with its node's name out of the environment."""
    if not isinstance(search, KubernetesSearch) or not search.node_env:
        return search
    if search.node:
        reader.wrong((*path, "node-env"), "stands beside node; give one of them")
    node = environment.get(search.node_env, "").strip()
    if not node:
        reader.wrong((*path, "node-env"), f"the variable {search.node_env} is not set")
    return replace(search, node=node)
