"""Build info is what `go version -m` prints, of any ELF file, and nothing in it is trusted."""

import struct

import pytest

from memsnap.gobin.buildinfo import (
    Build,
    BuildInfo,
    Module,
    parse_build,
    parse_module_text,
    read_build,
)
from memsnap.gobin.executable import Executable

TEXT = """\
path\texample.com/svc/cmd
mod\texample.com/svc\tv1.2.3\th1:abc=
=>\t../svc\t(devel)\t
dep\tgolang.org/x/net\tv0.1.0\th1:def=
dep\tgolang.org/x/sys\tv0.2.0
=>\texample.com/fork/sys\tv0.2.1\th1:ghi=
build\t-ldflags="-X main.v=\\"1\\" -s"
build\tvcs.revision=0123abcd
build\tvcs.modified=true
build\todd=a=b
"""


def test_module_text_becomes_modules_and_settings():
    assert parse_module_text(TEXT, go_version="go1.22.5") == BuildInfo(
        go_version="go1.22.5",
        path="example.com/svc/cmd",
        module=Module("example.com/svc", "v1.2.3", "h1:abc=", Module("../svc", "(devel)")),
        dependencies=(
            Module("golang.org/x/net", "v0.1.0", "h1:def="),
            Module(
                "golang.org/x/sys",
                "v0.2.0",
                "",
                Module("example.com/fork/sys", "v0.2.1", "h1:ghi="),
            ),
        ),
        settings={
            "-ldflags": '-X main.v="1" -s',
            "vcs.revision": "0123abcd",
            "vcs.modified": "true",
            "odd": "a=b",
        },
    )


@pytest.mark.parametrize(
    ("settings", "revision"),
    [
        ({}, ""),
        ({"vcs.modified": "true"}, ""),
        ({"vcs.revision": "abc"}, "abc"),
        ({"vcs.revision": "abc", "vcs.modified": "false"}, "abc"),
        ({"vcs.revision": "abc", "vcs.modified": "true"}, "abc+dirty"),
    ],
)
def test_a_revision_says_when_the_tree_had_changes(settings, revision):
    assert BuildInfo(settings=settings).vcs_revision == revision


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("go1.27.3", (1, 27)),
        ("go1.19", (1, 19)),
        ("devel go1.28-abcdef Mon Jan 1", (1, 28)),
        ("go1.25rc1 X:nodwarf5", (1, 25)),
        ("devel +abcdef", None),
        ("", None),
    ],
)
def test_the_release_comes_from_the_version(version, release):
    assert BuildInfo(go_version=version).release == release


@pytest.mark.go
@pytest.mark.parametrize("flags", [[], ["-ldflags=-s -w"], ["-buildmode=pie"]])
def test_build_info_is_what_go_prints(program, go, flags):
    path = program("tiny", flags=flags)
    first, *lines = go.run("version", "-m", str(path)).splitlines()

    with Executable.open(path) as executable:
        info = executable.build_info

    text = "".join(f"{line.removeprefix(chr(9))}\n" for line in lines)
    assert info == parse_module_text(text, go_version=first.rpartition(" ")[2])
    assert (info.path, info.module.path) == ("memsnap.test/programs/tiny", "memsnap.test/programs")
    assert info.settings["GOARCH"] == "amd64"


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


WHOLE = Build(
    build_id="00ff17",
    go_build_id="abc/def",
    info=parse_module_text(MODULE_TEXT, go_version="go1.27.3"),
)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_all_word_sizes_and_byte_orders_are_read(bits, order):
    assert parse_build(elf(contents(order), bits=bits, order=order)) == WHOLE


def test_without_section_names_the_data_segment_is_searched():
    build = parse_build(elf(contents(), section_names=False))
    assert (build.info.go_version, build.info.module.path) == ("go1.27.3", "example.com/shop/v2")


@pytest.mark.parametrize(
    "options",
    [{"flags": 0}, {"version": "nonsense"}, {"version": ""}],
    ids=["pointers of Go before 1.18", "no version", "empty"],
)
def test_an_unreadable_blob_leaves_the_version_unknown(options):
    build = parse_build(elf(contents(**options)))
    assert build.info == BuildInfo()
    assert build.build_id == "00ff17"


def test_a_program_without_modules_has_a_version_only():
    build = parse_build(elf(contents(module="")))
    assert (build.info.go_version, build.info.module.path) == ("go1.27.3", "")


def test_what_is_no_elf_file_is_none(tmp_path):
    (tmp_path / "script").write_text("#!/bin/sh\n" * 20)
    (tmp_path / "empty").touch()
    assert read_build(tmp_path / "script") is None
    assert read_build(tmp_path / "empty") is None
    assert parse_build(b"\x7fELF" + bytes([9]) + b"\0" * 100) is None


def test_a_file_cut_short_anywhere_is_no_crash():
    whole = elf(contents())
    for end in range(0, len(whole), 7):
        cut = parse_build(whole[:end])
        assert cut is None or isinstance(cut, Build)


def test_a_file_with_any_byte_damaged_is_no_crash():
    whole = elf(contents())
    for at in range(4, len(whole), 3):
        damaged = whole[:at] + b"\xff" + whole[at + 1 :]
        result = parse_build(damaged)
        assert result is None or isinstance(result, Build)


@pytest.mark.parametrize("at", [0x20, 0x28])
@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_table_at_an_impossible_place_is_no_crash(at, value):
    file = bytearray(elf({b".go.buildinfo": blob()}))
    struct.pack_into("<Q", file, at, value)
    parse_build(bytes(file))


@pytest.mark.go
def test_a_real_program_tells_which_build_it_is(go, program):
    path = program("tiny")

    build = read_build(path)

    assert build.go_build_id == go.run("tool", "buildid", str(path)).strip()
    assert len(build.build_id) == (40 if go.minor >= 24 else 0)
    with Executable.open(path) as executable:
        assert build.info == executable.build_info
