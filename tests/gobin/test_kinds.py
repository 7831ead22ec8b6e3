"""Allocation functions, size classes and type arguments: the tables behind the sites."""

import re
from pathlib import Path

import pytest

from memsnap.gobin.kinds import AllocKind, Means, rule_of
from memsnap.gobin.shapes import split_arguments
from memsnap.gobin.sizeclasses import CLASSES, blocks_of, fits, fits_many


@pytest.mark.parametrize(
    ("name", "kind", "means", "argument"),
    [
        ("runtime.newobject", AllocKind.NEW, Means.OBJECT, 0),
        ("runtime.makeslice", AllocKind.SLICE, Means.ELEMENT, 0),
        ("runtime.growslice", AllocKind.APPEND, Means.ELEMENT, 4),
        ("runtime.mallocgcSmallScanNoHeaderSC5", AllocKind.NEW, Means.MALLOC, 1),
        ("runtime.mapassign_faststr", AllocKind.MAP, Means.CONTAINER, 0),
        ("runtime.concatstring3", AllocKind.STRING, Means.FIXED, 0),
        ("internal/runtime/maps.NewMap", AllocKind.MAP, Means.CONTAINER, 0),
    ],
)
def test_a_function_of_the_runtime_has_its_rule(name, kind, means, argument):
    rule = rule_of(name)

    assert (rule.kind, rule.means, rule.argument) == (kind, means, argument)


def test_growslice_took_its_type_first_up_to_go_1_19():
    assert rule_of("runtime.growslice", minor=19).argument == 0
    assert rule_of("runtime.growslice", minor=20).argument == 4


@pytest.mark.parametrize("name", ["", "main.newobject", "runtime.chansend1", "x/runtime.newobject"])
def test_other_functions_have_none(name):
    assert rule_of(name) is None


@pytest.mark.go
def test_size_classes_are_those_of_the_runtime(go):
    root = Path(go.run("env", "GOROOT").strip())
    files = ("internal/runtime/gc/sizeclasses.go", "runtime/sizeclasses.go")
    source = next(root / "src" / file for file in files if (root / "src" / file).exists())
    row = re.search(r"(?i)class_?to_?size\s*=.*?\{0, ([^}]*)\}", source.read_text())

    assert tuple(map(int, row[1].split(", "))) == CLASSES


@pytest.mark.parametrize(
    ("size", "pointers", "block"),
    [
        (1, False, 8),
        (1, False, 16),  # a tiny object
        (24, True, 24),
        (33, True, 48),
        (512, True, 512),
        (512, True, 576),  # with a malloc header
        (40_000, False, 40_960),
        (40_000, False, 40_000),
    ],
)
def test_an_object_may_be_in_the_block_of_its_class(size, pointers, block):
    assert block in blocks_of(size, pointers=pointers)


def test_an_object_is_not_in_another_block():
    assert not fits(48, 24, pointers=True)
    assert not fits(64, 24, pointers=False)


def test_a_slice_fills_its_block_as_append_rounds_up():
    assert fits_many(48, 24, pointers=True)
    assert fits_many(896, 40, pointers=False)  # 22 elements of 40 bytes
    assert not fits_many(16, 24, pointers=True)
    assert not fits_many(16, 0, pointers=True)


def test_type_arguments_are_split_outside_brackets():
    assert split_arguments("string,map[int]Pair[a,b],func(int, int)") == [
        "string",
        "map[int]Pair[a,b]",
        "func(int, int)",
    ]
