"""Go's names for functions, packages and types: taking them apart and matching them.

A pattern is one word of the command line: comma separates alternatives, `!` before one excludes,
`re:` starts a regular expression, `*` is a wildcard.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from memsnap.errors import UsageError

# What a type's text is made of: stars, names with their import path, and everything else.
_TYPE_TOKEN = re.compile(r"(?P<path>(?:[\w.%~-]+/)*)(?P<name>\w+(?:\.\w+)*)|.", re.DOTALL)
# Types with two names; labels carry either, according to who wrote them.
_SYNONYMS = (("byte", "uint8"), ("rune", "int32"), ("any", "interface {}"))
_EITHER_NAME = {
    name: f"(?:{'|'.join(map(re.escape, pair))})" for pair in _SYNONYMS for name in pair
}
_EMPTY_INTERFACE = re.compile(r"\binterface ?\{\}")
_BUILT_IN = re.compile(
    r"bool|string|error|u?int(?:8|16|32|64)?|uintptr|float(?:32|64)|complex(?:64|128)"
    r"|chan|func|interface|map|struct"
)
# An import path in front of a package's name, a bracket that opens type arguments, or one sign.
_TYPE_PIECE = re.compile(
    r"(?P<path>(?:[\w.%~-]+/)+(?=[\w%~-]+\.))|(?P<arguments>(?<=\w)(?<!\bmap)\[)|.", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What one pattern says: names it wants (all, if it names none), and names it bars."""

    wanted: tuple[re.Pattern[str], ...]
    barred: tuple[re.Pattern[str], ...]

    def wants(self, name: str) -> bool:
        """Return whether the name is one of those asked for."""
        return not self.wanted or any(regex.fullmatch(name) for regex in self.wanted)

    def bars(self, name: str) -> bool:
        """Return whether the name is excluded."""
        return any(regex.fullmatch(name) for regex in self.barred)

    def __call__(self, name: str) -> bool:
        """Return whether the name passes."""
        return self.wants(name) and not self.bars(name)


# First elements of the import paths below GOROOT/src, Go 1.18 to 1.27.
_STANDARD = frozenset((
    "archive", "arena", "bufio", "builtin", "bytes", "cmp", "compress", "container", "context",
    "crypto", "database", "debug", "embed", "encoding", "errors", "expvar", "flag", "fmt", "go",
    "hash", "html", "image", "index", "internal", "io", "iter", "log", "maps", "math", "mime",
    "net", "os", "path", "plugin", "reflect", "regexp", "runtime", "simd", "slices", "sort",
    "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode",
    "unique", "unsafe", "uuid", "vendor", "weak",
))  # fmt: skip


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
    """Return whether an import path belongs to Go's own library, by its first element."""
    return package.partition("/")[0] in _STANDARD


def short_function(function: str) -> str:
    """Return the name as Go's own tools abbreviate it: `http.(*conn).serve`."""
    head, bracket, arguments = function.partition("[")
    return head[head.rfind("/") + 1 :] + bracket + arguments


def short_file(file: str) -> str:
    """Return the last element of a path."""
    return file[file.rfind("/") + 1 :]


def function_filter(pattern: str) -> Filter:
    """Return which function names `pattern` names.

    `handle` and `Server).handle` match at any boundary of the name, with the function's own
    closures (`handle.func1`); type arguments may be left out; `*` is a wildcard except in a
    receiver's `(*T)`.
    """
    return _alternatives(pattern, _function_word)


def package_filter(pattern: str) -> Filter:
    """Return which import paths `pattern` names: the path, or the end of it (`http`)."""
    return _alternatives(pattern, lambda word: rf"(?:.*/)?{_wild(word)}")


def file_filter(pattern: str) -> Filter:
    """Return which file paths `pattern` names: the path, or the end of it (`http/server.go`)."""
    return _alternatives(pattern, lambda word: rf"(?:.*/)?{_wild(word)}")


def type_filter(pattern: str) -> Filter:
    """Return which types of objects `pattern` names, written as in Go.

    `*` at the start of a type is a pointer, and matches the objects that such pointers point to;
    within a type (`[]*T`) it is a pointer, elsewhere a wildcard.  `[]byte` and `[]uint8` are one
    type, and so are `any` and `interface {}`.  Packages and type arguments may be left out; a
    full import path (`net/http.Request`) matches a type labelled by its package name too.
    """
    return _alternatives(pattern, _type_word)


def short_type(type_name: str) -> str:
    """Return the type as Go prints it, without import paths: `http.Request` of `net/http.Request`.

    Type arguments keep theirs, as they do in Go.
    """
    if "/" not in type_name:
        return type_name
    pieces: list[str] = []
    brackets: list[bool] = []  # the open ones; whether they hold type arguments
    for piece in _TYPE_PIECE.finditer(type_name):
        if piece[0] == "[":
            brackets.append(piece["arguments"] is not None)
        elif piece[0] == "]" and brackets:
            brackets.pop()
        if piece["path"] is None or any(brackets):
            pieces.append(piece[0])
    return "".join(pieces)


def nearest(pattern: str, names: Iterable[str], *, count: int = 5) -> list[str]:
    """Return the names that a mistyped `pattern` may have meant, likeliest first."""
    import difflib

    bare = pattern.strip("*!").lower()
    inside: list[str] = []
    spellings: dict[str, str] = {}
    for name in names:
        if bare and bare in name.lower():
            inside.append(name)
        for spelling in (name.rpartition(".")[2], short_function(name), name):
            spellings[spelling.lower()] = name
    close = difflib.get_close_matches(bare, spellings, n=count, cutoff=0.5)
    return list(dict.fromkeys(inside + [spellings[text] for text in close]))[:count]


def _alternatives(pattern: str, to_regex: Callable[[str], str]) -> Filter:
    is_regex = pattern.removeprefix("!").startswith("re:")
    words = [pattern] if is_regex else _split(pattern)
    if not words or any(word.removeprefix("!") in ("", "re:") for word in words):
        raise UsageError(
            f"{pattern!r} has an empty part that matches nothing",
            hint="give a name, or leave it out",
        )
    return Filter(
        wanted=tuple(_compile(word, to_regex) for word in words if not word.startswith("!")),
        barred=tuple(_compile(word[1:], to_regex) for word in words if word.startswith("!")),
    )


def _split(pattern: str) -> list[str]:
    """Split at commas that stand outside of brackets, as in `Cache[string,int],main.T`."""
    words, depth = [""], 0
    for char in pattern:
        depth = max(depth + (char in "[(") - (char in "])"), 0)
        if char == "," and not depth:
            words.append("")
        else:
            words[-1] += char
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
    body = body.replace(r"\)", r"(?:\[.*\])?\)")
    closures = r"\.func\d+.*|\.\d+.*|-range\d+.*|\.(?:go|defer)wrap\d+|-fm"
    return rf"(?:.*[./(*])?{body}(?:\[.*\])?(?:{closures})?"


def _type_word(word: str) -> str:
    """Translate token by token; only where a type can start do stars and packages mean more."""
    pieces: list[str] = []
    starts_type = True
    word = _EMPTY_INTERFACE.sub("any", word)
    for token in _TYPE_TOKEN.finditer(word):
        text, name = token[0], token["name"]
        if name is not None:
            pieces.append(_type_name(token["path"], name) if starts_type else re.escape(text))
            starts_type = False
        elif text == "*":
            starts_type = starts_type and re.match(r"[\w\[(*]", word[token.end() :]) is not None
            pointed_to = starts_type and token.start() == 0
            pieces.append("" if pointed_to else r"\*" if starts_type else ".*")
        else:
            pieces.append(re.escape(text))
            starts_type = text in "[](, "
    return "".join(pieces) + r"(?:\[.*\])?"


def _type_name(path: str, name: str) -> str:
    if not path and name in _EITHER_NAME:
        return _EITHER_NAME[name]
    if not path and _BUILT_IN.fullmatch(name):
        return name
    # Profiles carry the import path in type arguments only.
    imported = f"(?:{re.escape(path)})?" if path else r"(?:[\w.%~-]+/)*"
    package = "" if "." in name else r"(?:\w+\.)?"
    return imported + package + re.escape(name)
