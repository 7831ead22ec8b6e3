"""ELF64 files written byte by byte, and real ones with something changed."""

import struct
from dataclasses import dataclass

_EHDR_BYTES, _PHDR_BYTES = 64, 56
LOAD, DYNAMIC, NOTE, RELRO = 1, 2, 4, 0x6474E552
READ, WRITE, EXECUTE = 4, 2, 1


@dataclass(frozen=True)
class Part:
    """A program header and its content; a RELRO or DYNAMIC one may lie inside another."""

    address: int
    content: bytes = b""
    flags: int = READ
    kind: int = LOAD
    memory_bytes: int = 0
    inside: int | None = None  # file offset comes from the part with this index


def elf_file(
    *parts: Part,
    machine: int = 62,
    kind: int = 2,
    elf_class: int = 2,
    order: int = 1,
    header_bytes: int = _PHDR_BYTES,
) -> bytes:
    """Return an ELF64 file with these program headers and no sections."""
    start = _EHDR_BYTES + _PHDR_BYTES * len(parts)
    offsets, body = [], b""
    for part in parts:
        if part.inside is None:
            offsets.append(start + len(body))
            body += part.content
        else:
            outer = parts[part.inside]
            offsets.append(offsets[part.inside] + part.address - outer.address)
    ident = b"\x7fELF" + bytes([elf_class, order, 1]) + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(ident, kind, machine, 1, 0, _EHDR_BYTES, 0, 0, _EHDR_BYTES, header_bytes),
        *(len(parts), 64, 0, 0),
    )
    table = b"".join(
        struct.pack(
            "<IIQQQQQQ",
            *(part.kind, part.flags, offset, part.address, part.address, len(part.content)),
            *(part.memory_bytes or len(part.content), 8),
        )
        for part, offset in zip(parts, offsets, strict=True)
    )
    return header + table + body


def note(owner: bytes, kind: int, text: bytes) -> bytes:
    """Return a note with everything padded to 4 bytes."""
    padded = text + bytes(-len(text) % 4)
    name = owner + bytes(-len(owner) % 4)
    return struct.pack("<3I", len(owner), len(text), kind) + name + padded


def without_sections(data: bytes) -> bytes:
    """Return an ELF64 file whose section headers are gone, as `sstrip` leaves it."""
    return data[:40] + bytes(8) + data[48:58] + struct.pack("<HHH", 64, 0, 0) + data[64:]


def without_addends_in_place(data: bytes) -> bytes:
    """Return a PIE as lld links it: zeros where relative relocations (RELA) apply."""
    changed = bytearray(data)
    headers = program_headers(data)

    def offset(address: int) -> int:
        return next(
            address - start + at
            for kind, _, at, start, _, size, *_ in headers
            if kind == LOAD and start <= address < start + size
        )

    dynamic = next(row for row in headers if row[0] == DYNAMIC)
    rows = data[dynamic[2] : dynamic[2] + dynamic[5] // 16 * 16]
    tags = dict(struct.iter_unpack("<QQ", rows))
    table = offset(tags[7])
    for place, info, _ in struct.iter_unpack("<QQq", data[table : table + tags[8]]):
        if info in (8, 1027):
            at = offset(place)
            changed[at : at + 8] = bytes(8)
    return bytes(changed)


def program_headers(data: bytes) -> list[tuple[int, ...]]:
    """Return the rows of an ELF64 file's program headers."""
    (start,), (count,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    return [
        struct.unpack_from("<IIQQQQQQ", data, start + _PHDR_BYTES * index) for index in range(count)
    ]
