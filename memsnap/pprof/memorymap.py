"""The memory map at the end of C++'s text profiles: which file lies at which addresses.

Lines are those of /proc/PID/maps or a brief form of them; google/pprof reads the same
(`profile/legacy_profile.go`, parseMappingEntry).
"""

import re
from collections.abc import Iterable

from memsnap.pprof.profile import Mapping

_SENTINELS = (b"--- Memory map: ---", b"MAPPED_LIBRARIES:")

_HEX = r"(?:0x)?([0-9a-fA-F]{1,16})"
_RANGE = rf"{_HEX}(?:-|\s+){_HEX}:?"
# 00400000-00b1b000 r-xp 00001000 fd:01 917602   /usr/bin/app
_PROC_LINE = re.compile(
    rf"{_RANGE}(?:\s+([-rwxps]+))?(?:\s+([0-9a-fA-F]{{1,16}}))?"
    r"\s+[0-9a-fA-F]+:[0-9a-fA-F]+\s+\d+(?:\s+(\S+))?.*"
)
# 00400000-00b1b000: /usr/bin/app (@1000) 5f0c11
_BRIEF_LINE = re.compile(
    rf"{_RANGE}(?:\s+([-rwxp]+))?(?:\s+(\S+))?"
    r"(?:\s+\(@([0-9a-fA-F]{1,16})\))?(?:\s+([0-9a-fA-F]+))?.*"
)
# Names may stand for names: without bounds, a few lines could become gigabytes.
_MAX_NAMES = 64
_MAX_VALUE_CHARACTERS = 1024
_MAX_LINE_CHARACTERS = 8192
_MAX_MAPPINGS = 4096

_LIBRARY = re.compile(r"\.so($|[._]\d+)")


def is_sentinel(line: bytes) -> bool:
    """Whether `line` announces the memory map."""
    return any(sentinel in line for sentinel in _SENTINELS)


def read_memory_map(lines: Iterable[bytes]) -> tuple[Mapping, ...]:
    """Return the executable mappings, that of the program itself first.

    Lines of the form `name=value` define `$name` for the lines after them; any other line that
    is no mapping is passed over.
    """
    names: dict[str, str] = {}
    mappings: list[Mapping] = []
    for raw in lines:
        line = _substituted(raw.decode("utf-8", "replace").strip(), names)
        mapping = _mapping(line)
        if mapping is not None and len(mappings) < _MAX_MAPPINGS:
            mappings.append(mapping)
        elif mapping is None and "=" in line and len(names) < _MAX_NAMES:
            key, _, value = line.partition("=")
            names[f"${key.strip()}"] = value.strip()[:_MAX_VALUE_CHARACTERS]
    mappings.sort(key=lambda mapping: not _is_program(mapping))
    return tuple(mappings)


def _substituted(line: str, names: dict[str, str]) -> str:
    for key, value in names.items():
        line = line[:_MAX_LINE_CHARACTERS].replace(key, value)
    return line[:_MAX_LINE_CHARACTERS]


def _mapping(line: str) -> Mapping | None:
    if match := _PROC_LINE.fullmatch(line):
        start, limit, permissions, offset, file = match.groups()
        build_id = None
    elif match := _BRIEF_LINE.fullmatch(line):
        start, limit, permissions, file, offset, build_id = match.groups()
    else:
        return None
    if permissions and "x" not in permissions:
        return None
    if int(limit, 16) <= int(start, 16):
        return None
    return Mapping(
        start=int(start, 16),
        limit=int(limit, 16),
        offset=int(offset or "0", 16),
        file=file or "",
        build_id=build_id or "",
    )


def _is_program(mapping: Mapping) -> bool:
    return bool(mapping.file) and mapping.file[0] != "[" and not _LIBRARY.search(mapping.file)
