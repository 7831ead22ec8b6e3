"""Each Go release and way of linking reads as Go itself says of it."""

import pytest
import toolchains
from go_truth import differing_locations, differing_types, inlined_locations, profile_of

from memsnap.gobin.executable import Executable

pytestmark = [pytest.mark.go, pytest.mark.slow]

LINKED = {
    "exe": [],
    "stripped": ["-ldflags=-s -w"],
    "pie": ["-buildmode=pie"],
    "stripped-pie": ["-buildmode=pie", "-ldflags=-s -w"],
    "unoptimised": ["-gcflags=all=-N -l"],
}
SINCE = {"1.26": (1, 26), "1.27": (1, 27)}


@pytest.fixture(params=toolchains.RELEASES)
def older(request, go_release):
    """One release after the other."""
    return go_release(request.param)


@pytest.mark.parametrize("flags", LINKED.values(), ids=LINKED.keys())
def test_types_are_as_reflect_says(program, older, flags):
    assert differing_types(program("zoo", flags=flags, with_go=older)) == []


@pytest.mark.parametrize("flags", LINKED.values(), ids=LINKED.keys())
def test_locations_are_as_the_profile_says(program, older, flags, tmp_path):
    retain = program("retain", flags=flags, with_go=older)
    profile = profile_of(retain, tmp_path)

    with Executable.open(retain) as executable:
        assert differing_locations(executable, profile) == []
    assert len(profile.locations) > 100
    assert "-N" in str(flags) or inlined_locations(profile) > 20


def test_the_layout_is_told_without_the_version(program, older):
    with Executable.open(program("tiny", with_go=older)) as executable:
        assert executable.moduledata.since == SINCE.get(f"1.{older.minor}", (1, 20))
        assert executable.build_info.go_version == older.version
        assert executable.build_info.release == (1, older.minor)


def test_all_types_that_the_linker_lists_are_found(program, older):
    with Executable.open(program("zoo", with_go=older)) as executable:
        md = executable.moduledata
        if md.typelinks is None:
            assert older.minor >= 27
            return
        offsets = executable.image.words32(*md.typelinks)
        listed = {md.types + offset for offset in offsets}

        assert len(listed) > 500
        assert listed <= {type_.address for type_ in executable.types.all()}


def test_maps_are_groups_or_buckets(program, older):
    with Executable.open(program("zoo", with_go=older)) as executable:
        parts = {t.name: t.map_parts for t in executable.types.all() if t.map_parts}

    small, large = parts["map[string]interface {}"], parts["map[[200]uint8][200]uint8"]
    slots = 8 * (16 + 16)
    assert small.swiss == (older.minor >= 24)
    assert small.group.size == (8 + slots if small.swiss else 8 + slots + 8)
    assert (small.indirect_key, small.indirect_elem) == (False, False)
    assert (large.indirect_key, large.indirect_elem) == (True, True)
