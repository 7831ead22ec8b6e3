"""What there is to know of an executable without a profile, counted."""

import os
import stat
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memsnap.errors import FormatError
from memsnap.gobin import elf
from memsnap.gobin.buildinfo import BuildInfo
from memsnap.gobin.executable import Executable
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.listing import Progress, list_sites
from memsnap.gobin.site import Certainty

_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr
_HEAD_BYTES = 8192  # program headers follow the ELF header, wherever a linker made the file
_DWARF = (".debug_info", ".zdebug_info")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """The file itself: `name` as it was given, build ids empty where there are none.

    `code_bytes` is the machine code of Go's functions; `layout_since` is the first Go release
    whose tables look like this one's.  `symbols` and `dwarf` say whether the linker left them in;
    None where the section headers are gone.
    """

    name: str
    machine: str
    pie: bool
    code_bytes: int
    symbols: bool | None
    dwarf: bool | None
    build_id: str
    go_build_id: str
    layout_since: tuple[int, int]
    build: BuildInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """An executable's facts and what the reader found: `sites` counts by kind and certainty."""

    file: FileFacts
    functions: int
    types: Mapping[str, int]
    sites: Mapping[tuple[AllocKind, Certainty], int]

    @property
    def typed(self) -> int:
        """How many sites have a type that is certain from the code alone."""
        return sum(n for (_, certainty), n in self.sites.items() if certainty.trustworthy)


def open_executable(path: str | os.PathLike[str], *, name: str = "") -> Executable:
    """Map an executable as `Executable.open` does, and say of one without tables if it is cut off.

    Raises FileError and FormatError as that does.
    """
    name = name or str(path)
    try:
        return Executable.open(path, name=name)
    except FormatError as error:
        missing = missing_bytes(path)
        if not missing:
            raise
        raise FormatError(
            f"{name} is cut off: {missing:,} of the bytes that its headers tell of are missing",
            hint="copy the file again",
        ) from error


def missing_bytes(path: str | os.PathLike[str]) -> int:
    """Return how many bytes the program headers place behind the end of the file.

    0 for a whole one, and for what is no ELF executable that memsnap reads.
    """
    file = Path(path)
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        return 0
    with file.open("rb") as opened:
        start = opened.read(_HEAD_BYTES)
    try:
        offset, count = elf.parse_header(start, name=file.name).program_headers
    except FormatError:
        return 0
    rows = start[offset : offset + count * _PROGRAM_HEADER.size]
    whole = len(rows) // _PROGRAM_HEADER.size * _PROGRAM_HEADER.size
    headers = _PROGRAM_HEADER.iter_unpack(rows[:whole])
    ends = [at + size for kind, _, at, _, _, size, *_ in headers if kind == elf.PT_LOAD]
    return max(0, max(ends, default=0) - status.st_size)


def file_facts(executable: Executable) -> FileFacts:
    """Return what an executable says of itself.  Raises FormatError where it is damaged."""
    image = executable.image
    names = image.sections.keys()
    return FileFacts(
        name=executable.name,
        machine=image.machine,
        pie=image.pie,
        code_bytes=executable.moduledata.etext - executable.moduledata.text,
        symbols=".symtab" in names if names else None,
        dwarf=any(section in names for section in _DWARF) if names else None,
        build_id=image.build_id,
        go_build_id=image.go_build_id,
        layout_since=executable.moduledata.since,
        build=executable.build_info,
    )


def inspect(executable: Executable, *, progress: Progress | None = None) -> Inspection:
    """Return facts and counts; the allocation sites take some seconds per 10 MB of a binary.

    Raises FormatError where a table is damaged.
    """
    return Inspection(
        file=file_facts(executable),
        functions=len(executable.pclntab),
        types=Counter(type_.kind.name.lower() for type_ in executable.types.all()),
        sites=Counter(
            (listed.site.kind, listed.site.certainty)
            for listed in list_sites(executable, progress=progress)
        ),
    )
