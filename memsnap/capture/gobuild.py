"""What an ELF executable says of its build: GNU and Go build ids, Go version, main module.

Reads section headers, notes and the `.go.buildinfo` blob of a mapped file and nothing else; it
trusts no offset.  Symbols, types and code are another reader's business.
"""

import mmap
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SHT_NOBITS, _PT_LOAD, _PT_NOTE = 8, 1, 4
_PF_X, _PF_W = 1, 2
_NT_GNU_BUILD_ID, _NT_GO_BUILD_ID = 3, 4

_BLOB_MAGIC = b"\xff Go buildinf:"
_BLOB_ALIGNMENT, _BLOB_HEADER_BYTES, _BLOB_INLINE = 16, 32, 2
_STRING_MAX_BYTES = 4 << 20  # the largest module lists of real programs are around 100 kB
_NOTES_MAX_BYTES = 64 << 10
_TABLE_MAX_ENTRIES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class GoBuild:
    """The facts of one executable; empty texts are unknown.

    `path` is the main package's import path, `module` the module that holds it; `vcs_revision`
    ends in `+dirty` where the tree had changes.
    """

    build_id: str = ""
    go_build_id: str = ""
    go_version: str = ""
    path: str = ""
    module: str = ""
    module_version: str = ""
    vcs_revision: str = ""


@dataclass(frozen=True, slots=True)
class _Span:
    """A section or segment: its place in the file and what it is good for."""

    name: bytes
    offset: int
    size: int
    notes: bool
    data: bool  # a writable, non-executable load segment


def read_build(path: str | os.PathLike[str]) -> GoBuild | None:
    """Return what the executable at `path` says; None if it is no ELF file.

    Raises:
        OSError: the file cannot be opened or mapped.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size < 64:
            return None
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as image:
            return parse_build(image)
    finally:
        os.close(descriptor)


def parse_build(image: mmap.mmap | bytes) -> GoBuild | None:
    """Return what the ELF `image` says; None if it is none.  What is damaged stays unknown."""
    if image[:4] != b"\x7fELF" or len(image) < 64 or image[4] not in {1, 2}:
        return None
    order = {1: "<", 2: ">"}.get(image[5], "")
    if not order:
        return None
    try:
        spans = [*_sections(image, order), *_segments(image, order)]
    except (struct.error, OverflowError):  # a table that lies outside the file, or of memory
        return GoBuild()
    build_id, go_build_id = _build_ids(image, order, spans)
    version, module_text = _build_info(image, spans)
    return GoBuild(
        build_id=build_id,
        go_build_id=go_build_id,
        go_version=version,
        **parse_module_text(module_text),
    )


def parse_module_text(text: str) -> dict[str, str]:
    """Return path, module, module_version and vcs_revision of Go's module text, where it has them.

    Lines are `path<TAB>P`, `mod<TAB>M<TAB>V<TAB>SUM`, `build<TAB>key=value`
    (runtime/debug/mod.go, BuildInfo.String).  A `replace` line of the main module is left out.
    """
    facts: dict[str, str] = {}
    settings: dict[str, str] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition("\t")
        if kind == "path":
            facts["path"] = rest
        elif kind == "mod":
            module, version, *_ = [*rest.split("\t"), ""]
            facts |= {"module": module, "module_version": version}
        elif kind == "build":
            key, _, value = rest.partition("=")
            settings[key] = value
    if revision := settings.get("vcs.revision"):
        dirty = "+dirty" if settings.get("vcs.modified") == "true" else ""
        facts["vcs_revision"] = revision + dirty
    return facts


def _sections(image: mmap.mmap | bytes, order: str) -> Iterator[_Span]:
    """Yield the sections that have a name (elf(5), Elf32_Shdr and Elf64_Shdr)."""
    wide = image[4] == 2
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", image, 0x28 if wide else 0x20)
    size, count, names_index = struct.unpack_from(f"{order}3H", image, 0x3A if wide else 0x2E)
    layout = struct.Struct(f"{order}IIQQQQ" if wide else f"{order}IIIIII")
    if not table or size < layout.size:
        return
    rows = [
        layout.unpack_from(image, table + i * size) for i in range(min(count, _TABLE_MAX_ENTRIES))
    ]
    if names_index >= len(rows):
        return
    names = _bytes_at(image, rows[names_index][4], min(rows[names_index][5], 1 << 20))
    for name, kind, _, _, offset, length in rows:
        if kind != _SHT_NOBITS:
            text = names[name:].partition(b"\0")[0] if name < len(names) else b""
            yield _Span(text, offset, length, text.startswith(b".note"), data=False)


def _segments(image: mmap.mmap | bytes, order: str) -> Iterator[_Span]:
    """Yield load and note segments (elf(5), Elf32_Phdr and Elf64_Phdr)."""
    wide = image[4] == 2
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", image, 0x20 if wide else 0x1C)
    size, count = struct.unpack_from(f"{order}2H", image, 0x36 if wide else 0x2A)
    layout = struct.Struct(f"{order}IIQQQQ" if wide else f"{order}IIIIIII")
    if size < layout.size:
        return
    for i in range(min(count, _TABLE_MAX_ENTRIES)):
        row = layout.unpack_from(image, table + i * size)
        flags, offset, length = (row[1], row[2], row[5]) if wide else (row[6], row[1], row[4])
        writable = flags & (_PF_W | _PF_X) == _PF_W
        yield _Span(
            b"", offset, length, notes=row[0] == _PT_NOTE, data=row[0] == _PT_LOAD and writable
        )


def _build_ids(image: mmap.mmap | bytes, order: str, spans: list[_Span]) -> tuple[str, str]:
    build_id = go_build_id = ""
    for span in spans:
        if not span.notes:
            continue
        content = _bytes_at(image, span.offset, min(span.size, _NOTES_MAX_BYTES))
        for owner, kind, text in _notes(content, order):
            if owner == b"GNU\0" and kind == _NT_GNU_BUILD_ID:
                build_id = build_id or text.hex()
            elif owner == b"Go\0\0" and kind == _NT_GO_BUILD_ID:
                go_build_id = go_build_id or text.rstrip(b"\0").decode("ascii", "replace")
    return build_id, go_build_id


def _notes(content: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield owner with its NULs, type and description (elf(5), Notes; everything 4-aligned)."""
    place = 0
    while place + 12 <= len(content):
        owner_bytes, text_bytes, kind = struct.unpack_from(f"{order}3I", content, place)
        owner_end = place + 12 + -(-owner_bytes // 4) * 4
        text_end = owner_end + text_bytes
        if text_end > len(content):
            return
        yield content[place + 12 : owner_end], kind, content[owner_end:text_end]
        place = -(-text_end // 4) * 4


def _build_info(image: mmap.mmap | bytes, spans: list[_Span]) -> tuple[str, str]:
    """Return Go version and module text; both empty where there is no readable blob.

    Layout: debug/buildinfo/buildinfo.go of Go 1.27.  Since Go 1.18 two strings with varint
    lengths follow the header of 32 bytes; before, the header holds pointers, which are not
    followed.  The blob has a section of its own, or starts the data segment.
    """
    named = [span for span in spans if span.name == b".go.buildinfo"]
    for span in named or [span for span in spans if span.data][:1]:
        at = _find_blob(image, span)
        if at < 0 or at + _BLOB_HEADER_BYTES > len(image):
            continue
        if not image[at + 15] & _BLOB_INLINE:
            return "", ""
        version, at = _inline_string(image, at + _BLOB_HEADER_BYTES)
        framed, _ = _inline_string(image, at)
        # 16 bytes of sentinel stand on either side (cmd/go/internal/modload, infoStart).
        module = framed[16:-16] if len(framed) >= 33 and framed[-17:-16] == b"\n" else b""
        text = version.decode("utf-8", "replace")
        known = text if re.match(r"(go\d|devel)", text) else ""
        return known, module.decode("utf-8", "replace")
    return "", ""


def _find_blob(image: mmap.mmap | bytes, span: _Span) -> int:
    end = min(span.offset + span.size, len(image))
    at = image.find(_BLOB_MAGIC, span.offset, end)
    while at >= 0 and (at - span.offset) % _BLOB_ALIGNMENT:
        at = image.find(_BLOB_MAGIC, at + 1, end)
    return at


def _inline_string(image: mmap.mmap | bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes behind the varint length at `at`, and where they end."""
    length = shift = 0
    for byte in _bytes_at(image, at, 10):
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    else:
        return b"", at
    if length > _STRING_MAX_BYTES or at + length > len(image):
        return b"", at
    return _bytes_at(image, at, length), at + length


def _bytes_at(image: mmap.mmap | bytes, offset: int, size: int) -> bytes:
    """Return up to `size` bytes: an offset beyond the end gives none."""
    return bytes(image[offset : offset + size]) if offset < len(image) else b""
