"""A Go executable as its process would see it: link-time addresses instead of file offsets.

Maps the file and reads on demand; knows segments, relocations and build ids, nothing of Go's
tables.  Tables of ELF itself are parsed in `elf`.
"""

import bisect
import itertools
import mmap
import os
import re
import struct
from array import array
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO, TypeGuard

from memsnap.errors import FileError, FormatError
from memsnap.gobin import elf
from memsnap.gobin.elf import Data, Section, Segment

_DT_RELA, _DT_RELASZ = 7, 8
_R_RELATIVE = {"amd64": 8, "arm64": 1027}
_DYNAMIC = struct.Struct("<QQ")  # Elf64_Dyn: tag, value
_MAX_DYNAMIC_BYTES = 1 << 16
_RELA = struct.Struct("<QQq")  # Elf64_Rela: offset, info, addend
_MAX_RELOCATIONS = 1 << 21  # 50 MB of them, as of a program of 500 MB
_PROBED_RELOCATIONS = 64

_HASHES = re.compile(r"[\w-]{20}(/[\w-]{20}){3}")

_CHUNK_BYTES = 1 << 20
_READS_OF_A_ROUND = 256
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_WORD_BYTES = 8
_MAX_ADDRESS = 1 << 63
_MAX_SEGMENTS = 32  # linkers make two to six


class Image:
    """An executable, mapped; close it or use it as a context manager.

    Addresses are those of link time: subtract the mapping's bias from run-time ones first.
    """

    def __init__(self, data: Data, *, name: str) -> None:
        """Parse the ELF tables in `data`.  Raises FormatError."""
        self.name = name
        self._data = data
        self.file = elf.Elf(data, elf.parse_header(data, name=name))
        """The tables of ELF itself."""
        self.machine = elf.MACHINES[self.file.header.machine]
        self.pie = self.file.header.pie
        """Whether the loader may place it anywhere (ELF type DYN)."""
        self.segments = _loaded(self.file, name)
        """What is loaded and has content in the file, by address."""
        self._starts = [s.address for s in self.segments]
        self._views: list[memoryview] = []
        self._reads = 0

    def __enter__(self) -> "Image":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the file; nothing can be read afterwards."""
        for view in reversed(self._views):  # slices before what they are slices of
            view.release()
        self._views.clear()
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    @property
    def sections(self) -> dict[str, Section]:
        """Sections by name; empty where the headers are stripped or damaged."""
        return self.file.sections

    @property
    def build_id(self) -> str:
        """The GNU build id in hex, which profiles carry; empty where there is none."""
        return self.file.build_ids[0]

    @property
    def go_build_id(self) -> str:
        """Go's own build id; empty where it is stripped."""
        return self.file.build_ids[1]

    @property
    def content_id(self) -> str:
        """Go's build id if no other build can have it; empty where somebody chose it himself.

        The go command makes it of hashes, the last of them that of the executable itself
        (cmd/go/internal/work/buildid.go); others write `-ldflags=-buildid=redacted`.
        """
        return self.go_build_id if _HASHES.fullmatch(self.go_build_id) else ""

    @cached_property
    def text_range(self) -> tuple[int, int]:
        """First address of the executable segments and the first behind them; 0, 0 without any."""
        code = [s for s in self.segments if s.executable]
        return (code[0].address, code[-1].end) if code else (0, 0)

    def segment_at(self, address: int) -> Segment | None:
        """Return the segment whose file content holds `address`."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or address >= self.segments[index].end:
            return None
        return self.segments[index]

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether the file has content for all of these bytes, in one segment."""
        segment = self.segment_at(address)
        return segment is not None and size >= 0 and address + size <= segment.end

    def is_readonly(self, address: int) -> bool:
        """Whether the running program cannot write there, after relocation (PT_GNU_RELRO)."""
        segment = self.segment_at(address)
        if segment is None:
            return False
        if not segment.writable:
            return True
        return any(start <= address < end for start, end in self._relro)

    @cached_property
    def _relro(self) -> list[tuple[int, int]]:
        return [
            (s.address, s.address + s.memory_size)
            for s in self.file.segments
            if s.kind == elf.PT_GNU_RELRO
        ]

    def offset(self, address: int, size: int = 1) -> int:
        """Return the file offset of the bytes at `address`.  Raises FormatError without any."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index >= 0 and size >= 0:
            segment = self.segments[index]
            if address + size <= segment.address + segment.file_size:
                return address - segment.address + segment.offset
        raise cut_off(self.file, self.name) or FormatError(
            f"{self.name} refers to {size} bytes at {address:#x}, where the file has nothing",
            hint="the file may be damaged: copy it again",
        )

    def read(self, address: int, size: int) -> bytes:
        """Return bytes as the file has them, relocations not applied.  Raises FormatError."""
        at = self.offset(address, size)
        self._count_read()
        return bytes(self._data[at : at + size])

    def _count_read(self) -> None:
        """Now and then, take what was read out of this process's memory.

        Of a large executable it would become some 100 MB, though all of it can be read again from
        the system's cache of the file.
        """
        self._reads += 1
        if not self._reads % _READS_OF_A_ROUND and _can_let_go(self._data):
            self._data.madvise(mmap.MADV_DONTNEED)

    def read_up_to(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes, fewer at the end of a segment.  Raises FormatError."""
        segment = self.segment_at(address)
        if segment is None:
            return self.read(address, 1)
        return self.read(address, min(size, segment.end - address))

    def u8(self, address: int) -> int:
        """Return a byte.  Raises FormatError."""
        return self._data[self.offset(address)]

    def u32(self, address: int) -> int:
        """Return a little-endian 32-bit number.  Raises FormatError."""
        return int(_U32.unpack_from(self._data, self.offset(address, 4))[0])

    def u64(self, address: int) -> int:
        """Return a 64-bit word as after relocation.  Raises FormatError."""
        value = int(_U64.unpack_from(self._data, self.offset(address, 8))[0])
        if not value and self.pie:
            return self._relocations.addend(address)
        return value

    def unpack(self, layout: struct.Struct, address: int) -> tuple[int, ...]:
        """Return numbers as the file has them, relocations not applied.  Raises FormatError."""
        return layout.unpack_from(self._data, self.offset(address, layout.size))

    def view(self, address: int, size: int) -> memoryview:
        """Return bytes without copying; valid until `close`.  Raises FormatError."""
        at = self.offset(address, size)
        return self.keep(memoryview(self._data)[at : at + size])

    def words32(self, address: int, count: int) -> memoryview:
        """Return little-endian 32-bit numbers without copying.  Raises FormatError."""
        return self.keep(self.view(address, 4 * count).cast("I"))

    def keep(self, view: memoryview) -> memoryview:
        """Return `view`, which `close` will release: every slice of a view needs it."""
        self._views.append(view)
        return view

    def c_string(self, address: int, max_bytes: int = 1 << 16) -> str:
        """Return the text up to the next NUL, cut at `max_bytes`.  Raises FormatError."""
        at = self.offset(address)
        segment = self.segment_at(address)
        self._count_read()
        end = at + min(max_bytes, segment.end - address if segment else 0)
        short = bytes(self._data[at : min(end, at + 128)])
        stop = short.find(b"\0")
        text = short[:stop] if stop >= 0 else bytes(self._data[at:end]).partition(b"\0")[0]
        return text.decode("utf-8", "replace")

    def find(self, pattern: bytes, start: int, end: int, *, align: int = 1) -> Iterator[int]:
        """Yield the addresses in `start:end`, multiples of `align`, where `pattern` begins.

        Raises FormatError unless all of `start:end` is in one segment.
        """
        base = self.offset(start, end - start)
        for at in range(start, end, _CHUNK_BYTES):
            size = min(end - at, _CHUNK_BYTES + len(pattern) - 1)
            chunk = bytes(self._data[base + at - start : base + at - start + size])
            hit = chunk.find(pattern)
            while hit >= 0:
                if (at + hit) % align == 0:
                    yield at + hit
                hit = chunk.find(pattern, hit + 1)

    def find_word(self, value: int) -> Iterator[int]:
        """Yield the addresses of aligned words outside code that hold `value` when loaded."""
        data = [s for s in self.segments if not s.executable]
        for segment in sorted(data, key=lambda s: not s.writable):
            yield from self.find(_U64.pack(value), segment.address, segment.end, align=_WORD_BYTES)
        if self.pie:
            yield from self._relocations.places_of(value)

    @cached_property
    def _relocations(self) -> "_Relocations":
        at, size = self._relocation_table()
        return _Relocations(self._data, at, size // _RELA.size, image=self)

    def _relocation_table(self) -> tuple[int, int]:
        """Return file offset and size in bytes of DT_RELA; 0, 0 without one."""
        dynamic = next((s for s in self.file.segments if s.kind == elf.PT_DYNAMIC), None)
        if dynamic is None:
            return 0, 0
        size = min(dynamic.file_size, _MAX_DYNAMIC_BYTES) // _DYNAMIC.size * _DYNAMIC.size
        content = bytes(self._data[dynamic.offset : dynamic.offset + size])
        tags = dict(_DYNAMIC.iter_unpack(content))
        address, size = tags.get(_DT_RELA, 0), tags.get(_DT_RELASZ, 0)
        if not address or not self.holds(address, size):
            return 0, 0
        return self.offset(address, size), min(size, _MAX_RELOCATIONS * _RELA.size)


class _Relocations:
    """Relative relocations whose addends are not in the relocated words (lld leaves zeros there).

    Go's linker and GNU ld store the addend in the file as well: a probe of some entries decides
    whether the table is read at all.  The table is in no order, hence sorted into columns.
    """

    def __init__(self, data: Data, at: int, count: int, *, image: Image) -> None:
        self._data, self._at, self._count = data, at, count
        self._kind = _R_RELATIVE[image.machine]
        self._image = image

    def addend(self, address: int) -> int:
        """Return what the loader adds to the bias for the word at `address`; 0 for nothing."""
        places, addends = self._columns
        index = bisect.bisect_left(places, address)
        return addends[index] if index < len(places) and places[index] == address else 0

    def places_of(self, addend: int) -> Iterator[int]:
        """Yield the aligned addresses whose relocated word is `addend`."""
        places, addends = self._columns
        for place, value in zip(places, addends, strict=True):
            if value == addend and place % _WORD_BYTES == 0:
                yield place

    @cached_property
    def _columns(self) -> tuple["array[int]", "array[int]"]:
        if not self._count or self._in_place():
            return array("Q"), array("Q")
        places, addends = array("Q"), array("Q")
        table = memoryview(self._data)[self._at : self._at + self._count * _RELA.size]
        with table:
            for place, info, addend in _RELA.iter_unpack(table):
                if info == self._kind and addend > 0:
                    places.append(place)
                    addends.append(addend)
        order = sorted(range(len(places)), key=places.__getitem__)
        return array("Q", map(places.__getitem__, order)), array(
            "Q", map(addends.__getitem__, order)
        )

    def _in_place(self) -> bool:
        """Whether the words of a sample of relocations already hold their addends."""
        step = max(1, self._count // _PROBED_RELOCATIONS)
        for index in range(0, self._count, step):
            place, info, addend = _RELA.unpack_from(self._data, self._at + index * _RELA.size)
            if info != self._kind or addend <= 0 or not self._image.holds(place, 8):
                continue
            (word,) = _U64.unpack_from(self._data, self._image.offset(place, 8))
            if word != addend:
                return False
        return True


def _can_let_go(data: Data) -> TypeGuard[mmap.mmap]:
    return isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")


def cut_off(file: elf.Elf, name: str) -> FormatError | None:
    """Return the error that says that the end of a file is missing; None where it is whole."""
    if not file.missing_bytes:
        return None
    return FormatError(
        f"{name} is cut off: {file.missing_bytes:,} of the bytes that its headers tell of are"
        " missing",
        hint="copy the file again",
    )


def _loaded(file: elf.Elf, name: str) -> tuple[Segment, ...]:
    """Return the load segments with content, by address; they do not overlap."""
    loads = [s for s in file.segments if s.kind == elf.PT_LOAD and s.file_size]
    loads.sort(key=lambda s: s.address)
    apart = all(before.end <= after.address for before, after in itertools.pairwise(loads))
    if apart and 0 < len(loads) <= _MAX_SEGMENTS and loads[-1].end <= _MAX_ADDRESS:
        return tuple(loads)
    raise cut_off(file, name) or FormatError(
        f"{name} has no load segments that a program could run from",
        hint="the file may be damaged: copy it again",
    )


def open_image(path_or_file: str | os.PathLike[str] | BinaryIO, *, name: str) -> Image:
    """Map an executable; `name` is what errors call it.  An open file stays the caller's.

    Raises FileError where it cannot be read and FormatError where it is no ELF64 executable.
    """
    try:
        if isinstance(path_or_file, str | os.PathLike):
            # O_NONBLOCK: opening a pipe by mistake must not wait for its writer.
            descriptor = os.open(path_or_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                data = elf.map_file(descriptor, name=name)
            finally:
                os.close(descriptor)
        else:
            data = elf.map_file(path_or_file.fileno(), name=name)
    except OSError as error:
        raise FileError(
            f"cannot read {name}: {error.strerror or error}",
            hint="check the path and the permissions; another user's process needs root",
        ) from error
    try:
        return Image(data, name=name)
    except BaseException:
        if isinstance(data, mmap.mmap):
            data.close()
        raise
