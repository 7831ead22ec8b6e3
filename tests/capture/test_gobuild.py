"""Build facts are read from real executables and from written ELF files, and nothing is trusted."""

import struct
from pathlib import Path

import pytest

from memsnap.capture.gobuild import GoBuild, parse_build, parse_module_text, read_build

MODULE_TEXT = (
    "path\texample.com/shop/v2/cmd/server\n"
    "mod\texample.com/shop/v2\tv2.3.4\th1:abc=\n"
    "dep\texample.com/other\tv1.0.0\th1:def=\n"
    "build\t-buildmode=exe\n"
    "build\tvcs.revision=0123abcd\n"
    "build\tvcs.modified=true\n"
)


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def blob(version="go1.27.3", module=MODULE_TEXT, *, flags=2):
    """Return a build info blob as the linker of Go 1.18 and later writes it."""
    framed = b"S" * 16 + module.encode() + b"E" * 16 if module else b""
    header = b"\xff Go buildinf:" + bytes([8, flags])
    return (
        header.ljust(32, b"\0")
        + varint(len(version))
        + version.encode()
        + varint(len(framed))
        + framed
    )


def note(owner, kind, text, order):
    padded = text + b"\0" * (-len(text) % 4)
    return struct.pack(f"{order}3I", len(owner), len(text), kind) + owner + padded


def elf(contents, *, bits=64, order="<", section_names=True):
    """Return an ELF file with `contents` as sections, by name, and one data segment for all."""
    wide = bits == 64
    header_bytes, row = (64, "IIQQQQIIQQ") if wide else (52, "IIIIIIIIII")
    names = b"\0" + b"".join(name + b"\0" for name in contents) + b".shstrtab\0"
    place, body, rows = header_bytes, b"", [(0,) * 10]
    for name, content in [*contents.items(), (b".shstrtab", names)]:
        content += b"\0" * (-len(content) % 16)
        at = names.index(name + b"\0") if section_names else 0
        rows.append((at, 1, 0, 0, place + len(body), len(content), 0, 0, 4, 0))
        body += content
    segment = (
        struct.pack(f"{order}IIQQQQQQ", 1, 6, place, 0, 0, len(body), len(body), 16)
        if wide
        else struct.pack(f"{order}8I", 1, place, 0, 0, len(body), len(body), 6, 16)
    )
    body += segment
    segments, sections = place + len(body) - len(segment), place + len(body)
    body += b"".join(struct.pack(f"{order}{row}", *values) for values in rows)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    word = "Q" if wide else "I"
    rest = struct.pack(
        f"{order}HHI3{word}I6H",
        2, 62, 1, 0, segments, sections, 0,
        header_bytes, len(segment), 1, struct.calcsize(f"={row}"), len(rows), len(rows) - 1,
    )  # fmt: skip
    return ident + rest + body


def contents(order="<", **blob_options):
    return {
        b".note.gnu.build-id": note(b"GNU\0", 3, bytes.fromhex("00ff17"), order),
        b".note.go.buildid": note(b"Go\0\0", 4, b"abc/def", order),
        b".go.buildinfo": blob(**blob_options),
    }


WHOLE = GoBuild(
    build_id="00ff17",
    go_build_id="abc/def",
    go_version="go1.27.3",
    path="example.com/shop/v2/cmd/server",
    module="example.com/shop/v2",
    module_version="v2.3.4",
    vcs_revision="0123abcd+dirty",
)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_all_word_sizes_and_byte_orders_are_read(bits, order):
    assert parse_build(elf(contents(order), bits=bits, order=order)) == WHOLE


def test_without_section_names_the_data_segment_is_searched():
    build = parse_build(elf(contents(), section_names=False))
    assert (build.go_version, build.module) == ("go1.27.3", "example.com/shop/v2")


@pytest.mark.parametrize(
    "options",
    [{"flags": 0}, {"version": "nonsense"}, {"version": ""}],
    ids=["pointers of Go before 1.18", "no version", "empty"],
)
def test_an_unreadable_blob_leaves_the_version_unknown(options):
    build = parse_build(elf(contents(**options)))
    assert build.go_version == ""
    assert build.build_id == "00ff17"


def test_a_program_without_modules_has_a_version_only():
    build = parse_build(elf(contents(module="")))
    assert (build.go_version, build.module) == ("go1.27.3", "")


def test_what_is_no_elf_file_is_none(tmp_path: Path):
    (tmp_path / "script").write_text("#!/bin/sh\n" * 20)
    (tmp_path / "empty").touch()
    assert read_build(tmp_path / "script") is None
    assert read_build(tmp_path / "empty") is None
    assert parse_build(b"\x7fELF" + bytes([9]) + b"\0" * 100) is None


def test_a_file_cut_short_anywhere_is_no_crash():
    whole = elf(contents())
    for end in range(0, len(whole), 7):
        cut = parse_build(whole[:end])
        assert cut is None or isinstance(cut, GoBuild)


def test_a_file_with_any_byte_damaged_is_no_crash():
    whole = elf(contents())
    for at in range(4, len(whole), 3):
        damaged = whole[:at] + b"\xff" + whole[at + 1 :]
        result = parse_build(damaged)
        assert result is None or isinstance(result, GoBuild)


@pytest.mark.parametrize("at", [0x20, 0x28])
@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_table_at_an_impossible_place_is_no_crash(at, value):
    file = bytearray(elf({b".go.buildinfo": blob()}))
    struct.pack_into("<Q", file, at, value)
    parse_build(bytes(file))


def test_a_clean_tree_has_no_mark_on_its_revision():
    text = "mod\tm\t(devel)\t\nbuild\tvcs.revision=12\nbuild\tvcs.modified=false\n"
    assert parse_module_text(text) == {
        "module": "m",
        "module_version": "(devel)",
        "vcs_revision": "12",
    }


@pytest.mark.go
def test_a_real_program_tells_its_build(go, doors):
    build = read_build(doors)
    assert build.go_version == go.version
    assert build.module == "memsnap.test/capture"
    assert build.path == "memsnap.test/capture/doors"
    assert build.go_build_id == go.run("tool", "buildid", str(doors)).strip()
    assert len(build.build_id) == (40 if go.minor >= 24 else 0)
