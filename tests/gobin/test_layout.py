"""A struct's layout says where its bytes go, and what another order would save."""

import pytest

from memsnap.gobin.layout import FieldLayout, struct_layout

pytestmark = pytest.mark.go


def layout_of(zoo, name):
    return struct_layout(next(t for t in zoo.types.all() if t.name == name))


def test_padding_is_counted_between_fields_and_at_the_end(zoo):
    home = layout_of(zoo, "pets.Home")

    def field(name, type_name, offset, size, padding_bytes):
        return FieldLayout(
            name=name,
            type_name=type_name,
            full_type_name=type_name,
            offset=offset,
            size=size,
            padding_bytes=padding_bytes,
            embedded=False,
        )

    assert home.fields == (
        field("warm", "bool", 0, 1, 7),
        field("rooms", "int64", 8, 8, 0),
        field("door", "uint8", 16, 1, 7),
    )
    assert (home.size, home.align, home.ptr_bytes) == (24, 8, 0)
    assert (home.padding_bytes, home.best_size) == (14, 16)
    assert home.full_name == "memsnap.test/programs/pets.v2.Home"


def test_fields_name_their_types_with_paths_and_say_whether_they_are_embedded(zoo):
    cat = layout_of(zoo, "pets.Cat")

    assert [(f.name, f.full_type_name, f.embedded) for f in cat.fields] == [
        ("Name", "string", False),
        ("age", "int8", False),
        ("Home", "*memsnap.test/programs/pets.v2.Home", True),
    ]


def test_what_has_no_fields_has_no_layout(zoo):
    assert layout_of(zoo, "struct {}") is None
    assert layout_of(zoo, "main.number") is None


def test_sizes_add_up_for_every_struct(zoo):
    layouts = [layout for t in zoo.types.all() if (layout := struct_layout(t))]

    assert len(layouts) > 300
    for layout in layouts:
        used = sum(f.size for f in layout.fields)
        assert used + layout.padding_bytes == layout.size
        assert used <= layout.best_size <= layout.size
        assert all(f.padding_bytes >= 0 for f in layout.fields)
