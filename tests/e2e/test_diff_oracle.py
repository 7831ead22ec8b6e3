"""Growth by function is, to the byte, what Go's own pprof makes of the same two profiles.

pprof cuts nothing that memsnap keeps and the other way round: both add up the same integers.  The
raw counts behind them are held against the unscaled ones that the text form prints.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import scenario_truth
from pprof_oracle import Pprof
from services import Service, running, save_heap
from toolchains import Go

from memsnap.analysis.diff import Diff, diff
from memsnap.analysis.table import By
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Profile
from memsnap.storage import snapfile

pytestmark = pytest.mark.go

PROGRAMS = ["subslice", "map_growth", "append_global", "big_constant", "unclosed_body", "sawtooth"]
Start = Callable[..., AbstractContextManager[Service]]


def captured(scenario: Service, name: str, folder: Path) -> tuple[Path, Path]:
    """Return heap profiles from before and after a scenario's operations."""
    truth = scenario_truth.load(name)
    scenario.step(truth.settle or 10)
    before = save_heap(scenario, folder / "before.pb.gz")
    scenario.step(truth.ops + (truth.peak or 0))
    return before, save_heap(scenario, folder / "after.pb.gz")


def compared(before: Path, after: Path) -> Diff:
    return diff([snapfile.load(before), snapfile.load(after)])


def assert_equal_to_pprof(pprof: Pprof, before: Path, after: Path) -> None:
    table = compared(before, after).table(By.FUNCTION)
    assert table.allocated is not None
    assert table.cumulative is not None
    names = [table.keys.text(table.keys.function, row) for row in table.rows()]
    columns = {
        "inuse_space": table.growth.bytes,
        "inuse_objects": table.growth.objects,
        "alloc_space": table.allocated.bytes,
        "alloc_objects": table.allocated.objects,
    }
    for sample_index, column in columns.items():
        oracle = pprof.top(after, sample_index=sample_index, base=before)
        ours = dict(zip(names, column.tolist(), strict=True))
        theirs = {name: row.flat for name, row in oracle.items() if row.flat or name in ours}
        assert ours == {name: theirs.get(name, 0) for name in {*ours, *theirs}}, sample_index
    oracle = pprof.top(after, sample_index="inuse_space", base=before)
    under = dict(zip(names, table.cumulative.tolist(), strict=True))
    assert under == {name: oracle[name].cum if name in oracle else 0 for name in under}
    assert any(under.values())


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("rate", [None, 4096, 1])
def test_growth_by_function_equals_pprofs_on_the_current_go(
    name: str, rate: int | None, service: Start, pprof: Pprof, tmp_path: Path
) -> None:
    env = {"GODEBUG": f"memprofilerate={rate}"} if rate else {}
    with service(name, "-noise", env=env) as scenario:
        before, after = captured(scenario, name, tmp_path)

    assert_equal_to_pprof(pprof, before, after)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("release", ["1.21", "1.24"])
def test_growth_by_function_equals_pprofs_on_older_go(
    release: str, go_release: Callable[[str], Go], pprof: Pprof, tmp_path: Path
) -> None:
    go = go_release(release)
    programs = go.build_all(scenario_truth.SCENARIOS, PROGRAMS)
    for name, program in programs.items():
        folder = tmp_path / name
        folder.mkdir()
        with running(program, "-until-eof", "-noise") as scenario:
            before, after = captured(scenario, name, folder)
        assert_equal_to_pprof(pprof, before, after)


# Raw counts: "3: 48 [9: 144] @ 0x4a 0x4b", live objects: bytes [allocated: bytes], and a line for
# each frame below.
_BUCKET = re.compile(r"^(\d+): (\d+) \[(\d+): (\d+)\] @", re.MULTILINE)
# Under main.main itself, connections are accepted, one for each profile.
_OWN = re.compile(r"\tmain\.(?!main\+)")
Counts = dict[int, tuple[int, int]]


def raw_by_size(text: str) -> Counts:
    """Return live and allocated raw counts of the program's own code, as the text prints them."""
    total: dict[int, Counter[str]] = defaultdict(Counter)
    for record in text.split("\n\n"):
        found = _BUCKET.search(record)
        if found and _OWN.search(record) and int(found[3]):
            live, _, allocated, size = map(int, found.groups())
            total[size // allocated].update(live=live, allocated=allocated)
    return {size: (counts["live"], counts["allocated"]) for size, counts in total.items()}


@pytest.mark.parametrize("rate", [512 << 10, 8 << 10])
@pytest.mark.parametrize("name", scenario_truth.names())
def test_raw_counts_are_those_that_the_text_form_prints(
    name: str, rate: int, service: Start, tmp_path: Path
) -> None:
    truth = scenario_truth.load(name)
    with service(name, env={"GODEBUG": f"memprofilerate={rate}"}) as scenario:
        scenario.step(truth.settle + truth.ops)
        # What lies in a sync.Pool of the library goes with the second GC, and not in between.
        scenario.heap()
        recovered = raw_of(save_heap(scenario, tmp_path / "heap.pb.gz"))
        printed = raw_by_size(scenario.heap_text())

    # The program's own code allocates nothing in between, unlike the profiles themselves.
    assert recovered == printed


def raw_of(file: Path) -> Counts:
    """Return live and allocated raw counts of the own code, recovered from scaled ones."""
    heap = snapfile.load(file).heap
    samples = heap_samples(heap, name=file.name)
    assert samples.exact.all()
    total: dict[int, Counter[str]] = defaultdict(Counter)
    columns = (samples.object_bytes, samples.live_raw, samples.alloc_raw)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for at, (size, live, allocated) in enumerate(rows):
        if allocated and is_own(heap, at):
            total[size].update(live=live, allocated=allocated)
    return {size: (counts["live"], counts["allocated"]) for size, counts in total.items()}


def is_own(heap: Profile, sample: int) -> bool:
    """Whether a function of package main, but main.main, is on the sample's stack."""
    starts, names = heap.locations.line_start, heap.functions.name
    for location in heap.stack[heap.stack_start[sample] : heap.stack_start[sample + 1]]:
        for line in range(starts[location], starts[location + 1]):
            name = heap.strings[names[heap.locations.line_function[line]]]
            if name.startswith("main.") and name != "main.main":
                return True
    return False
