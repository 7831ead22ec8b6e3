"""An image answers with link-time addresses, bounds checks and relocations."""

import os
import struct

import pytest
from builders.elf_files import (
    DYNAMIC,
    EXECUTE,
    READ,
    RELRO,
    WRITE,
    Part,
    elf_file,
)

from memsnap.errors import FileError, FormatError
from memsnap.gobin.image import Image, open_image

TEXT, DATA = 0x400000, 0x600000


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def image_of(*parts: Part, kind: int = 2) -> Image:
    return Image(elf_file(*parts, kind=kind), name="svc")


@pytest.fixture
def image() -> Image:
    return image_of(
        Part(TEXT, b"\x90" * 32, READ | EXECUTE),
        Part(DATA, words(1, TEXT, 3) + b"text\0rest", READ | WRITE, memory_bytes=4096),
        Part(DATA, bytes(16), READ, RELRO, inside=1),
    )


def test_bytes_are_read_by_address(image):
    assert image.read(DATA + 24, 4) == b"text"
    assert image.u64(DATA + 8) == TEXT
    assert (image.u32(DATA + 16), image.u8(DATA + 24)) == (3, ord("t"))
    assert image.c_string(DATA + 24) == "text"
    assert list(image.words32(DATA, 4)) == [1, 0, TEXT, 0]


@pytest.mark.parametrize(
    ("address", "size"), [(0, 1), (TEXT - 1, 2), (TEXT + 30, 3), (DATA + 33, 1), (DATA, -1)]
)
def test_what_the_file_does_not_hold_is_an_error(image, address, size):
    assert not image.holds(address, size)
    with pytest.raises(FormatError, match=r"svc refers to -?\d+ bytes at"):
        image.read(address, size)


def test_read_up_to_stops_at_the_end_of_the_segment(image):
    assert image.read_up_to(DATA + 29, 100) == b"rest"


def test_text_without_an_end_stops_at_the_end_of_the_segment(image):
    assert image.c_string(DATA + 29) == "rest"


def test_only_what_stays_writable_after_relocation_is_not_readonly(image):
    readonly = [image.is_readonly(at) for at in (TEXT, DATA, DATA + 8, DATA + 16, 0)]

    assert readonly == [True, True, True, False, False]


def test_the_text_range_spans_the_executable_segments(image):
    assert image.text_range == (TEXT, TEXT + 32)
    assert image_of(Part(DATA, b"x" * 8)).text_range == (0, 0)


def test_a_pattern_is_found_across_the_chunks_it_is_searched_in():
    content = bytearray(3 << 20)
    for at in (0, (1 << 20) - 3, (2 << 20) + 8):
        content[at : at + 6] = b"needle"
    image = image_of(Part(DATA, bytes(content), READ | WRITE))

    found = list(image.find(b"needle", DATA, DATA + len(content)))
    aligned = list(image.find(b"needle", DATA, DATA + len(content), align=8))

    assert found == [DATA, DATA + (1 << 20) - 3, DATA + (2 << 20) + 8]
    assert aligned == [DATA, DATA + (2 << 20) + 8]


def test_words_are_found_in_data_but_not_in_code(image):
    assert list(image.find_word(TEXT)) == [DATA + 8]
    assert list(image.find_word(0x9090909090909090)) == []


def relocated(*, in_place: bool, order: int = 1) -> Image:
    """A PIE with two relative relocations, of the words at DATA and DATA + 8."""
    addends = [0x1111, 0x2222]
    rows = [words(DATA, 8, addends[0]), words(DATA + 8, 8, addends[1])][::order]
    body = words(*addends, 0) if in_place else words(0, 0, 0)
    table = DATA + 24
    dynamic = words(7, table, 8, 48, 0, 0)
    return image_of(
        Part(DATA, body + b"".join(rows) + dynamic, READ | WRITE),
        Part(table + 48, dynamic, READ | WRITE, DYNAMIC, inside=0),
        kind=3,
    )


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_words_are_as_after_relocation_wherever_the_linker_left_the_addends(in_place, order):
    image = relocated(in_place=in_place, order=order)

    assert [image.u64(DATA + at) for at in (0, 8, 16)] == [0x1111, 0x2222, 0]
    assert DATA + 8 in list(image.find_word(0x2222))  # the relocation itself has it too


def test_a_relocation_table_outside_the_file_is_no_table():
    dynamic = words(7, 0x999000, 8, 48)
    image = image_of(
        Part(DATA, words(0) + dynamic, READ | WRITE),
        Part(DATA + 8, dynamic, READ | WRITE, DYNAMIC, inside=0),
        kind=3,
    )

    assert image.u64(DATA) == 0


@pytest.mark.parametrize("missing", ["nothing-here", "no/such/folder"])
def test_a_missing_file_is_a_file_error(tmp_path, missing):
    with pytest.raises(FileError, match="cannot read svc: No such file"):
        open_image(tmp_path / missing, name="svc")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FormatError, match="svc is not a regular file"):
            open_image(path, name="svc")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "svc").touch()

    with pytest.raises(FormatError, match="svc is empty"):
        open_image(tmp_path / "svc", name="svc")


def test_an_open_file_stays_the_callers(tmp_path):
    path = tmp_path / "svc"
    path.write_bytes(elf_file(Part(TEXT, b"\x90" * 32)))

    with path.open("rb") as file:
        with open_image(file, name="svc") as image:
            assert image.read(TEXT, 2) == b"\x90\x90"
        assert file.read(4) == b"\x7fELF"


def test_closing_releases_all_views(tmp_path):
    path = tmp_path / "svc"
    path.write_bytes(elf_file(Part(TEXT, bytes(range(32)))))

    with open_image(path, name="svc") as image:
        view = image.keep(image.words32(TEXT, 8)[::2])
        assert view[1] == 0x0B0A0908

    with pytest.raises(ValueError, match="released"):
        view[0]
