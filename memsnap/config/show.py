"""Writes settings as TOML: all that holds for everything, what is said of each, no secrets."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from enum import Enum
from re import Pattern
from typing import Any
from urllib.parse import urlsplit

from memsnap.config import forms
from memsnap.config.settings import (
    SEARCHES,
    DiscoverSettings,
    Settings,
    StoreSettings,
)
from memsnap.config.tables import keys

HIDDEN = "***"

_URL_SECRET = re.compile(r"(?<=://)([^/?#@:]*)(:[^/?#]*)?@")
_SIZES = (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10))
_TIMES = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def render(settings: Settings) -> str:
    """Return settings as a file that means the same, but for passwords and headers."""
    tables = {
        "[store]": settings.store,
        "[retention]": settings.retention,
        "[collector]": settings.collector,
        "[judging]": settings.judging,
        "[http]": settings.http,
        "[log]": settings.log,
    }
    parts = [(header, list(_lines(one, defaults=True))) for header, one in tables.items()]
    parts += [("[[trigger]]", list(_lines(one))) for one in settings.triggers]
    parts += [("[[alert]]", list(_lines(one))) for one in settings.alerts]
    parts += [("[[token]]", list(_lines(one))) for one in settings.tokens]
    parts += [("[[target]]", list(_lines(one))) for one in settings.targets]
    parts += [("[[discover]]", list(_discover(one))) for one in settings.discovers]
    return "\n".join("\n".join([header, *lines]) + "\n" for header, lines in parts)


def hide_secrets(url: str) -> str:
    """Return a URL or address without its password and without the values of its query."""
    url = _URL_SECRET.sub(lambda match: match[1] + (f":{HIDDEN}" if match[2] else "") + "@", url)
    address, mark, query = url.partition("?")
    return address + mark + re.sub(r"=[^&]*", f"={HIDDEN}", query)


def hide_path(url: str) -> str:
    """Return a URL with no more than scheme and host: all behind them may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{HIDDEN}"


def format_seconds(seconds: float) -> str:
    """Return a duration exactly, to the millisecond, as `parse_duration` reads it: `1m30s`."""
    left, text = round(seconds * 1000), ""
    for unit, length in _TIMES:
        count, left = divmod(left, length)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def format_size(size_bytes: int) -> str:
    """Return a size exactly, as `parse_bytes` reads it: `64MB`."""
    for unit, factor in _SIZES:
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return str(size_bytes)


def _discover(discover: DiscoverSettings) -> Iterator[str]:
    kind = next(kind for kind, one in SEARCHES.items() if isinstance(discover.search, one))
    yield f"kind = {_text(kind)}"
    yield from _lines(discover)
    yield from _lines(discover.search)


def _lines(settings: Any, *, defaults: bool = False) -> Iterator[str]:
    """Yield the keys of settings with their values, those that are defaults only if asked for."""
    usual = {one.name: one.default for one in fields(settings)}
    for one in keys(type(settings)):
        value = getattr(settings, one.name)
        if one.flat:
            yield from _lines(value, defaults=defaults)
        elif value == usual[one.name] and (not defaults or value == ""):
            continue
        elif isinstance(one.form, type):
            yield f"{one.key} = {{ {', '.join(_lines(value))} }}"
        elif _is_from_elsewhere(settings, one.name):
            yield f"# {one.key} = {_text(hide_secrets(value))}"
        else:
            yield f"{one.key} = {_value(one.form, value)}"


def _is_from_elsewhere(settings: Any, name: str) -> bool:
    """Whether a value is only shown for people, since another key says where it comes from."""
    stored = isinstance(settings, StoreSettings) and name == "url"
    return stored and bool(settings.url_file or settings.url_env)


def _value(form: Any, value: Any) -> str:
    if writer := _WRITERS.get(form):
        return writer(value)
    match form, value:
        case forms.Each(form=inner), tuple():
            return f"[{', '.join(_value(inner, one) for one in value)}]"
        case forms.Pairs(value=inner), tuple():
            pairs = ", ".join(f"{name} = {_value(inner, one)}" for name, one in value)
            return f"{{ {pairs} }}"
    return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case None:
            return _text("")
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(int(value) if float(value).is_integer() else value)
        case Enum():
            return _text(str(value.value))
        case Pattern():
            return _text(value.pattern)
    return _text(str(value))


def _text(value: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _header(value: str) -> str:
    return _text(f"{value.partition(':')[0]}: {HIDDEN}")


_WRITERS: dict[Any, Callable[[Any], str]] = {
    forms.duration: lambda value: _text(format_seconds(value)),
    forms.positive_duration: lambda value: _text(format_seconds(value)),
    forms.deadline: lambda value: _text(format_seconds(value)),
    forms.size: lambda value: _text(format_size(value)),
    forms.positive_size: lambda value: _text(format_size(value)),
    forms.store_url: lambda value: _text(hide_secrets(value)),
    forms.url: lambda value: _text(hide_secrets(value)),
    forms.secret_url: lambda value: _text(hide_path(value)),
    forms.Outside.TARGET: lambda value: _text(hide_secrets(value)),
    forms.Outside.HEADER: _header,
}
