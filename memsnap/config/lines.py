"""Which line of a TOML text a key stands in, which tomllib does not tell.

Meant for texts that tomllib has accepted; of others some lines may be missing.
"""

import re
import tomllib
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]  # ("target", 1, "labels", "team")

_NAME = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_STATEMENT = re.compile(
    rf"[ \t]*(?:\[(?P<array>\[)?[ \t]*(?P<table>{_KEY})[ \t]*\]|(?P<key>{_KEY})[ \t]*=)"
)
# What matters inside of a value: texts and comments as a whole, brackets, the end of the line.
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*|[\[{]|[\]}]|\n",
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every table and key that begins a line of `text`."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    at, line = 0, 1
    while at < len(text):
        statement = _STATEMENT.match(text, at)
        end = _end(text, statement.end() if statement and statement["key"] else at)
        if statement and statement["table"]:
            table = _table(_parts(statement["table"]), counts, is_array=bool(statement["array"]))
            lines.setdefault(table, line)
        elif statement:
            lines.setdefault(table + _parts(statement["key"]), line)
        line += text.count("\n", at, end)
        at = end
    return lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Return the line of the key at `path`, or of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _end(text: str, at: int) -> int:
    """Return where the statement that goes on at `at` is over: behind its last line."""
    depth = 0
    for piece in _PIECE.finditer(text, at):
        match piece[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth <= 0:
                return piece.end()
    return len(text)


def _parts(key: str) -> tuple[str, ...]:
    """Return the names of a dotted key, without their quotes."""
    node = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        parts.append(name)
    return tuple(parts)


def _table(names: tuple[str, ...], counts: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    """Return the path of a table's header; a name that is an array means its last element."""
    path: KeyPath = ()
    for position, name in enumerate(names):
        path += (name,)
        if is_array and position == len(names) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path += (counts[path] - 1,)
    return path
