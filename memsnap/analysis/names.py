"""Go's names for functions, packages and types: taking them apart and matching them.

A pattern is one word of the command line: comma separates alternatives, `!` before one excludes,
`re:` starts a regular expression, `*` is a wildcard.
"""

import difflib
import re
from collections.abc import Callable, Iterable

from memsnap.errors import UsageError

Predicate = Callable[[str], bool]


def package_of(function: str) -> str:
    """Return the import path of a function's package: `net/http` of `net/http.(*conn).serve`.

    The linker escapes dots in the last element of the path as `%2e` (cmd/internal/objabi).
    """
    plain = function.partition("[")[0]
    slash = plain.rfind("/")
    dot = plain.find(".", slash + 1)
    path = plain[:dot] if dot >= 0 else ""
    return path.replace("%2e", ".")


def is_standard(package: str) -> bool:
    """Return whether an import path belongs to Go's own library: no dot in its first element.

    `main` is not: it is the program's.
    """
    first = package.partition("/")[0]
    return first not in ("main", "") and "." not in first


def short_function(function: str) -> str:
    """Return the name as Go's own tools abbreviate it: `http.(*conn).serve`."""
    head, bracket, arguments = function.partition("[")
    return head[head.rfind("/") + 1 :] + bracket + arguments


def short_file(file: str) -> str:
    """Return the last element of a path."""
    return file[file.rfind("/") + 1 :]


def function_filter(pattern: str) -> Predicate:
    """Return which function names `pattern` names.

    `handle` and `Server).handle` match at any boundary of the name, with the function's own
    closures (`handle.func1`); `*` is a wildcard except in a receiver's `(*T)`.
    """
    return _alternatives(pattern, _function_word)


def package_filter(pattern: str) -> Predicate:
    """Return which import paths `pattern` names: the path, or the end of it (`http`)."""
    return _alternatives(pattern, lambda word: rf"(?:.*/)?{_wild(word)}")


def file_filter(pattern: str) -> Predicate:
    """Return which file paths `pattern` names: the path, or the end of it (`http/server.go`)."""
    return _alternatives(pattern, lambda word: rf"(?:.*/)?{_wild(word)}")


def type_filter(pattern: str) -> Predicate:
    """Return which types of objects `pattern` names, written as in Go.

    `*` at the start of a type is a pointer, and matches the objects that such pointers point to;
    elsewhere it is a wildcard.  `[]byte` is `[]uint8`, `any` is `interface {}`.  A full import
    path (`net/http.Request`) matches the type by its package name too, as profiles carry it.
    """
    return _alternatives(pattern, _type_word)


def nearest(pattern: str, names: Iterable[str], *, count: int = 5) -> list[str]:
    """Return the names that a mistyped `pattern` may have meant, likeliest first."""
    bare = pattern.strip("*!").lower()
    known = list(names)
    inside = [name for name in known if bare and bare in name.lower()]
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(bare, lowered, n=count, cutoff=0.5)
    return list(dict.fromkeys(inside + [lowered[name] for name in close]))[:count]


def _alternatives(pattern: str, to_regex: Callable[[str], str]) -> Predicate:
    wanted: list[re.Pattern[str]] = []
    unwanted: list[re.Pattern[str]] = []
    words = [pattern] if pattern.startswith("re:") else _split(pattern)
    for word in words:
        plain = word.removeprefix("!")
        (unwanted if word.startswith("!") else wanted).append(_compile(plain, to_regex))
    if not words:
        raise UsageError("an empty pattern matches nothing", hint="give a name, or leave it out")

    def matches(name: str) -> bool:
        if any(regex.fullmatch(name) for regex in unwanted):
            return False
        return not wanted or any(regex.fullmatch(name) for regex in wanted)

    return matches


def _split(pattern: str) -> list[str]:
    """Split at commas that stand outside of brackets, as in `Cache[string,int],main.T`."""
    words = re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", pattern)
    return [word.strip() for word in words if word.strip()]


def _compile(word: str, to_regex: Callable[[str], str]) -> re.Pattern[str]:
    try:
        if word.startswith("re:"):
            return re.compile(rf".*(?:{word[3:]}).*", re.DOTALL)
        return re.compile(to_regex(word), re.DOTALL)
    except re.error as error:
        raise UsageError(f"{word!r} is not a regular expression: {error}") from error


def _wild(word: str) -> str:
    return ".*".join(re.escape(part) for part in word.split("*"))


def _function_word(word: str) -> str:
    receivers = re.split(r"(\(\*)", word)
    body = "".join(re.escape(part) if part == "(*" else _wild(part) for part in receivers)
    return rf"(?:.*[./(*])?{body}(?:\[.*\])?(?:\.func\d+.*|-range\d+.*|\.gowrap\d+|-fm)?"


def _type_word(word: str) -> str:
    word = re.sub(r"\bbyte\b", "uint8", word.removeprefix("*"))
    word = re.sub(r"\bany\b", "interface {}", word)
    word = re.sub(r"(?:[\w.%-]+/)+([\w.%-]+\.\w)", r"\1", word)
    # Inside composed types (`[]*T`, `map[K]*V`, `chan *T`) a star still means a pointer.
    pieces = re.split(r"((?<=\])\*|(?<=chan )\*)", word)
    body = "".join(
        r"\*" if piece == "*" and at % 2 else _wild(piece) for at, piece in enumerate(pieces)
    )
    qualified = "" if "." in word or not re.match(r"[A-Za-z_]", word) else r"(?:\w+\.)?"
    return qualified + body
