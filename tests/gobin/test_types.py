"""Types read from a file are those that the running program's reflection sees."""

import pytest
from go_truth import differing_types

from memsnap.gobin.descriptors import Kind
from memsnap.gobin.executable import Executable

pytestmark = pytest.mark.go


@pytest.mark.parametrize("flags", [[], ["-buildmode=pie", "-ldflags=-s -w"]], ids=["exe", "pie"])
def test_every_type_is_as_reflect_says_and_has_its_full_name(program, flags):
    assert differing_types(program("zoo", flags=flags)) == []


def test_arm64_has_the_types_of_amd64(zoo, arm64_program):
    with Executable.open(arm64_program("zoo")) as arm:
        assert arm.image.machine == "arm64"
        assert own_types(arm) == own_types(zoo) != []


def test_unnamed_types_are_spelled_by_the_compilers_rules(go):
    # Where no package's path differs from its name, full and short names must be the same.
    with Executable.open(go.path) as executable:
        unnamed = [t for t in executable.types.all() if not t.named and "/" not in t.full_name]

        assert [(t.name, t.full_name) for t in unnamed if t.name != t.full_name] == []
        assert {t.kind for t in unnamed} >= {Kind.FUNC, Kind.STRUCT, Kind.INTERFACE, Kind.CHAN}


def test_all_finds_each_type_once_in_the_order_of_addresses(zoo):
    addresses = [type_.address for type_ in zoo.types.all()]

    assert addresses == sorted(set(addresses))
    assert all(zoo.types.at(address).address == address for address in addresses)


def test_what_is_no_descriptor_is_no_type(zoo):
    known = {type_.address for type_ in zoo.types.all()}
    around = {address + step for address in list(known)[:500] for step in (-8, -1, 1, 4, 8)}

    assert all(zoo.types.at(address) is None for address in around - known)
    assert zoo.types.at(0) is None
    assert zoo.types.at(zoo.moduledata.text) is None
    assert zoo.types.at(1 << 62) is None


def test_references_are_the_same_objects(zoo):
    cat = by_name(zoo, "pets.Cat")

    assert by_name(zoo, "*pets.Cat").elem is cat
    assert str(cat) == "pets.Cat"
    assert cat.pointer_type in (None, by_name(zoo, "*pets.Cat"))


def test_a_map_knows_what_its_blocks_are_made_of(zoo):
    small = by_name(zoo, "map[string]interface {}").map_parts
    large = by_name(zoo, "map[[200]uint8][200]uint8").map_parts

    assert small.swiss
    assert (small.indirect_key, small.indirect_elem) == (False, False)
    assert small.group.size == 8 + 8 * (16 + 16)
    assert (large.indirect_key, large.indirect_elem) == (True, True)
    assert large.group.size == 8 + 8 * (8 + 8)
    assert by_name(zoo, "pets.Cat").map_parts is None


def test_parts_that_a_kind_lacks_are_empty(zoo):
    number = by_name(zoo, "main.number")

    assert (number.elem, number.key, number.len, number.chan_dir) == (None, None, 0, 0)
    assert (number.fields, number.interface_methods, number.parameters) == ((), (), ())
    assert (number.results, number.variadic, number.ptr_bytes) == ((), False, 0)


def by_name(executable, name):
    return next(type_ for type_ in executable.types.all() if type_.name == name)


def own_types(executable):
    """Return full name, size, pointer bytes and fields of the program's own types."""
    return sorted(
        (t.full_name, t.size, t.ptr_bytes, [(f.name, f.offset) for f in t.fields])
        for t in executable.types.all()
        if "programs" in t.full_name or "main." in t.full_name
    )
