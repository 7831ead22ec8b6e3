"""The tables of an ELF64 file: what is mapped where, what it is named, which build it is.

Pure functions over the bytes of a file, after elf(5).  No offset is trusted: what lies outside
the file is left out, and only a file that cannot be mapped at all is refused.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from memsnap.errors import FormatError

Data = mmap.mmap | bytes

MACHINES = {62: "amd64", 183: "arm64"}
_OTHER_MACHINES = {
    3: "32-bit x86",
    8: "MIPS",
    20: "32-bit PowerPC",
    21: "ppc64",
    22: "s390x",
    40: "32-bit ARM",
    243: "RISC-V",
    258: "LoongArch",
}
_KINDS = {1: "an object file, not yet linked", 4: "a core dump"}
_ET_EXEC, _ET_DYN = 2, 3

PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_RELRO = 1, 2, 4, 0x6474E552
_PF_X, _PF_W = 1, 2
_SHT_NOTE, _SHT_NOBITS = 7, 8
_NT_GNU_BUILD_ID, _NT_GO_BUILD_ID = 3, 4

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")  # Elf64_Shdr

_MAX_TABLE_ENTRIES = 4096
_MAX_NAMES_BYTES = 1 << 20
_MAX_NOTES, _MAX_NOTES_BYTES = 64, 64 << 10

_HINT = "give the executable of a Go service, as built for Linux on amd64 or arm64"


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header: file bytes `offset:offset + file_size` appear at `address`."""

    kind: int
    address: int
    offset: int
    file_size: int
    memory_size: int
    writable: bool
    executable: bool

    @property
    def end(self) -> int:
        """The first address behind what the file holds."""
        return self.address + self.file_size


@dataclass(frozen=True, slots=True)
class Section:
    """A section with content in the file."""

    name: str
    kind: int
    address: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the ELF header says, checked."""

    machine: str
    pie: bool
    program_headers: tuple[int, int]  # file offset, count
    section_headers: tuple[int, int, int]  # file offset, count, index of the names


def parse_header(data: Data, *, name: str) -> Header:
    """Return the header of a little-endian ELF64 executable for amd64 or arm64.

    Raises FormatError, saying what the file is instead.
    """
    if bytes(data[:4]) != b"\x7fELF":
        raise FormatError(f"{name} is {_foreign(bytes(data[:64]))}", hint=_HINT)
    if len(data) < _HEADER.size:
        raise FormatError(f"{name} is cut off inside its ELF header", hint="copy the file again")
    ident, kind, machine, _, _, programs, sections, _, _, size, count, *rest = _HEADER.unpack_from(
        data
    )
    section_size, section_count, names_index = rest
    if ident[4] != 2:
        raise FormatError(f"{name} is a 32-bit ELF file, which memsnap does not read", hint=_HINT)
    if ident[5] != 1:
        raise FormatError(f"{name} is a big-endian ELF file, which memsnap does not read")
    if machine not in MACHINES:
        what = _OTHER_MACHINES.get(machine, f"ELF machine {machine}")
        raise FormatError(f"{name} is built for {what}; memsnap reads amd64 and arm64", hint=_HINT)
    if kind not in (_ET_EXEC, _ET_DYN):
        what = _KINDS.get(kind, f"an ELF file of type {kind}")
        raise FormatError(f"{name} is {what}, not an executable", hint=_HINT)
    if size != _PROGRAM_HEADER.size:
        raise FormatError(f"{name} has ELF program headers of {size} bytes instead of 56")
    return Header(
        machine=MACHINES[machine],
        pie=kind == _ET_DYN,
        program_headers=(programs, min(count, _MAX_TABLE_ENTRIES)),
        section_headers=(
            (sections, min(section_count, _MAX_TABLE_ENTRIES), names_index)
            if section_size == _SECTION_HEADER.size
            else (0, 0, 0)
        ),
    )


def parse_segments(data: Data, header: Header) -> tuple[Segment, ...]:
    """Return the program headers, each cut to what the file really holds."""
    offset, count = header.program_headers
    found = []
    for kind, flags, start, address, _, in_file, in_memory, _ in _rows(
        data, _PROGRAM_HEADER, offset, count
    ):
        held = max(0, min(in_file, len(data) - start))
        found.append(
            Segment(kind, address, start, held, in_memory, bool(flags & _PF_W), bool(flags & _PF_X))
        )
    return tuple(found)


def parse_sections(data: Data, header: Header) -> dict[str, Section]:
    """Return the named sections with content; the first of a name counts.  Often there are none."""
    offset, count, names_index = header.section_headers
    rows = list(_rows(data, _SECTION_HEADER, offset, count)) if offset else []
    if names_index >= len(rows):
        return {}
    names_at, names_size = rows[names_index][4], min(rows[names_index][5], _MAX_NAMES_BYTES)
    names = bytes(data[names_at : names_at + names_size]) if names_at < len(data) else b""
    sections: dict[str, Section] = {}
    for name_at, kind, _, address, start, size, *_ in rows:
        if kind == _SHT_NOBITS or start + size > len(data) or not size:
            continue
        name = names[name_at : name_at + 256].partition(b"\0")[0].decode("utf-8", "replace")
        sections.setdefault(name, Section(name, kind, address, start, size))
    return sections


def build_ids(
    data: Data, segments: tuple[Segment, ...], sections: dict[str, Section]
) -> tuple[str, str]:
    """Return GNU build id in hex and Go build id; empty where there is none.

    The linker writes both as notes (cmd/link/internal/ld/elf.go, ELF_NOTE_...).
    """
    spans = [(s.offset, s.file_size) for s in segments if s.kind == PT_NOTE]
    spans += [(s.offset, s.size) for s in sections.values() if s.kind == _SHT_NOTE]
    gnu = go = ""
    for offset, size in spans[:_MAX_NOTES]:
        content = bytes(data[offset : offset + min(size, _MAX_NOTES_BYTES)])
        for owner, kind, text in _notes(content):
            if owner == b"GNU\0" and kind == _NT_GNU_BUILD_ID:
                gnu = gnu or text.hex()
            elif owner == b"Go\0\0" and kind == _NT_GO_BUILD_ID:
                go = go or text.rstrip(b"\0").decode("ascii", "replace")
    return gnu, go


def _rows(data: Data, layout: struct.Struct, offset: int, count: int) -> Iterator[tuple[int, ...]]:
    """Yield the rows of a table as far as the file reaches."""
    for index in range(count):
        at = offset + index * layout.size
        if at + layout.size > len(data):
            return
        yield layout.unpack_from(data, at)


def _notes(content: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield owner with its NULs, type and description; everything is 4-aligned."""
    at = 0
    while at + 12 <= len(content):
        owner_bytes, text_bytes, kind = struct.unpack_from("<3I", content, at)
        owner_end = at + 12 + -(-owner_bytes // 4) * 4
        text_end = owner_end + text_bytes
        if text_end > len(content):
            return
        yield content[at + 12 : owner_end], kind, content[owner_end:text_end]
        at = -(-text_end // 4) * 4


_LOOKS = (
    (rb"MZ", "a Windows executable (PE), and memsnap reads ELF files"),
    (rb"[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe", "a macOS executable (Mach-O), and memsnap reads"),
    (rb"\x1f\x8b", "a gzip file, not an executable"),
    (rb"PK\x03\x04", "a zip archive, not an executable"),
    (rb"!<arch>", "an archive (ar), not an executable"),
    (rb"\0asm", "a WebAssembly module, not an ELF executable"),
    (rb"#!", "a script, not an executable"),
    (rb"\Z", "empty"),
)


def _foreign(start: bytes) -> str:
    """Return what bytes that are no ELF file look like."""
    for pattern, what in _LOOKS:
        if re.match(pattern, start):
            return what if not what.endswith("reads") else f"{what} ELF files"
    return f"no ELF executable: it starts with {start[:8].hex(' ')}"
