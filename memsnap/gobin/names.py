"""How Go spells types: the rules of the compiler's type strings, on texts alone.

cmd/compile/internal/types/fmt.go of Go 1.27, tconv2 and fldconv.  `reflect.Type.String` returns
what the compiler wrote; the same rules with import paths for package names give full names.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_RECEIVE, _SEND = 1, 2
_SHAPES = "go.shape"

_EMPTY_INTERFACE = re.compile(r"\binterface \{\}")
_BYTES = re.compile(r"\[\]uint8(?!\w)")


class Member(NamedTuple):
    """A struct field with its type's spelling; `tag` is the text between the back quotes."""

    name: str
    type: str
    tag: str
    embedded: bool


class Method(NamedTuple):
    """An interface method; `signature` is the spelling of its type: `func(int) error`."""

    name: str
    signature: str


def qualified(short: str, package_path: str) -> str:
    """Return the full name of a defined type: `net/http.Request` for `http.Request`.

    Type arguments have import paths already, with `%2e` for dots in the last element, as in the
    linker's names; the compiler's own `go.shape` types stay as they are.  A package's name has
    no dots, unlike its path.
    """
    short = short.replace("%2e", ".") if "[" in short else short
    package, dot, name = short.partition(".")
    if not package_path or not dot or package_path == _SHAPES or "[" in package:
        return short
    return f"{package_path}.{name}"


def channel(element: str, direction: int) -> str:
    """Return the spelling of a channel type; bit 0 of `direction` is receive, bit 1 send."""
    if direction == _RECEIVE:
        return f"<-chan {element}"
    if direction == _SEND:
        return f"chan<- {element}"
    return f"chan ({element})" if element.startswith("<-") else f"chan {element}"


def function(parameters: Sequence[str], results: Sequence[str], *, variadic: bool) -> str:
    """Return the spelling of a function type; the last variadic parameter is given as a slice."""
    listed = list(parameters)
    if variadic and listed:
        listed[-1] = f"...{listed[-1].removeprefix('[]')}"
    text = f"func({', '.join(listed)})"
    if len(results) == 1:
        return f"{text} {results[0]}"
    return f"{text} ({', '.join(results)})" if results else text


def struct(members: Sequence[Member]) -> str:
    """Return the spelling of a struct type that has no name."""
    if not members:
        return "struct {}"
    return f"struct {{ {'; '.join(map(_member, members))} }}"


def interface(methods: Sequence[Method]) -> str:
    """Return the spelling of an interface type that has no name."""
    if not methods:
        return "interface {}"
    listed = (f"{m.name}{m.signature.removeprefix('func')}" for m in methods)
    return f"interface {{ {'; '.join(listed)} }}"


def readable(name: str) -> str:
    """Return a type's name as people write it: `any` for `interface {}`, `[]byte` for `[]uint8`."""
    return _BYTES.sub("[]byte", _EMPTY_INTERFACE.sub("any", name))


def quoted(text: str) -> str:
    """Return a struct tag as Go quotes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _member(member: Member) -> str:
    text = member.type if member.embedded else f"{member.name} {member.type}"
    return f"{text} {quoted(member.tag)}" if member.tag else text
