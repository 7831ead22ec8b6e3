"""What `inspect` prints of an executable."""

import json
from dataclasses import replace

import pytest

from memsnap.gobin.buildinfo import BuildInfo, Module
from memsnap.gobin.inspection import FileFacts, Inspection
from memsnap.gobin.kinds import AllocKind
from memsnap.gobin.layout import FieldLayout, StructLayout
from memsnap.gobin.listing import ListedSite
from memsnap.gobin.site import Certainty, Site
from memsnap.gobin.typelist import ListedType
from memsnap.report.document import json_text
from memsnap.report.ink import Ink
from memsnap.report.inspect import by_gain, render_gains, render_inspection, render_layouts
from memsnap.report.inspect_document import (
    inspection_document,
    site_lines,
    sites_document,
    types_document,
)

BUILD = BuildInfo(
    go_version="go1.27.3",
    path="example.com/shop/cmd/shop",
    module=Module("example.com/shop", "v1.2.0"),
    dependencies=(Module("example.com/old", "v0.1.0", "", Module("example.com/new", "v0.2.0")),),
    settings={
        "-ldflags": "-s -w",
        "-trimpath": "true",
        "GOAMD64": "v3",
        "GOOS": "linux",
        "-compiler": "gc",
        "vcs": "git",
        "vcs.revision": "c0ffee",
        "vcs.time": "2026-11-22T14:03:07Z",
        "vcs.modified": "true",
    },
)
FILE = FileFacts(
    name="./shop",
    machine="amd64",
    pie=True,
    code_bytes=7 << 20,
    symbols=False,
    dwarf=False,
    build_id="c0ffee0123",
    go_build_id="",
    layout_since=(1, 27),
    build=BUILD,
)
FOUND = Inspection(
    file=FILE,
    functions=16170,
    types={"struct": 2606, "pointer": 2515, "map": 83, "unsafe_pointer": 2, "bool": 1, "int": 1},
    sites={
        (AllocKind.NEW, Certainty.CONSTANT): 6000,
        (AllocKind.NEW, Certainty.SHAPE): 40,
        (AllocKind.NEW, Certainty.UNKNOWN): 2,
        (AllocKind.BOX, Certainty.FORWARD): 958,
    },
)
SHOWN = """\
example.com/shop/cmd/shop v1.2.0, go1.27.3, linux/amd64, PIE
./shop, 7.00 MB of code

Build
  module            example.com/shop v1.2.0
  modules linked    1
  revision          c0ffee+dirty  git  2026-11-22T14:03:07Z
  -ldflags          -s -w
  -trimpath         true
  GOAMD64           v3

In the file
  build id          c0ffee0123
  Go build id       none
  symbols, DWARF    stripped, stripped
  functions         16,170
  types             5,208: 2,606 structs, 2,515 pointers, 83 maps, 2 unsafe pointers, 2 others
  allocation sites  7,000, 99.4% typed by the code alone

Allocation sites
  sites  typed  likely  open  kind
  6,042  6,000      40     2  new
    958    958       0     0  interface box
  7,000  6,958      40     2  all
  Calls that may allocate, outside the runtime. Open and likely ones, above all generic code and
  reflection, often get their type from the callers in a profile."""

ENTRY = ListedType(
    name="main.Entry",
    full_name="main.Entry",
    package="main",
    kind="struct",
    size=40,
    align=8,
    ptr_bytes=32,
    block_bytes=48,
    best_size=24,
    best_block_bytes=24,
    layout=StructLayout(
        name="main.Entry",
        full_name="main.Entry",
        size=40,
        align=8,
        ptr_bytes=32,
        padding_bytes=21,
        best_size=24,
        fields=tuple(
            FieldLayout(
                name=name,
                type_name=type_name,
                full_type_name=type_name,
                offset=offset,
                size=size,
                padding_bytes=padding,
                embedded=name == "Base",
            )
            for name, type_name, offset, size, padding in [
                ("paid", "bool", 0, 1, 7),
                ("Base", "main.Base", 8, 8, 0),
                ("open", "bool", 16, 1, 7),
                ("next", "map[string]interface {}", 24, 8, 0),
                ("note", "uint8", 32, 1, 7),
            ]
        ),
    ),
)
WORD = ListedType(
    name="int",
    full_name="int",
    package="",
    kind="int",
    size=8,
    align=8,
    ptr_bytes=0,
    block_bytes=8,
    best_size=8,
    best_block_bytes=8,
    layout=None,
)
SITE = ListedSite(
    function="strings.Clone",
    code_of="main.book",
    file="strings/clone.go",
    line=23,
    address=0x4A1B20,
    callee="runtime.makeslice",
    site=Site(
        kind=AllocKind.SLICE,
        certainty=Certainty.CONSTANT,
        type_name="[]byte",
        full_name="[]byte",
    ),
)


def typed(name, *, size, best_size, block, best_block):
    return ListedType(
        name=name,
        full_name=name,
        package="main",
        kind="struct",
        size=size,
        align=8,
        ptr_bytes=0,
        block_bytes=block,
        best_size=best_size,
        best_block_bytes=best_block,
        layout=None,
    )


def test_the_report_says_how_it_was_built_and_what_can_be_read():
    assert render_inspection(FOUND, ink=Ink(width=100)) == SHOWN


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_report_fits_the_terminal(width):
    text = render_inspection(FOUND, ink=Ink(width=width))

    settings = [line for line in text.splitlines() if line.startswith("  ")]
    assert max(map(len, settings)) <= width


def test_a_binary_without_build_information_says_so():
    file = replace(FILE, build=BuildInfo(), symbols=None, dwarf=None)

    text = render_inspection(
        Inspection(file=file, functions=1, types={}, sites={}), ink=Ink(width=100)
    )

    assert text.splitlines()[0] == "./shop, Go 1.27 or later, by its tables, linux/amd64, PIE"
    assert "Build  nothing is recorded in the file" in text
    assert "unknown (no section headers)" in text


def test_what_a_binary_says_of_itself_cannot_drive_the_terminal():
    build = BuildInfo(path="evil\x1b[2J", settings={"-tags": "a\x1b]0;x\x07"})
    file = replace(FILE, build=build, name="a\nb")

    text = render_inspection(
        Inspection(file=file, functions=1, types={}, sites={}), ink=Ink(width=100)
    )

    assert all(line.isprintable() for line in text.splitlines())


def test_the_document_has_all_counts_and_all_settings():
    document = json.loads("".join(json_text(inspection_document(FOUND))))

    assert document["schema"] == "memsnap.inspect/1"
    assert document["settings"] == dict(BUILD.settings)
    assert document["module"] == {
        "path": "example.com/shop",
        "version": "v1.2.0",
        "replaced_by": None,
    }
    assert document["dependencies"][0]["replaced_by"]["path"] == "example.com/new"
    assert document["go_build_id"] is None
    assert document["types"]["count"] == 5208
    assert document["sites"]["count"] == 7000
    assert document["sites"]["typed"] == 6958
    assert document["sites"]["by"][0] == {"kind": "new", "certainty": "constant", "sites": 6000}


def test_sites_are_objects_one_a_line_or_one_document():
    lines = "".join(site_lines([SITE, SITE])).splitlines()
    document = json.loads("".join(json_text(sites_document(FILE, [SITE, SITE]))))

    assert [json.loads(line) for line in lines] == document["sites"]
    assert document["sites"][0] == {
        "function": "strings.Clone",
        "file": "strings/clone.go",
        "line": 23,
        "address": "0x4a1b20",
        "code_of": "main.book",
        "calls": "runtime.makeslice",
        "kind": "make slice",
        "type": "[]byte",
        "full_type": "[]byte",
        "part": None,
        "certainty": "constant",
        "candidates": [],
        "via": None,
    }


def test_a_layout_shows_its_gaps_and_what_another_order_saves():
    text = render_layouts([ENTRY], limit=9, ink=Ink(width=100))

    assert (
        text
        == """\
main.Entry  struct, 40 B, 48 B on the heap, pointers in the first 32 B
  offset  size  field   type
       0     1  paid    bool
       1     7          padding
       8     8  (Base)  main.Base
      16     1  open    bool
      17     7          padding
      24     8  next    map[string]any
      32     1  note    uint8
      33     7          padding
  21 B of padding. With the fields by falling alignment it takes 24 B: 24 B less for each on the
  heap."""
    )


def test_structs_are_rows_with_what_they_would_save_and_blocks_where_there_is_room():
    wide = render_gains([ENTRY, WORD], limit=5, ink=Ink(width=100))
    narrow = render_gains([ENTRY, WORD], limit=5, ink=Ink(width=60))

    assert (
        wide
        == """\
Structs  1 of 1 outside Go's library, by what could be saved
  size  on the heap  padding  best  on the heap  saves  type
    40           48       21    24           24     24  main.Entry
  Bytes; the best size is with the fields by falling alignment. --types NAME shows them."""
    )
    assert narrow.splitlines()[1:3] == [
        "  size  padding  best  saves  type",
        "    40       21    24     24  main.Entry",
    ]


def test_structs_of_gos_own_library_are_not_the_readers_to_change():
    theirs = replace(ENTRY, package="net/http", full_name="net/http.Request")

    text = render_gains([theirs], limit=5, ink=Ink(width=100))

    assert text.startswith("Structs  0 of 0 outside Go's library")
    assert "net/http" not in text


def test_types_that_match_beyond_the_limit_are_counted():
    text = render_layouts([WORD, ENTRY], limit=1, ink=Ink(width=100))

    assert text.splitlines() == [
        "int  int, 8 B, no pointers",
        "",
        "1 of 2 types that match; -n 2: all",
    ]


def test_a_long_name_leaves_its_facts_to_the_next_line():
    long = replace(WORD, full_name="main." + "x" * 80)

    lines = render_layouts([long], limit=1, ink=Ink(width=60)).splitlines()

    assert lines[0].endswith("xx…")
    assert lines[1] == "  int, 8 B, no pointers"
    assert max(map(len, lines)) == 60


def test_what_saves_a_block_comes_before_what_saves_in_arrays_only():
    block = typed("block", size=40, best_size=32, block=48, best_block=32)
    array = typed("array", size=48, best_size=34, block=48, best_block=48)
    nothing = typed("nothing", size=99, best_size=99, block=112, best_block=112)

    assert [t.name for t in by_gain([nothing, array, block])] == ["block", "array", "nothing"]


def test_the_document_of_types_has_their_fields():
    document = json.loads("".join(json_text(types_document(FILE, [ENTRY, WORD], pattern="*"))))

    assert document["schema"] == "memsnap.types/1"
    assert document["types"][0]["padding_bytes"] == 21
    assert document["types"][0]["fields"][0] == {
        "offset": 0,
        "size": 1,
        "name": "paid",
        "type": "bool",
        "full_type": "bool",
        "padding_bytes": 7,
        "embedded": False,
    }
    assert document["types"][1]["fields"] is None
