"""How values are written in the file: small readers from what TOML gives to what settings hold.

A form takes a value of TOML and returns what it means, or raises UsageError with half a sentence
that goes behind the key: "takes a duration such as 30s".  Forms stand in the types of settings.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from re import Pattern
from typing import Any, TypeVar
from urllib.parse import urlsplit

from memsnap import units
from memsnap.errors import UsageError

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

Form = Callable[[Any], Any]

_DAY_S = 86_400.0
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")  # as Prometheus has it
_PLACE = re.compile(r"\{([^{}]*)\}")


class Outside(Enum):
    """Forms that belong to who visits targets; the caller of `load` brings them along."""

    TARGET = "target"
    HEADER = "header"


class Mark(Enum):
    """What the type of a field says beside the form of its value."""

    FLAT = "flat"  # the keys of these settings stand in the same table as their owner's
    NOT_EMPTY = "not empty"  # a list
    APART = "apart"  # not a key: who loads the file fills it in


FLAT, NOT_EMPTY, APART = Mark.FLAT, Mark.NOT_EMPTY, Mark.APART


def text(value: Any) -> str:
    """Read a text without white space around it."""
    if not isinstance(value, str):
        raise UsageError(f"takes a text in quotes, not {_shown(value)}")
    return value.strip()


def boolean(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise UsageError(f"takes true or false, not {_shown(value)}")
    return value


def whole(*, least: int, most: int | None = None) -> Callable[[Any], int]:
    """Return a form of whole numbers within bounds, both included."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"takes a whole number, not {_shown(value)}")
        if value < least:
            raise UsageError(f"is {value}, but must be at least {least}")
        if most is not None and value > most:
            raise UsageError(f"is {value}, but must be at most {most}")
        return value

    return read


def duration(value: Any) -> float:
    """Read seconds from `250ms`, `30s`, `1h30m`, `7d`, or from a plain number of seconds."""
    return _measure(value, units.parse_duration, "a duration such as 30s, 10m or 1h30m")


def positive_duration(value: Any) -> float:
    """Read a duration that is not 0."""
    seconds = duration(value)
    if not seconds > 0:
        raise UsageError("must be above 0")
    return seconds


def deadline(value: Any) -> float:
    """Read the deadline of a request: above 0 and at most a day."""
    seconds = positive_duration(value)
    if seconds > _DAY_S:
        raise UsageError("must be at most a day")
    return seconds


def size(value: Any) -> int:
    """Read bytes from `64kB`, `5MB`, `1.5GiB` (1 kB = 1024), or from a plain number of bytes."""
    return int(_measure(value, units.parse_bytes, "a size such as 64kB, 5MB or 1.5GiB"))


def positive_size(value: Any) -> int:
    """Read a size that is not 0."""
    size_bytes = size(value)
    if size_bytes < 1:
        raise UsageError("must be above 0")
    return size_bytes


def quantity(value: Any) -> float:
    """Read what is a size or a number: `512MB`, 0.9, 10000."""
    return float(_measure(value, units.parse_bytes, "a number, or a size such as 512MB"))


def fraction(value: Any) -> float:
    """Read a number above 0; 0.25 is a quarter."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"takes a number such as 0.25, not {_shown(value)}")
    if value <= 0:
        raise UsageError("must be above 0")
    return float(value)


def share(value: Any) -> float:
    """Read a part of a whole: above 0, at most 1."""
    part = fraction(value)
    if part > 1:
        raise UsageError("is a part of the whole: at most 1")
    return part


def choice(kind: type[E]) -> Callable[[Any], E]:
    """Return the form of an enum by its values."""
    names = [str(one.value) for one in kind]

    def read(value: Any) -> E:
        return kind(_chosen(value, names))

    return read


def name(value: Any) -> str:
    """Read a name: letters, digits and `_ . : / -`, since it is shown and stored as it is."""
    read = text(value)
    if not re.fullmatch(r"[\w.:/-]{1,100}", read):
        raise UsageError("takes a name of letters, digits and the signs _ . : / -")
    return read


def variable(value: Any) -> str:
    """Read the name of an environment variable; empty is none."""
    read = text(value)
    if read and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", read):
        raise UsageError("takes the name of an environment variable, not its value")
    return read


def regex(value: Any) -> Pattern[str]:
    """Read a regular expression."""
    try:
        return re.compile(text(value))
    except re.error as error:
        raise UsageError(f"is no regular expression: {error}") from error


def url(value: Any) -> str:
    """Read an http or https URL; empty is none.  It may hold no password."""
    read = text(value)
    if not read:
        return read
    try:
        parts = urlsplit(read)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, fits = None, False
    if parts is None or not fits:
        raise UsageError("takes a URL such as https://host/path")
    if parts.username is not None:
        raise UsageError("holds a user; give user with password-file or password-env instead")
    return read


def secret_url(value: Any) -> str:
    """Read an http or https URL whose path and query may be what lets one in."""
    return url(value)


def store_url(value: Any) -> str:
    """Read where a store is: sqlite:///PATH, a path, or postgresql://USER@HOST/NAME."""
    read = text(value)
    scheme, separator, _ = read.partition("://")
    if not read:
        raise UsageError("is empty; write sqlite:///memsnap.db or postgresql://user@host/name")
    if separator and scheme not in {"sqlite", "postgresql", "postgres"}:
        raise UsageError("takes sqlite:///PATH or postgresql://user@host/name")
    return read


def domain(value: Any) -> str:
    """Read a name that name servers know."""
    read = text(value).rstrip(".")
    labels = read.split(".")
    fits = all(
        re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", one) for one in labels
    )
    if not fits or len(read) > 253:
        raise UsageError(f"{_shown(value)} is no name of hosts, such as _pprof._tcp.shop.example")
    return read


def host_name(value: Any) -> str:
    """Read a name of this host as browsers ask for it, without a port."""
    return domain(value).lower()


def token_hash(value: Any) -> str:
    """Read `sha256:` and 64 hex digits, as `memsnap token create` prints them."""
    read = text(value).strip().lower()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", read):
        raise UsageError(
            "takes sha256: and 64 hex digits, which `memsnap token create` prints; "
            "never the token itself"
        )
    return read


def host_and_port(value: Any) -> tuple[str, int]:
    """Read `host:port` or `[::1]:port`; without a host it is every address, `0.0.0.0`."""
    match = re.fullmatch(r"(\[([0-9a-fA-F:.%]+)\]|[\w.-]*):(\d{1,5})", text(value))
    if not match or not 0 <= int(match[3]) <= 65535:
        raise UsageError("takes host:port such as 127.0.0.1:7070, or unix:/run/memsnap.sock")
    return match[2] or match[1] or "0.0.0.0", int(match[3])  # noqa: S104  # what was asked for


def path_prefix(value: Any) -> str:
    """Read a path above pprof's profiles: `/x/debug/pprof`."""
    read = text(value)
    if not read.startswith("/") or "?" in read or "#" in read or "://" in read:
        raise UsageError("takes a path such as /internal/debug/pprof")
    return read


def label_name(value: Any) -> str:
    """Read a label's name as Prometheus allows it."""
    read = text(value)
    if not _LABEL.fullmatch(read):
        raise UsageError(f"{_shown(value)} is no name of a label: letters, digits and _ only")
    return read


def template(value: Any) -> str:
    """Read a text with places for labels: `{app}-{zone}`."""
    read = text(value)
    for place in _PLACE.findall(read):
        label_name(place)
    if re.search(r"[{}]", _PLACE.sub("", read)):
        raise UsageError("has a brace that belongs to no {label}")
    return read


def fill(pattern: str, labels: Mapping[str, str]) -> str:
    """Return a template with its labels filled in; those that are not there are empty."""
    return _PLACE.sub(lambda place: labels.get(place[1], ""), pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """A list of at least `least` values of one form."""

    form: "AnyForm"
    least: int = 0

    def items(self, value: Any) -> list[Any]:
        """Return the items as TOML gave them."""
        if not isinstance(value, list):
            raise UsageError(f"takes a list in brackets, not {_shown(value)}")
        if len(value) < self.least:
            raise UsageError("is an empty list")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """A table from names to values of one form, read as pairs: by name, or as in the file."""

    name: Form
    value: Form
    in_order_of_file: bool = False

    def items(self, value: Any) -> list[tuple[str, Any]]:
        """Return the pairs as TOML gave them."""
        if not isinstance(value, dict):
            raise UsageError(f'takes a table such as {{ team = "shop" }}, not {_shown(value)}')
        return list(value.items()) if self.in_order_of_file else sorted(value.items())


AnyForm = Form | Outside | Each | Pairs


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)`, or nothing where no word is near."""
    close = get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _measure(value: Any, parse: Callable[[str], float], what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"takes {what}, not {_shown(value)}")
    if not isinstance(value, str):
        if not math.isfinite(value) or value < 0:
            raise UsageError(f"takes {what}, not {_shown(value)}")
        return value
    try:
        return parse(value)
    except UsageError as error:
        raise UsageError(f"takes {what}, not {_shown(value)}") from error


def _chosen(value: Any, names: list[str]) -> str:
    read = text(value)
    if read not in names:
        raise UsageError(f"is {read!r}, but must be {_or(names)}{nearest(read, names)}")
    return read


def _or(names: list[str]) -> str:
    quoted = [repr(one) for one in names]
    return ", ".join(quoted[:-1]) + " or " + quoted[-1] if len(quoted) > 1 else quoted[0]


def _shown(value: Any) -> str:
    """Return a value as TOML has it, short: somebody may have put a secret in the wrong place."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 40 else value[:39] + "…")
        case list():
            return "a list"
        case dict():
            return "a table"
    return str(value)
