"""Go's moduledata: the one structure that says where all other tables of a program are.

Its layout is told by its own content, newest release first (runtime/symtab.go, `moduledata`):
every layout states relations between its words that no other layout fulfils.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from memsnap.errors import FormatError
from memsnap.gobin.image import Image, cut_off
from memsnap.gobin.pcheader import GO_118, GO_120, PcHeader, find_headers

_WORD = 8
_WORDS = 48  # as many as the layouts below look at
_MAX_PLACES = 64
_MAX_TEXT_SECTIONS = 4096
_TEXT_SECTION = struct.Struct("<QQQ")

# Word index and element size of the slices in front: funcnametab, cutab, filetab, pctab,
# pclntable, ftab.
_SLICES = ((1, 1), (4, 4), (7, 1), (10, 1), (13, 1))


@dataclass(frozen=True, slots=True)
class TextSection:
    """runtime.textsect: functions at text offsets `start:end` lie at `address` on."""

    start: int
    end: int
    address: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The word indices of fields that moved between releases; None: there is no such field."""

    since: tuple[int, int]
    magic: int
    types: int
    typedesclen: int | None
    etypes: int
    rodata: int
    gofunc: int
    epclntab: int | None
    textsectmap: int
    typelinks: int | None


LAYOUTS = (
    # 1.27 added typedesclen, itaboffset and itabsize, and dropped typelinks and itablinks.
    Layout((1, 27), GO_120, 37, 38, 39, 42, 43, 44, 45, None),
    # 1.26 added epclntab.
    Layout((1, 26), GO_120, 37, None, 38, 39, 40, 41, 42, 45),
    # 1.20 added covctrs and ecovctrs, before `end`.
    Layout((1, 20), GO_120, 37, None, 38, 39, 40, None, 41, 44),
    # 1.18 added rodata and gofunc.
    Layout((1, 18), GO_118, 35, None, 36, 37, 38, None, 39, 42),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moduledata:
    """The fields memsnap uses; addresses are those of link time.

    `since` is the first Go release with this layout, as (1, 26).  Type descriptors lie in
    `types:etypes`, among other data.  Those without a name can be found by name: `typelinks` are
    their offsets, sorted by it, and without that they lie sorted in `sorted_types`.
    """

    address: int
    since: tuple[int, int]
    header: PcHeader
    names: tuple[int, int]  # address, bytes
    compile_units: tuple[int, int]  # address, 32-bit words
    file_names: tuple[int, int]
    pc_tables: tuple[int, int]
    table: tuple[int, int]
    text: int
    etext: int
    types: int
    etypes: int
    rodata: int
    gofunc: int
    text_sections: tuple[TextSection, ...]
    typelinks: tuple[int, int] | None  # address, 32-bit words
    sorted_types: tuple[int, int] | None  # address, bytes

    def text_address(self, offset: int) -> int:
        """Return the address of a text offset (runtime/symtab.go, textAddr)."""
        if len(self.text_sections) > 1:
            for section in self.text_sections:
                if section.start <= offset < section.end:
                    return section.address + offset - section.start
            last = self.text_sections[-1]
            if offset == last.end:
                return last.address + offset - last.start
        return self.text + offset

    def text_offset(self, address: int) -> int | None:
        """Return the text offset of a code address; None outside the text."""
        if not self.text <= address < self.etext:
            return None
        if len(self.text_sections) > 1:
            for section in self.text_sections:
                if section.address <= address < section.address + section.end - section.start:
                    return address - section.address + section.start
            return None
        return address - self.text


def find_moduledata(image: Image) -> Moduledata:
    """Return the executable's moduledata.

    Raises FormatError, with what seems to be the matter, where there is none that fits.
    """
    headers = 0
    for header in find_headers(image):
        headers += 1
        for count, address in enumerate(_places(image, header)):
            if count >= _MAX_PLACES:
                break
            found = parse_moduledata(image, address, header)
            if found:
                return found
    if error := cut_off(image.file, image.name):
        raise error
    if headers:
        raise FormatError(
            f"{image.name} has Go's function table, but no moduledata in a layout that memsnap"
            " knows (Go 1.18 to 1.27)",
            hint="it may come from a newer Go release, or be a plugin or shared library",
        )
    raise _not_go(image)


def parse_moduledata(image: Image, address: int, header: PcHeader) -> Moduledata | None:
    """Return the moduledata at `address`; None where that is none of this header."""
    if address % _WORD or not image.holds(address, _WORDS * _WORD):
        return None
    words = [image.u64(address + index * _WORD) for index in range(_WORDS)]
    tables = (words[0], words[1], words[16], words[17])
    if tables != (header.address, header.names, header.table, header.functions + 1):
        return None
    if not all(_is_slice(image, words, at, size) for at, size in _SLICES):
        return None
    if not 0 < words[22] < words[23] or not image.holds(words[22]):  # text, etext
        return None
    for layout in LAYOUTS:
        if layout.magic == header.magic and _fits(image, words, layout):
            return _moduledata(image, address, header, (words, layout))
    return None


def _is_slice(image: Image, words: list[int], at: int, element_bytes: int) -> bool:
    """Whether pointer, length and capacity stand at word `at`, with content in the file."""
    pointer, length, capacity = words[at : at + 3]
    return length == capacity and image.holds(pointer, length * element_bytes)


def _fits(image: Image, words: list[int], layout: Layout) -> bool:
    """Whether the words that moved between releases make sense in this layout."""
    types, etypes = words[layout.types], words[layout.etypes]
    sections, section_count = layout.textsectmap, words[layout.textsectmap + 1]
    return (
        0 < types <= etypes
        and image.holds(types, etypes - types)
        and (layout.typedesclen is None or words[layout.typedesclen] <= etypes - types)
        and image.holds(words[layout.rodata])
        and image.holds(words[layout.gofunc])
        and (layout.epclntab is None or words[layout.epclntab] > words[16])
        and 0 < section_count <= _MAX_TEXT_SECTIONS
        and _is_slice(image, words, sections, _TEXT_SECTION.size)
        and (layout.typelinks is None or _is_slice(image, words, layout.typelinks, 4))
    )


def _moduledata(
    image: Image, address: int, header: PcHeader, found: tuple[list[int], Layout]
) -> Moduledata:
    words, layout = found
    types, etypes = words[layout.types], words[layout.etypes]
    links, sorted_bytes = layout.typelinks, layout.typedesclen
    return Moduledata(
        address=address,
        since=layout.since,
        header=header,
        names=(words[1], words[2]),
        compile_units=(words[4], words[5]),
        file_names=(words[7], words[8]),
        pc_tables=(words[10], words[11]),
        table=(words[13], words[14]),
        text=words[22],
        etext=words[23],
        types=types,
        etypes=etypes,
        rodata=words[layout.rodata],
        gofunc=words[layout.gofunc],
        text_sections=_text_sections(image, *words[layout.textsectmap :][:2]),
        typelinks=None if links is None else (words[links], words[links + 1]),
        sorted_types=None if sorted_bytes is None else (types, words[sorted_bytes]),
    )


def _text_sections(image: Image, address: int, count: int) -> tuple[TextSection, ...]:
    step = _TEXT_SECTION.size
    starts = range(address, address + count * step, step)
    return tuple(TextSection(image.u64(at), image.u64(at + 8), image.u64(at + 16)) for at in starts)


def _places(image: Image, header: PcHeader) -> Iterator[int]:
    """Yield where the moduledata may be: its section (Go 1.26), then whatever holds the header."""
    section = image.sections.get(".go.module")
    if section:
        yield section.address
    yield from image.find_word(header.address)


def _not_go(image: Image) -> FormatError:
    for segment in image.segments:
        for _ in image.find(b"UPX!", segment.address, segment.end):
            return FormatError(
                f"{image.name} is packed with UPX, so its tables cannot be read",
                hint="unpack it first: upx -d",
            )
    return FormatError(
        f"{image.name} has no Go function table: it is no Go program, or was built with another"
        " compiler than Go's own",
        hint="give the Go service's own executable, not a wrapper or launcher",
    )
