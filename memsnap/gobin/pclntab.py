"""From code addresses to functions, files, lines and inlined calls, by Go's pc-line table.

Works on the bytes in place: nothing is parsed up front, a lookup bisects the function table.
Layouts: runtime/symtab.go, runtime/runtime2.go (`_func`) and runtime/symtabinl.go, Go 1.27;
runtime/runtime2.go and runtime/symtab.go of Go 1.19 for 1.18 and 1.19.
"""

import bisect
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from memsnap.errors import FormatError
from memsnap.gobin.image import Image
from memsnap.gobin.moduledata import Moduledata
from memsnap.gobin.pcheader import GO_118, QUANTUM

# _func: entryOff, nameOff, args, deferreturn, pcsp, pcfile, pcln, npcdata, cuOffset, startLine
# (since 1.20), funcID, flag, pad, nfuncdata; then pcdata offsets and funcdata offsets.
_FUNC = struct.Struct("<IiiIIIIIIiBBBB")
_FUNC_118 = struct.Struct("<IiiIIIIIIBBBB")
_PCDATA_INL_TREE_INDEX, _FUNCDATA_INL_TREE = 2, 3
_NO_FUNCDATA = 0xFFFFFFFF
_NAME_AT = 4  # of nameOff
_NEIGHBOURS = 32

# inlinedCall since 1.20: funcID, name, parentPc, startLine; before: parent, funcID, file, line,
# name, parentPc, where file and line repeat what the tables say of parentPc.
_INLINED = struct.Struct("<Bxxxiii")
_INLINED_118 = struct.Struct("<hBxiiii")

# funcID of compiler-made wrappers, which tracebacks leave out: the last of the list, behind
# systemstack_switch (internal/abi/symtab.go; runtime/symtab.go of Go 1.19).
_WRAPPER_118 = 21  # and the smallest of all
_BEFORE_WRAPPER = "runtime.systemstack_switch"

_MAX_INLINE_DEPTH = 256
_MAX_STEPS = 1 << 20
_MAX_DECODED_STEPS = 1 << 18  # some 20 MB
_STEPS_OF_AN_ENTRY = 8  # what the columns take beside their rows
_USUAL_TABLE_BYTES = 1 << 12
_MAX_CACHED = 1 << 16
_MAX_NAME_BYTES = 1 << 16


class Frame(NamedTuple):
    """A function as it appears in a traceback; `file` is "?" and `line` 0 where unknown."""

    name: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Func:
    """A function with code of its own at `entry:end`, padding included.

    `start_line` is the line of its `func`, 0 before Go 1.20.  Names are as the linker has them:
    dots in the last path element as `%2e`; type arguments in full since Go 1.21, `[...]` before.
    The other fields are columns of runtime._func, which stands at `record`.
    """

    entry: int
    end: int
    name: str
    start_line: int
    index: int
    record: int
    func_id: int
    flag: int
    args_bytes: int
    pc_file: int
    pc_line: int
    compile_unit: int
    pcdata_count: int
    funcdata_count: int


@dataclass(frozen=True, slots=True)
class InlinedCall:
    """A call inlined into the function whose code holds it.

    `parent_pc` is an address in that code whose file and line are those of the call.
    """

    name: str
    func_id: int
    start_line: int
    parent_pc: int


class Pclntab:
    """The functions of an executable, by link-time addresses of instructions.

    A return address belongs to the instruction behind the call: subtract 1 before asking.
    All methods raise FormatError where the table turns out to be damaged.
    """

    def __init__(self, image: Image, moduledata: Moduledata) -> None:
        self._image = image
        self._md = moduledata
        self._old = moduledata.header.magic == GO_118
        self._layout = _FUNC_118 if self._old else _FUNC
        self._inlined = _INLINED_118 if self._old else _INLINED
        self._quantum = QUANTUM[image.machine]
        self._count = moduledata.header.functions
        self._table, self._table_bytes = moduledata.table
        rows = image.words32(moduledata.header.table, 2 * self._count + 1)
        self._entries = image.keep(rows[::2])
        self._records = image.keep(rows[1::2])
        self._pc_tables = image.view(*moduledata.pc_tables)
        self._asked: set[tuple[int, int]] = set()  # tables, for functions at these addresses
        self._decoded: dict[tuple[int, int], _PcTable] = {}
        self._decoded_steps = 0
        self._funcs: dict[int, Func] = {}
        self._names: dict[int, str] = {}

    def __len__(self) -> int:
        return self._count

    def function_at(self, pc: int) -> Func | None:
        """Return the function whose code holds `pc`; None outside Go code."""
        offset = self._md.text_offset(pc)
        if offset is None:
            return None
        index = bisect.bisect_right(self._entries, offset) - 1
        if not 0 <= index < self._count:
            return None
        func = self._funcs.get(index)
        if func is None:
            func = self._func(index)
            if len(self._funcs) < _MAX_CACHED:
                self._funcs[index] = func
        return func if func.entry <= pc < func.end else None

    def is_entry(self, address: int) -> bool:
        """Whether a function begins exactly there."""
        offset = self._md.text_offset(address)
        if offset is None:
            return False
        index = bisect.bisect_left(self._entries, offset, 0, self._count)
        return index < self._count and self._entries[index] == offset

    def functions(self) -> Iterator[Func]:
        """Yield all functions, by address."""
        return map(self._func, range(self._count))

    def by_name(self, name: str) -> Func | None:
        """Return the first function of that name; names of inlined functions take the longest."""
        wanted = self._name_offset(name)
        if wanted is None:
            return None
        index = self._index_by_order(wanted)
        if index is not None:
            return self._func(index)
        try:
            return self._func(self._name_offsets.index(wanted))
        except ValueError:  # it exists only inlined
            return None

    def line(self, pc: int) -> int:
        """Return the source line of the instruction at `pc`; 0 if unknown."""
        func = self.function_at(pc)
        return self._line(func, pc) if func else 0

    def inline_frames(self, pc: int, *, elide_wrappers: bool = True) -> list[Frame]:
        """Return the frames that the instruction at `pc` stands for, innermost first.

        The last is the function that holds the code.  Wrappers made by the compiler are left
        out as tracebacks do, unless there is nothing else.  Empty outside Go code.
        """
        places = self._places(pc, elide_wrappers=elide_wrappers)
        return [Frame(name, *self._position(func, at)) for name, func, at in places]

    def inline_lines(self, pc: int) -> list[tuple[str, int]]:
        """Return function and line of each of `inline_frames`, for half the work."""
        places = self._places(pc, elide_wrappers=True)
        return [(name, self._line(func, at)) for name, func, at in places]

    def innermost_name(self, pc: int) -> str:
        """Return the function of the first of `inline_frames`; empty outside Go code."""
        places = self._places(pc, elide_wrappers=True)
        return places[0][0] if places else ""

    def _places(self, pc: int, *, elide_wrappers: bool) -> list[tuple[str, Func, int]]:
        """Return name, function that holds the code, and address of the frames at `pc`."""
        func = self.function_at(pc)
        if func is None:
            return []
        found, own = [], []
        for call in self.inlined_calls(pc):
            found.append((call.name, func, pc))
            if not self._is_wrapper(call.func_id):
                own.append(found[-1])
            pc = call.parent_pc
        found.append((func.name, func, pc))
        if not self._is_wrapper(func.func_id):
            own.append(found[-1])
        return own if own and elide_wrappers else found

    def inlined_calls(self, pc: int) -> list[InlinedCall]:
        """Return the inlined calls around the instruction at `pc`, innermost first."""
        func = self.function_at(pc)
        if func is None:
            return []
        indices = self._pcdata(func, _PCDATA_INL_TREE_INDEX)
        tree = self._funcdata(func, _FUNCDATA_INL_TREE)
        if not indices or not tree:
            return []
        calls: list[InlinedCall] = []
        while func.entry <= pc < func.end and len(calls) < _MAX_INLINE_DEPTH:
            index = self._value(indices, func, pc)
            if index < 0:
                return calls
            calls.append(self._inlined_call(tree, index, func.entry))
            pc = calls[-1].parent_pc
        raise self._damaged(f"the inline table of {func.name}")

    def is_wrapper(self, func: Func) -> bool:
        """Whether the compiler made the function (method wrappers, go and defer closures)."""
        return self._is_wrapper(func.func_id)

    def _is_wrapper(self, func_id: int) -> bool:
        return func_id >= _WRAPPER_118 and func_id == self._wrapper_id

    @cached_property
    def _wrapper_id(self) -> int:
        if self._old:
            return _WRAPPER_118
        before = self.by_name(_BEFORE_WRAPPER)
        return before.func_id + 1 if before else -1

    def _func(self, index: int) -> Func:
        offset = self._records[index]
        if offset + self._layout.size > self._table_bytes:
            raise self._damaged(f"function {index}")
        record = self._table + offset
        entry, name, args, _, _, pc_file, pc_line, pcdata, unit, *rest = self._image.unpack(
            self._layout, record
        )
        start_line = 0 if self._old else rest.pop(0)
        func_id, flag, _, funcdata = rest
        return Func(
            entry=self._md.text_address(entry),
            end=self._end(index),
            name=self._name(name),
            start_line=start_line,
            index=index,
            record=record,
            func_id=func_id,
            flag=flag,
            args_bytes=args,
            pc_file=pc_file,
            pc_line=pc_line,
            compile_unit=unit,
            pcdata_count=pcdata,
            funcdata_count=funcdata,
        )

    def _end(self, index: int) -> int:
        """Return where the next function begins, or this one's text section ends."""
        start, end = self._entries[index], self._entries[index + 1]
        sections = self._md.text_sections
        for section in sections if len(sections) > 1 else ():
            if section.start <= start < section.end:
                return section.address + min(end, section.end) - section.start
        return self._md.text_address(end)

    def _name(self, offset: int) -> str:
        name = self._names.get(offset)
        if name is None:
            start, size = self._md.names
            if not 0 <= offset < size:
                raise self._damaged(f"the function name at {offset:#x}")
            name = self._image.c_string(start + offset, _MAX_NAME_BYTES)
            if len(self._names) < _MAX_CACHED:
                self._names[offset] = name
        return name

    def _name_offset(self, name: str) -> int | None:
        """Return where the name stands in the name table."""
        start, size = self._md.names
        text = name.encode("utf-8", "replace") + b"\0"
        for at in self._image.find(text, start, start + size):
            if at == start or not self._image.u8(at - 1):
                return at - start
        return None

    def _index_by_order(self, name_offset: int) -> int | None:
        """Return the function whose name stands at an offset, if bisection finds it.

        Names are in the order of the functions, but for those that were inlined into an earlier
        one (cmd/link/internal/ld/pcln.go, walkFuncs): not so all of several neighbours.
        """
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if any(self._name_offset_of(at) >= name_offset for at in self._near(middle)):
                high = middle
            else:
                low = middle + 1
        found = (at for at in self._near(low) if self._name_offset_of(at) == name_offset)
        return next(found, None)

    def _near(self, index: int) -> range:
        return range(index, min(index + _NEIGHBOURS, self._count))

    def _name_offset_of(self, index: int) -> int:
        record = self._records[index]
        if record + self._layout.size > self._table_bytes:
            return 0
        return self._image.u32(self._table + record + _NAME_AT)

    @cached_property
    def _name_offsets(self) -> "array[int]":
        words = self._image.words32(self._table, self._table_bytes // 4)
        last = len(words) - 2
        return array("I", [words[(at >> 2) + 1] if at >> 2 <= last else 0 for at in self._records])

    def _position(self, func: Func, pc: int) -> tuple[str, int]:
        """Return file and line of an instruction (runtime/symtab.go, funcline1)."""
        file = self._value(func.pc_file, func, pc)
        line = self._value(func.pc_line, func, pc)
        if file < 0 or line < 0:
            return "?", 0
        units, count = self._md.compile_units
        index = func.compile_unit + file
        if index >= count:
            return "?", 0
        offset = self._image.u32(units + 4 * index)
        start, size = self._md.file_names
        if offset >= size:  # all ones: no such file
            return "?", 0
        return self._image.c_string(start + offset), line

    def _line(self, func: Func, pc: int) -> int:
        return max(0, self._value(func.pc_line, func, pc))

    def _pcdata(self, func: Func, kind: int) -> int:
        """Return the offset of a pc-value table; 0 for none."""
        if kind >= func.pcdata_count:
            return 0
        return self._image.u32(func.record + self._layout.size + 4 * kind)

    def _funcdata(self, func: Func, kind: int) -> int:
        """Return the address of a funcdata table; 0 for none."""
        if kind >= func.funcdata_count:
            return 0
        at = func.record + self._layout.size + 4 * (func.pcdata_count + kind)
        offset = self._image.u32(at)
        return 0 if offset == _NO_FUNCDATA else self._md.gofunc + offset

    def _inlined_call(self, tree: int, index: int, entry: int) -> InlinedCall:
        row = self._image.unpack(self._inlined, tree + index * self._inlined.size)
        if self._old:
            _, func_id, _, _, name, parent = row
            return InlinedCall(self._name(name), func_id, 0, entry + parent)
        func_id, name, parent, start_line = row
        return InlinedCall(self._name(name), func_id, start_line, entry + parent)

    def _value(self, table: int, func: Func, pc: int) -> int:
        """Return what a pc-value table says of `pc`; -1 for nothing.

        Most tables are asked once, and read no further than that takes; then they are kept.
        """
        if not 0 < table < len(self._pc_tables):
            return -1
        key = (table, func.entry)
        known = self._decoded.get(key)
        if known is None:
            if key not in self._asked:
                if len(self._asked) < _MAX_CACHED:
                    self._asked.add(key)
                return self._decode(table, func, until=pc + 1).at(pc)
            known = self._decode(table, func, until=func.end)
            if self._decoded_steps > _MAX_DECODED_STEPS:
                self._decoded.clear()
                self._decoded_steps = 0
            self._decoded[key] = known
            self._decoded_steps += len(known.ends) + _STEPS_OF_AN_ENTRY
        return known.at(pc)

    def _decode(self, table: int, func: Func, *, until: int) -> "_PcTable":
        """Return a pc-value table up to an address as columns (runtime/symtab.go, step)."""
        start = bytes(self._pc_tables[table : table + _USUAL_TABLE_BYTES])
        span = (func.entry, min(until, func.end))
        try:
            return _decode(start, 0, span, self._quantum)
        except IndexError:  # a longer one
            try:
                return _decode(self._pc_tables, table, span, self._quantum)
            except IndexError as error:
                raise self._damaged(f"the line table of {func.name}") from error

    def _damaged(self, what: str) -> FormatError:
        return FormatError(
            f"{self._image.name} is damaged: {what} lies outside Go's function table",
            hint="the file may be truncated or not what was linked: copy it again",
        )


class _PcTable(NamedTuple):
    """The value of row `i` holds up to, and not at, the address `ends[i]`."""

    ends: list[int]
    values: list[int]

    def at(self, pc: int) -> int:
        index = bisect.bisect_right(self.ends, pc)
        return self.values[index] if index < len(self.ends) else -1


def _decode(data: bytes | memoryview, at: int, span: tuple[int, int], quantum: int) -> _PcTable:
    """Decode rows for the addresses in `span`; raise IndexError at the end of `data`.

    A row is the change of the value, zigzag, and that of the address in quanta.
    """
    ends: list[int] = []
    values: list[int] = []
    value, (pc, limit) = -1, span
    while pc < limit and len(ends) < _MAX_STEPS:
        delta = data[at]
        at += 1
        if delta >= 0x80:
            delta, at = _long_varint(data, at, delta)
        if not delta and ends:
            break
        value += ~(delta >> 1) if delta & 1 else delta >> 1
        delta = data[at]
        at += 1
        if delta >= 0x80:
            delta, at = _long_varint(data, at, delta)
        pc += delta * quantum
        ends.append(pc)
        values.append(value)
    return _PcTable(ends, values)


def _long_varint(data: bytes | memoryview, at: int, first: int) -> tuple[int, int]:
    """Return an unsigned number of at most 5 bytes, the first of which is known, and its end."""
    value, shift = first & 0x7F, 7
    while shift < 35:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at
