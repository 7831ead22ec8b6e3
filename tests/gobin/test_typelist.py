"""The list of types: what a value takes on the heap, and what another order of fields saves."""

import pytest

from memsnap.gobin.typelist import block_of, list_types


@pytest.mark.parametrize(
    ("size", "header", "block"),
    [
        (0, False, 0),
        (1, False, 8),
        (40, True, 48),
        (512, True, 512),
        (513, False, 576),
        (576, True, 640),
        (32 << 10, False, 32 << 10),
        (32 << 10, True, 32 << 10),
    ],
)
def test_an_object_takes_the_block_of_its_size_class(size, header, block):
    assert block_of(size, header=header) == block


@pytest.mark.go
def test_every_type_of_an_executable_is_listed_once(zoo):
    types = list(list_types(zoo))

    assert len(types) == sum(1 for _ in zoo.types.all())
    assert {"struct", "map", "pointer", "unsafe pointer"} <= {listed.kind for listed in types}


@pytest.mark.go
def test_reordering_never_costs_and_changes_structs_only(zoo):
    types = list(list_types(zoo))

    assert all(t.best_size <= t.size and t.best_block_bytes <= t.block_bytes for t in types)
    assert all(t.best_size == t.size for t in types if t.layout is None)
    assert any(t.best_size < t.size for t in types)
