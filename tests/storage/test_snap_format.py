"""docs/snap-format.md says what a `.snap` is, and it is so."""

import gzip
import json
import re
import subprocess
import sys
import types
import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from builders.profiles import Row, heap, message

from memsnap.pprof.encode import compress, encode
from memsnap.snapshot import Capture, GcProof, MemStats, Process, SizeClass, Snapshot
from memsnap.storage import snapfile

DOCUMENT = (Path(__file__).parents[2] / "docs/snap-format.md").read_text(encoding="utf-8")
HEAP = heap(Row("main.leak leak.go:12", size=48, alloc=9, live=7, type="[]uint8", kind="make"))
SNAPSHOT = Snapshot(
    name="a.snap",
    heap=HEAP,
    capture=Capture(
        target="pid:4711",
        gc=GcProof(forced=True, proven=True, reason="cycle 6, then 7"),
        mem_stats=MemStats(source="expvar", by_size=(SizeClass(size=8, mallocs=2, frees=1),)),
        process=Process(pid=4711),
    ),
    goroutine_profile=b"goroutines",
    leak_profile=b"leaks",
)


def documented():
    """The table of keys: key -> type."""
    table = DOCUMENT.partition("## Metadata")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.]+)` \| ([\w ]+) \| .+ \|$", table, re.MULTILINE))


def parts(kind):
    """The types that an annotation allows, without None."""
    if typing.get_origin(kind) is types.UnionType:
        return [part for part in typing.get_args(kind) if part is not types.NoneType]
    return [kind]


def keys_of(kind, prefix):
    """Yield (key, type in the document's words) of a dataclass and of what is in it."""
    names = {int: "integer", float: "number", str: "string", bool: "boolean"}
    for field in fields(kind):
        (part,) = parts(field.type)
        if is_dataclass(part):
            yield f"{prefix}.{field.name}", "object"
            yield from keys_of(part, field.name)
        elif typing.get_origin(part) is tuple:
            item = typing.get_args(part)[0]
            yield f"{prefix}.{field.name}", f"list of {names.get(item, 'object')}s"
            if is_dataclass(item):
                yield from keys_of(item, field.name)
        else:
            yield f"{prefix}.{field.name}", names[part]


def test_the_table_has_every_key_of_the_metadata_and_no_other():
    written = {"format": "integer", "capture": "object"} | dict(keys_of(Capture, "capture"))
    assert documented() == written


def test_the_document_describes_the_format_that_is_written():
    assert f"**format {snapfile.FORMAT}**" in DOCUMENT


def test_the_program_in_the_document_reads_a_file(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    path = tmp_path / "a.snap"
    snapfile.save(SNAPSHOT, path)
    printed = subprocess.run(
        [sys.executable, "-I", "-c", program, path], capture_output=True, text=True, check=True
    ).stdout
    meta = json.loads(printed)
    assert meta["format"] == snapfile.FORMAT
    assert meta["capture"]["target"] == "pid:4711"
    assert meta["capture"]["mem_stats"]["by_size"] == [{"size": 8, "mallocs": 2, "frees": 1}]


def test_the_file_is_gzip_and_the_extension_its_field_1000():
    content = gzip.decompress(snapfile.to_bytes(SNAPSHOT))
    extension = snapfile.from_bytes(snapfile.to_bytes(SNAPSHOT), name="x").heap.extension
    assert message((1000, extension)) in content
    assert extension.endswith(b"\x12\x0agoroutines\x1a\x05leaks")


@pytest.mark.go
def test_gos_pprof_reads_it_as_if_the_extension_were_not_there(pprof, tmp_path):
    with_it, without = tmp_path / "a.snap", tmp_path / "plain.pb.gz"
    snapfile.save(SNAPSHOT, with_it)
    without.write_bytes(compress(encode(replace(HEAP, extension=b""))))
    top = pprof.top(with_it)
    assert top == pprof.top(without)
    assert top["main.leak"].flat > 0
    focused = pprof.run("-symbolize=none", "-tagfocus=type=uint8", "-top", with_it)
    assert "main.leak" in focused
    assert "make" in pprof.run("-symbolize=none", "-tags", with_it)
