"""A real map that is filled, emptied, and keeps its tables."""

from pathlib import Path

import pytest

from memsnap import api

pytestmark = pytest.mark.go

EMPTIES = Path(__file__).parent / "services" / "empties"
ENTRIES = 100_000


def check(program, service):
    with service(program, env={"GODEBUG": "memprofilerate=65536"}) as running:
        taken = []
        for count in (ENTRIES, 0):
            running.step(count)
            taken.append(api.capture(f"pid:{running.pid}"))
    (one,) = (each for each in api.findings(taken) if each.kind == "emptied-map")
    source = (EMPTIES / "main.go").read_text().splitlines()
    assert source[one.line - 1].endswith("// site: map")
    assert one.type == "map[int]*main.session"
    evidence = dict(one.evidence)
    assert evidence["table_bytes"] > 1 << 20
    assert evidence["entries_peak"] == pytest.approx(ENTRIES, rel=0.5)
    assert evidence["entries_left"] < ENTRIES // 20


def test_a_map_that_was_emptied_is_told_by_its_entries(go, service):
    check(go.build(EMPTIES), service)


@pytest.mark.slow
@pytest.mark.parametrize("release", ["1.21", "1.24"])
def test_maps_of_older_releases_are_told_as_well(release, go_release, service):
    check(go_release(release).build(EMPTIES), service)
