"""One answer however an executable is linked, stripped or mangled; clear words if it is none."""

import shutil
import struct
import sys

import pytest
from builders.elf_files import (
    EXECUTE,
    READ,
    WRITE,
    Part,
    elf_file,
    without_addends_in_place,
    without_sections,
)

from memsnap.errors import FileError, FormatError
from memsnap.gobin.executable import Executable
from memsnap.gobin.image import Image

TEXT, DATA = 0x400000, 0x600000


def answers(executable):
    """Return types with fields, and functions with a line each, as plain values."""
    types = [
        (t.address, t.full_name, t.size, [(f.name, f.offset) for f in t.fields])
        for t in executable.types.all()
    ]
    functions = [
        (f.entry, f.end, executable.pclntab.inline_frames(f.entry + 4))
        for f in executable.pclntab.functions()
    ]
    return types, functions, executable.build_info


@pytest.mark.go
@pytest.mark.parametrize("flags", [[], ["-buildmode=pie"]], ids=["exe", "pie"])
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_sections_and_addends_in_place_are_not_needed(program, arm64_program, architecture, flags):
    build = program if architecture == "amd64" else arm64_program
    path = build("tiny", flags=flags)
    data = path.read_bytes()

    with Executable.open(path) as executable:
        expected = answers(executable)
        assert executable.image.sections
    changed = without_addends_in_place(data) if flags else data
    with Executable(Image(without_sections(changed), name="svc")) as executable:
        assert executable.image.sections == {}
        assert answers(executable) == expected
    assert len(expected[0]) > 200
    assert len(expected[1]) > 1000


@pytest.mark.go
@pytest.mark.skipif(not shutil.which("gcc"), reason="external linking needs a C compiler")
@pytest.mark.parametrize("flags", [[], ["-buildmode=pie"]], ids=["exe", "pie"])
def test_external_linking_changes_nothing(program, program_in, flags):
    external = [*flags, "-ldflags=-linkmode=external -s -w"]
    linked = program_in({"CGO_ENABLED": "1"}, "zoo", flags=external)

    with (
        Executable.open(program("zoo", flags=flags)) as own,
        Executable.open(linked) as other,
    ):
        names = {t.full_name for t in own.types.all() if "main." in t.full_name}
        assert names == {t.full_name for t in other.types.all() if "main." in t.full_name}
        assert other.pclntab.by_name("main.main").name == "main.main"


@pytest.mark.go
def test_stripping_keeps_all_answers(program):
    flags = ["-trimpath"]

    with (
        Executable.open(program("tiny", flags=flags)) as full,
        Executable.open(program("tiny", flags=[*flags, "-ldflags=-s -w"])) as stripped,
    ):
        assert {t.full_name for t in full.types.all()} == {
            t.full_name for t in stripped.types.all()
        }
        assert [f.name for f in full.pclntab.functions()] == [
            f.name for f in stripped.pclntab.functions()
        ]
        assert full.image.build_id != ""
        assert full.image.go_build_id.count("/") == 3


@pytest.mark.go
def test_an_executable_closes_with_its_block_even_when_used(program):
    with Executable.open(program("tiny"), name="svc") as executable:
        answers(executable)
        assert executable.name == "svc"

    with pytest.raises(ValueError, match=r"closed|released"):
        executable.image.read(executable.moduledata.text, 1)


@pytest.mark.go
def test_a_deleted_executable_is_read_through_its_open_file(program, tmp_path):
    path = tmp_path / "svc"
    shutil.copyfile(program("tiny"), path)

    with path.open("rb") as file:
        path.unlink()
        with Executable.open(file, name="svc") as executable:
            assert executable.pclntab.by_name("main.main")


@pytest.mark.go
def test_tables_of_a_release_unknown_are_refused(program):
    data = bytearray(program("tiny").read_bytes())
    with Executable.open(program("tiny")) as executable:
        at = executable.image.offset(executable.moduledata.address)
    data[at + 17 * 8] ^= 1  # the length of ftab

    with pytest.raises(
        FormatError, match="svc has Go's function table, but no moduledata"
    ) as caught:
        _ = Executable(Image(bytes(data), name="svc")).moduledata
    assert "newer Go release" in caught.value.hint


@pytest.mark.parametrize(
    ("magic", "release"), [(0xFFFFFFFA, "1.16 or 1.17"), (0xFFFFFFFB, "1.15 or older")]
)
def test_go_before_1_18_is_refused_by_name(magic, release):
    old = struct.pack("<IBBBB", magic, 0, 0, 1, 8)
    data = elf_file(Part(TEXT, b"\x90" * 64, READ | EXECUTE), Part(DATA, old + bytes(64)))

    with pytest.raises(FormatError, match=f"svc was built with Go {release}"):
        _ = Executable(Image(data, name="svc")).moduledata


def test_packed_files_are_refused_with_the_way_out():
    data = elf_file(Part(TEXT, b"UPX!" + b"\x90" * 64, READ | EXECUTE | WRITE))

    with pytest.raises(FormatError, match="svc is packed with UPX") as caught:
        _ = Executable(Image(data, name="svc")).moduledata
    assert caught.value.hint == "unpack it first: upx -d"


@pytest.mark.go
@pytest.mark.parametrize("part", [0.0002, 0.05, 0.3, 0.6])
def test_a_file_that_lacks_its_end_is_said_to_be_cut_off(program, tmp_path, part):
    data = program("tiny").read_bytes()
    cut = tmp_path / "svc"
    cut.write_bytes(data[: int(len(data) * part)])

    with pytest.raises(FormatError, match=r"svc is cut off: [0-9,]+ of the bytes") as caught:
        Executable.open(cut)

    assert caught.value.hint == "copy the file again"


@pytest.mark.go
def test_only_gos_own_build_ids_tell_builds_apart(program):
    with (
        Executable.open(program("tiny")) as own,
        Executable.open(program("tiny", flags=["-ldflags=-buildid=redacted"])) as chosen,
    ):
        assert own.image.content_id == own.image.go_build_id
        assert (chosen.image.go_build_id, chosen.image.content_id) == ("redacted", "")


def test_other_programs_are_no_go_programs():
    with pytest.raises(FormatError, match="has no Go function table"):
        Executable.open(sys.executable)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*svc: No such file"):
        Executable.open(tmp_path / "svc")
