"""Reads tables of TOML into classes of settings, and goes on after every mistake."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from memsnap.config.forms import (
    APART,
    FLAT,
    NOT_EMPTY,
    AnyForm,
    Each,
    Outside,
    Pairs,
    boolean,
    choice,
    nearest,
    text,
)
from memsnap.config.lines import KeyPath, line_of
from memsnap.config.mistakes import Mistake
from memsnap.errors import MemsnapError, UsageError

S = TypeVar("S")


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads one file; `mistakes` fill up on the way.

    `outside` has the forms that config does not know itself; `lines` may be empty.
    """

    outside: Mapping[Outside, Callable[[str], object]]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def wrong(self, path: KeyPath, text: str) -> None:
        """Note a mistake at `path`."""
        self.mistakes.append(Mistake(key=spelt(path), text=text, line=line_of(path, self.lines)))

    def table(self, kind: type[S], value: Any, path: KeyPath) -> S | None:
        """Return `value` as the settings `kind`; None where a key that has to be there is not.

        Keys that are wrong have their default.
        """
        if not isinstance(value, dict):
            self.wrong(path, "is a table, with its keys below")
            return None
        self.unknown(value, keys_of(kind), path)
        return self.part(kind, value, path)

    def part(
        self,
        kind: type[S],
        table: Mapping[str, Any],
        path: KeyPath,
        apart: Mapping[str, Any] | None = None,
    ) -> S | None:
        """Return the keys of `table` that belong to `kind`, as `table` does; others are left.

        `apart` are the fields marked so, by name.
        """
        read, missing = dict(apart or {}), False
        for one in keys(kind):
            if one.flat:
                read[one.name] = self.part(one.form, table, path)
            elif one.key in table:
                self._field(one, table[one.key], (*path, one.key), read)
            elif one.needed:
                self.wrong(path, f"{one.key} is missing")
            missing |= one.needed and one.name not in read
        return None if missing else kind(**read)

    def unknown(self, table: Mapping[str, Any], known: Collection[str], path: KeyPath) -> None:
        """Note the keys of `table` that are none, with the nearest that is one."""
        for key in table:
            if key not in known:
                what = "unknown key" if path else "unknown table"
                self.wrong((*path, key), what + nearest(key, known))

    def tables(self, value: Any, path: KeyPath) -> Iterable[tuple[KeyPath, Any]]:
        """Return the tables of an array such as [[target]], each with its path."""
        if not isinstance(value, list):
            self.wrong(path, f"write [[{spelt(path)}]], for there may be several")
            return []
        return [((*path, i), one) for i, one in enumerate(value)]

    def value(self, form: AnyForm, value: Any, path: KeyPath) -> Any:
        """Return what a value means.

        Raises:
            UsageError: it is not of this form; it has not been noted yet.
        """
        match form:
            case Outside():
                return self._from_outside(form, value)
            case Each():
                items = [((*path, i), one) for i, one in enumerate(form.items(value))]
                return tuple(self._each(form.form, items))
            case Pairs():
                pairs = form.items(value)
                names = self._each(form.name, [((*path, name), name) for name, _ in pairs])
                values = self._each(form.value, [((*path, name), one) for name, one in pairs])
                return tuple(zip(names, values, strict=False))
        return form(value)

    def _field(self, one: "Key", value: Any, path: KeyPath, read: dict[str, Any]) -> None:
        """Add what a key holds to `read`, or note what is wrong with it."""
        if isinstance(one.form, type):
            inner: Any = self.table(one.form, value, path)
            if inner is not None:
                read[one.name] = inner
            return
        try:
            read[one.name] = self.value(one.form, value, path)
        except UsageError as error:
            self.wrong(path, error.message)

    def _each(self, form: AnyForm, items: Iterable[tuple[KeyPath, Any]]) -> list[Any]:
        read = []
        for path, value in items:
            try:
                read.append(self.value(form, value, path))
            except UsageError as error:
                self.wrong(path, error.message)
        return read

    def _from_outside(self, form: Outside, value: Any) -> str:
        read = text(value)
        try:
            self.outside[form](read)
        except MemsnapError as error:
            hint = f"; {error.hint}" if form is Outside.TARGET else ""
            raise UsageError(f"{error.message}{hint}") from error
        return read


def spelt(path: KeyPath) -> str:
    """Return a path as people write it, elements of arrays counted from 1: `target[2].labels`."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def keys_of(kind: type) -> tuple[str, ...]:
    """Return all keys of a class of settings, with those of its flat parts."""
    names: list[str] = []
    for one in keys(kind):
        names += keys_of(one.form) if one.flat else [one.key]
    return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A field of settings as a key of the file; `form` is a class where it is a table."""

    name: str
    key: str
    form: Any
    needed: bool
    flat: bool


def keys(kind: type) -> tuple[Key, ...]:
    """Return the keys of a class of settings, in the order of its fields."""
    settings: Any = kind  # a type counts as unhashable
    return _keys(settings)


@cache
def _keys(kind: Any) -> tuple[Key, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Key(
            name=one.name,
            key=_spelt_key(one.name),
            form=_form(hints[one.name]),
            needed=one.default is dataclasses.MISSING,
            flat=FLAT in getattr(hints[one.name], "__metadata__", ()),
        )
        for one in dataclasses.fields(kind)
        if APART not in getattr(hints[one.name], "__metadata__", ())
    )


def _spelt_key(name: str) -> str:
    """Return the key of a field: dashes, and no seconds; `max_bytes` is `max-size`."""
    if name.endswith("_bytes"):
        name = name.removesuffix("_bytes") + "_size"
    return name.removesuffix("_s").replace("_", "-")


def _form(hint: Any) -> Any:
    """Return how a type is read: by the form that it is annotated with, else by what it is."""
    if get_origin(hint) is Annotated:
        bare, *marks = get_args(hint)
        forms = [mark for mark in marks if mark not in {FLAT, NOT_EMPTY}]
        return forms[0] if forms else _form_of_type(bare, least=int(NOT_EMPTY in marks))
    return _form_of_type(hint)


def _form_of_type(hint: Any, least: int = 0) -> Any:
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return Each(form=_form(arguments[0]), least=least)
    if arguments:
        return _form(arguments[0])  # X | None
    if isinstance(hint, type) and issubclass(hint, Enum):
        return choice(hint)
    return {str: text, bool: boolean}.get(hint, hint)
