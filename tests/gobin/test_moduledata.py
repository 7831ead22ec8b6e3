"""Moduledata says where things are, also where the linker split the text in several sections."""

import struct

import pytest

from memsnap.gobin.executable import Executable
from memsnap.gobin.image import Image
from memsnap.gobin.moduledata import LAYOUTS, Moduledata, TextSection
from memsnap.gobin.pcheader import GO_120, PcHeader

HEADER = PcHeader(0, GO_120, 1, 1, 0, 0, 0, 0, 0, 0)
ONE = (TextSection(0, 0x800, 0x1000),)
TWO = (TextSection(0, 0x800, 0x1000), TextSection(0x800, 0xC00, 0x5000))


def moduledata(sections):
    return Moduledata(
        address=0,
        since=(1, 20),
        header=HEADER,
        names=(0, 0),
        compile_units=(0, 0),
        file_names=(0, 0),
        pc_tables=(0, 0),
        table=(0, 0),
        text=0x1000,
        etext=sections[-1].address + sections[-1].end - sections[-1].start,
        types=0,
        etypes=0,
        rodata=0,
        gofunc=0,
        text_sections=sections,
        typelinks=None,
        sorted_types=None,
    )


@pytest.mark.parametrize(
    ("sections", "offset", "address"),
    [(ONE, 0, 0x1000), (ONE, 0x7FF, 0x17FF), (TWO, 0x7FF, 0x17FF), (TWO, 0x800, 0x5000)],
)
def test_text_offsets_and_addresses_lead_to_each_other(sections, offset, address):
    md = moduledata(sections)

    assert md.text_address(offset) == address
    assert md.text_offset(address) == offset


def test_the_end_of_the_text_has_an_address_but_is_no_code():
    md = moduledata(TWO)

    assert md.text_address(0xC00) == 0x5400
    assert md.text_offset(0x5400) is None


@pytest.mark.parametrize("address", [0, 0xFFF, 0x1800, 0x4FFF, 0x5400])
def test_addresses_between_text_sections_have_no_offset(address):
    assert moduledata(TWO).text_offset(address) is None


def test_layouts_are_listed_newest_first():
    assert [layout.since for layout in LAYOUTS] == [(1, 27), (1, 26), (1, 20), (1, 18)]


@pytest.mark.go
def test_offsets_of_fields_are_read_as_go_1_18_stores_them(program):
    # Twice the offset, plus 1 for an embedded field: nothing else says which release wrote them.
    path = program("zoo")
    data = bytearray(path.read_bytes())
    with Executable.open(path) as executable:
        cat = next(t for t in executable.types.all() if t.name == "pets.Cat")
        expected = [(f.name, f.offset, f.embedded) for f in cat.fields]
        start = executable.image.u64(cat.address + 56)
        for index, (_, offset, embedded) in enumerate(expected):
            at = executable.image.offset(start + 24 * index + 16)
            struct.pack_into("<Q", data, at, offset << 1 | embedded)

    with Executable(Image(bytes(data), name="svc")) as changed:
        fields = changed.types.at(cat.address).fields

    assert [(f.name, f.offset, f.embedded) for f in fields] == expected
    assert expected == [("Name", 0, False), ("age", 16, False), ("Home", 24, True)]


@pytest.mark.go
def test_a_field_beyond_its_struct_makes_the_type_opaque(program):
    path = program("zoo")
    data = bytearray(path.read_bytes())
    with Executable.open(path) as executable:
        cat = next(t for t in executable.types.all() if t.name == "pets.Cat")
        at = executable.image.offset(executable.image.u64(cat.address + 56) + 16)
    struct.pack_into("<Q", data, at, 4096)

    with Executable(Image(bytes(data), name="svc")) as changed:
        assert changed.types.at(cat.address).fields == ()
