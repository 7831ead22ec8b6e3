"""Memory of control groups, in a tree written as the kernel shows it."""

import pytest

from memsnap.capture.cgroup import cgroup_memory

MEGABYTE = 1 << 20


@pytest.fixture
def tree(tmp_path):
    """A function that writes the files of a mount, then asks it for a membership."""

    def ask(membership, files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return cgroup_memory(membership, tmp_path)

    return ask


def test_the_least_limit_of_version_2_holds(tree):
    files = {
        "pod/shop/memory.current": 5 * MEGABYTE,
        "pod/shop/memory.max": "max",
        "pod/memory.max": 64 * MEGABYTE,
    }
    assert tree("0::/pod/shop\n", files) == (5 * MEGABYTE, 64 * MEGABYTE)


def test_version_1_writes_no_limit_as_a_huge_number(tree):
    files = {
        "memory/shop/memory.usage_in_bytes": 7,
        "memory/shop/memory.limit_in_bytes": 9223372036854771712,
    }
    assert tree("9:name=systemd:/\n4:memory:/shop\n0::/\n", files) == (7, None)


@pytest.mark.parametrize("place", ["", "unified/"])
def test_the_root_of_a_namespace_is_read(tree, place):
    files = {f"{place}memory.current": 9, f"{place}memory.max": 10}
    assert tree("0::/\n", files) == (9, 10)


@pytest.mark.parametrize("membership", ["", "0::/../other", "0::/absent", "3:cpu:/shop"])
def test_what_is_not_shown_is_unknown(tree, membership):
    assert tree(membership, {"shop/memory.current": 9}) == (None, None)
