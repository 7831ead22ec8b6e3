"""What is no ELF64 executable for amd64 or arm64 is refused with what it is instead."""

import pytest
from builders.elf_files import NOTE, READ, Part, elf_file, note

from memsnap.errors import FormatError
from memsnap.gobin import elf
from memsnap.gobin.image import Image

CODE = Part(0x400000, b"\x90" * 64)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "svc is empty"),
        (b"#!/bin/sh\nexec ./svc\n", "svc is a script, not an executable"),
        (b"MZ\x90\0" + bytes(60), "svc is a Windows executable (PE)"),
        (b"\xcf\xfa\xed\xfe" + bytes(60), "svc is a macOS executable (Mach-O)"),
        (b"\xca\xfe\xba\xbe" + bytes(60), "svc is a macOS executable (Mach-O)"),
        (b"PK\x03\x04" + bytes(60), "svc is a zip archive"),
        (b"\x1f\x8b\x08\0" + bytes(60), "svc is a gzip file"),
        (b"!<arch>\n" + bytes(60), "svc is an archive (ar)"),
        (b"\0asm\x01\0\0\0" + bytes(60), "svc is a WebAssembly module"),
        (b"hello, world", "svc is no ELF executable: it starts with 68 65 6c 6c 6f 2c 20 77"),
        (b"\x7fELF\x02\x01", "svc is cut off inside its ELF header"),
        (elf_file(CODE, elf_class=1), "svc is a 32-bit ELF file"),
        (elf_file(CODE, order=2), "svc is a big-endian ELF file"),
        (elf_file(CODE, machine=243), "svc is built for RISC-V; memsnap reads amd64 and arm64"),
        (elf_file(CODE, machine=9999), "svc is built for ELF machine 9999"),
        (elf_file(CODE, kind=1), "svc is an object file, not yet linked, not an executable"),
        (elf_file(CODE, kind=4), "svc is a core dump, not an executable"),
        (elf_file(CODE, elf_class=9), "svc is an ELF file of no known word size"),
        (elf_file(CODE, header_bytes=40), "svc has no load segments that a program could run from"),
        (elf_file(), "svc has no load segments that a program could run from"),
        (elf_file(CODE, CODE), "svc has no load segments that a program could run from"),
        (
            elf_file(*(Part(0x1000 * n, b"x") for n in range(99))),
            "svc has no load segments that a program could run from",
        ),
        (
            elf_file(Part((1 << 64) - 64, b"x" * 64)),
            "svc has no load segments that a program could run from",
        ),
    ],
)
def test_foreign_files_are_called_what_they_are(data, said):
    with pytest.raises(FormatError) as caught:
        Image(data, name="svc")

    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(("machine", "name"), [(62, "amd64"), (183, "arm64")])
def test_machine_and_kind_come_from_the_header(machine, name):
    image = Image(elf_file(CODE, machine=machine, kind=3), name="svc")

    assert (image.machine, image.pie) == (name, True)
    assert not Image(elf_file(CODE, machine=machine), name="svc").pie


def test_build_ids_come_from_notes():
    notes = note(b"Go\0\0", 4, b"abc/def\0") + note(b"GNU\0", 3, bytes.fromhex("c0ffee01"))

    image = Image(elf_file(CODE, Part(0x500000, notes, READ, NOTE)), name="svc")

    assert (image.build_id, image.go_build_id) == ("c0ffee01", "abc/def")


def test_a_note_that_runs_out_of_its_segment_is_ignored():
    broken = note(b"GNU\0", 3, b"1234")[:-2]

    image = Image(elf_file(CODE, Part(0x500000, broken, READ, NOTE)), name="svc")

    assert (image.build_id, image.go_build_id) == ("", "")


def test_segments_are_cut_to_what_the_file_holds():
    data = elf_file(Part(0x400000, b"\x90" * 100))[:-40]

    file = elf.Elf(data, elf.parse_header(data, name="svc"))

    assert [segment.file_size for segment in file.segments] == [60]
    assert file.missing_bytes == 40
