"""Types are found by how their names begin: all of them, and no others."""

from collections import defaultdict

import pytest
import toolchains

from memsnap.gobin.executable import Executable
from memsnap.gobin.typesearch import unnamed_types

pytestmark = pytest.mark.go

BUILDS = {"exe": [], "stripped pie": ["-buildmode=pie", "-ldflags=-s -w"]}


def instances(executable: Executable) -> dict[str, set[str]]:
    """Return the names of all instances of generic types by what stands before the bracket."""
    found = defaultdict(set)
    for type_ in executable.types.all():
        if type_.named and "[" in type_.name:
            found[type_.name.partition("[")[0]].add(type_.name)
    return found


def differing(executable: Executable) -> list[str]:
    """Return the generic types of which the search finds other instances than there are."""
    return [
        base
        for base, names in instances(executable).items()
        if {t.name[1:] for t in unnamed_types(executable, f"*{base}[")} != names
    ]


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_a_pointer_to_every_instance_of_a_generic_type_is_found(program, flags):
    with Executable.open(program("zoo", flags=flags)) as executable:
        names = {name for names in instances(executable).values() for name in names}

        assert differing(executable) == []
        assert max(map(len, names)) > 128  # whose length takes two bytes


def test_arm64_executables_are_searched_as_well(arm64_program):
    with Executable.open(arm64_program("zoo")) as executable:
        assert differing(executable) == []


@pytest.mark.slow
@pytest.mark.parametrize("minor", toolchains.RELEASES)
@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_every_release_is_searched(program, go_release, minor, flags):
    with Executable.open(program("zoo", flags=flags, with_go=go_release(minor))) as executable:
        assert differing(executable) == []


def test_types_come_in_the_order_of_their_names(zoo):
    names = [type_.name for type_ in unnamed_types(zoo, "map[")]

    assert len(names) > 20
    assert names == sorted(names)
    assert set(names) == {
        t.name for t in zoo.types.all() if t.name.startswith("map[") and not t.named
    }


@pytest.mark.parametrize("prefix", ["*main.nonsense[", "\0", "\U0010ffff"])
def test_a_name_that_there_is_not_is_not_found(zoo, prefix):
    assert list(unnamed_types(zoo, prefix)) == []
