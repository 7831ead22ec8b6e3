"""The tables of an ELF file: what is mapped where, what it is named, which build it is.

Pure functions over the bytes of a file, after elf(5), of both word sizes and byte orders.  No
offset is trusted: what lies outside the file is left out, and only a file that cannot be mapped
at all is refused.
"""

import mmap
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

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

# By whether words have 64 bits: the header behind the 16 bytes of its identification, program
# headers, section headers.
_HEADER = {True: "HHIQQQIHHHHHH", False: "HHIIIIIHHHHHH"}
_PROGRAM_HEADER = {True: "IIQQQQQQ", False: "IIIIIIII"}
_SECTION_HEADER = {True: "IIQQQQIIQQ", False: "IIIIIIIIII"}
_IDENT_BYTES = 16
_WORD_BITS = {1: 32, 2: 64}
_ORDERS = {1: "<", 2: ">"}

_MAX_FILE_BYTES = 1 << 40
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
    """What the ELF header says; tables whose rows have another size than elf(5) gives are none.

    `machine` and `kind` are ELF's numbers, `order` is that of `struct`: "<" or ">".
    """

    wide: bool  # words of 64 bits
    order: str
    machine: int
    kind: int
    program_headers: tuple[int, int]  # file offset, count
    section_headers: tuple[int, int, int]  # file offset, count, index of the names

    @property
    def pie(self) -> bool:
        """Whether the loader may place it anywhere (ELF type DYN)."""
        return self.kind == _ET_DYN


class Elf:
    """The tables of one file, each parsed when first asked for."""

    def __init__(self, data: Data, header: Header) -> None:
        self.data = data
        self.header = header

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The program headers, each cut to what the file really holds."""
        size = len(self.data)
        found = []
        for kind, flags, start, address, in_file, in_memory in self._program_headers():
            held = max(0, min(in_file, size - start))
            writable, executable = bool(flags & _PF_W), bool(flags & _PF_X)
            found.append(Segment(kind, address, start, held, in_memory, writable, executable))
        return tuple(found)

    @cached_property
    def missing_bytes(self) -> int:
        """How many bytes the headers place behind the end of the file; 0 for a whole one.

        Headers with impossible sizes are damaged, and tell nothing.
        """
        offset, count = self.header.program_headers
        ends = [offset + count * struct.calcsize(f"={_PROGRAM_HEADER[self.header.wide]}")]
        ends += [
            at + size for kind, _, at, _, size, _ in self._program_headers() if kind == PT_LOAD
        ]
        missing = max(0, max(ends) - len(self.data))
        return missing if missing < _MAX_FILE_BYTES else 0

    def _program_headers(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Yield kind, flags, offset, address and the sizes in the file and in memory."""
        wide = self.header.wide
        layout = struct.Struct(self.header.order + _PROGRAM_HEADER[wide])
        for row in _rows(self.data, layout, *self.header.program_headers):
            if wide:
                kind, flags, start, address, _, in_file, in_memory, _ = row
            else:
                kind, start, address, _, in_file, in_memory, flags, _ = row
            yield kind, flags, start, address, in_file, in_memory

    @cached_property
    def sections(self) -> dict[str, Section]:
        """The named sections with content; the first of a name counts.  Often there are none."""
        offset, count, names_index = self.header.section_headers
        layout = struct.Struct(self.header.order + _SECTION_HEADER[self.header.wide])
        rows = list(_rows(self.data, layout, offset, count)) if offset else []
        if names_index >= len(rows):
            return {}
        names_at, names_size = rows[names_index][4], min(rows[names_index][5], _MAX_NAMES_BYTES)
        names = bytes(self.data[names_at : names_at + names_size])
        found: dict[str, Section] = {}
        for name_at, kind, _, address, start, size, *_ in rows:
            if kind == _SHT_NOBITS or start + size > len(self.data) or not size:
                continue
            name = names[name_at : name_at + 256].partition(b"\0")[0].decode("utf-8", "replace")
            found.setdefault(name, Section(name, kind, address, start, size))
        return found

    @cached_property
    def build_ids(self) -> tuple[str, str]:
        """GNU build id in hex and Go build id; empty where there is none.

        The linker writes both as notes (cmd/link/internal/ld/elf.go, ELF_NOTE_...).
        """
        spans = [(s.offset, s.file_size) for s in self.segments if s.kind == PT_NOTE]
        spans += [
            (s.offset, s.size)
            for s in self.sections.values()
            if s.kind == _SHT_NOTE or s.name.startswith(".note")
        ]
        gnu = go = ""
        for offset, size in spans[:_MAX_NOTES]:
            content = bytes(self.data[offset : offset + min(size, _MAX_NOTES_BYTES)])
            for owner, kind, text in _notes(content, self.header.order):
                if owner == b"GNU\0" and kind == _NT_GNU_BUILD_ID:
                    gnu = gnu or text.hex()
                elif owner == b"Go\0\0" and kind == _NT_GO_BUILD_ID:
                    go = go or text.rstrip(b"\0").decode("ascii", "replace")
        return gnu, go


def map_file(descriptor: int, *, name: str) -> Data:
    """Map an open file.  Raises FormatError where it is none to map, and OSError."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(f"{name} is not a regular file", hint="give the executable itself")
    if not status.st_size:
        return b""
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def read_header(data: Data) -> Header | None:
    """Return the header of an ELF file for any machine; None where that is none, or cut off."""
    ident = bytes(data[:_IDENT_BYTES])
    if ident[:4] != b"\x7fELF" or len(ident) < _IDENT_BYTES:
        return None
    bits, order = _WORD_BITS.get(ident[4], 0), _ORDERS.get(ident[5], "")
    wide = bits == 64
    layout = struct.Struct(order + _HEADER[wide])
    if not bits or not order or len(data) < _IDENT_BYTES + layout.size:
        return None
    kind, machine, _, _, programs, sections, _, _, size, count, *rest = layout.unpack_from(
        data, _IDENT_BYTES
    )
    section_size, section_count, names_index = rest
    if size != struct.calcsize(f"={_PROGRAM_HEADER[wide]}"):
        programs = count = 0
    if section_size != struct.calcsize(f"={_SECTION_HEADER[wide]}"):
        sections = section_count = 0
    return Header(
        wide=wide,
        order=order,
        machine=machine,
        kind=kind,
        program_headers=(programs, min(count, _MAX_TABLE_ENTRIES)),
        section_headers=(sections, min(section_count, _MAX_TABLE_ENTRIES), names_index),
    )


def parse_header(data: Data, *, name: str) -> Header:
    """Return the header of a little-endian ELF64 executable for amd64 or arm64.

    Raises FormatError, saying what the file is instead.
    """
    if bytes(data[:4]) != b"\x7fELF":
        raise FormatError(f"{name} is {_foreign(bytes(data[:64]))}", hint=_HINT)
    header = read_header(data)
    if header is None:
        if len(data) < _IDENT_BYTES + struct.calcsize(f"={_HEADER[True]}"):
            raise FormatError(
                f"{name} is cut off inside its ELF header", hint="copy the file again"
            )
        raise FormatError(f"{name} is an ELF file of no known word size or byte order", hint=_HINT)
    if not header.wide:
        raise FormatError(f"{name} is a 32-bit ELF file, which memsnap does not read", hint=_HINT)
    if header.order != "<":
        raise FormatError(f"{name} is a big-endian ELF file, which memsnap does not read")
    if header.machine not in MACHINES:
        what = _OTHER_MACHINES.get(header.machine, f"ELF machine {header.machine}")
        raise FormatError(f"{name} is built for {what}; memsnap reads amd64 and arm64", hint=_HINT)
    if header.kind not in (_ET_EXEC, _ET_DYN):
        what = _KINDS.get(header.kind, f"an ELF file of type {header.kind}")
        raise FormatError(f"{name} is {what}, not an executable", hint=_HINT)
    return header


def _rows(data: Data, layout: struct.Struct, offset: int, count: int) -> Iterator[tuple[int, ...]]:
    """Yield the rows of a table as far as the file reaches."""
    for index in range(count):
        at = offset + index * layout.size
        if at + layout.size > len(data):
            return
        yield layout.unpack_from(data, at)


def _notes(content: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield owner with its NULs, type and description; everything is 4-aligned."""
    at = 0
    while at + 12 <= len(content):
        owner_bytes, text_bytes, kind = struct.unpack_from(f"{order}3I", content, at)
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
