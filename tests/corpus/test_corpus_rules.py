"""What counts as found, as false and as right when findings are held against the truth."""

import itertools
from pathlib import Path

import pytest
from corpus_baseline import Baseline
from corpus_score import Said, Score, document, render
from corpus_store import Recording, TrueSite

LEAKING = Recording(
    scenario="subslice",
    release="1.27",
    rate="350K",
    verdicts=("leak",),
    grown_bytes=14 << 20,
    file="subslice/main.go",
    sites=(TrueSite(function="main.readBody", line=22, leaves=("bufio.New*",)),),
    cause_lines=frozenset({30}),
    cause_functions=("main.remember",),
    captures=(Path("01.snap"), Path("02.snap")),
)
HEALTHY = Recording(
    scenario="ring",
    release="1.27",
    rate="healthy",
    verdicts=("steady", "cache"),
    grown_bytes=0,
    file="ring/main.go",
    sites=(TrueSite(function="main.receive", line=22, leaves=()),),
    cause_lines=frozenset(),
    cause_functions=(),
    captures=(Path("01.snap"), Path("02.snap")),
)
SOURCE = "memsnap.test/scenarios/subslice/main.go"


@pytest.mark.parametrize(
    ("function", "file", "line", "true"),
    [
        ("main.readBody", SOURCE, 22, True),
        ("main.readBody.func1", SOURCE, 22, True),
        ("main.readBody", SOURCE, 23, False),
        ("main.readBody", "memsnap.test/scenarios/ring/main.go", 22, False),
        ("main.handle", SOURCE, 30, True),
        ("main.remember", SOURCE, 99, True),
        ("main.rememberAll", SOURCE, 99, False),
        ("", "", 0, False),
    ],
)
def test_a_line_is_true_at_a_site_or_at_a_cause(function, file, line, true):
    assert LEAKING.is_true_line(function, file, line) is true


def test_pprofs_rows_are_true_for_library_functions_that_allocate_for_the_leak():
    names = ["main.readBody", "bufio.NewReaderSize", "main.remember", "main.other", "net.newFD"]
    assert [LEAKING.is_true_function(name) for name in names] == [True, True, True, False, False]


def score(
    recording: Recording, *said: tuple[str, bool], limits: tuple[float, float] | None = None
) -> Score:
    return Score(
        recording=recording,
        said=tuple(
            Said(
                verdict=verdict,
                kind="growth",
                confidence=0.9,
                at="main.f:1",
                true=true,
                limits=limits,
            )
            for verdict, true in said
        ),
        pprof=Baseline(rank=2, false_rows=3, first="main.g"),
        seconds=0.01,
    )


def test_a_leak_is_found_where_the_first_finding_names_its_line_and_calls_it_a_leak():
    found = score(LEAKING, ("leak", True), ("cache", False))
    assert (found.rank, found.verdict, found.leak_first, found.false_leaks) == (1, "leak", True, ())


@pytest.mark.parametrize(
    ("said", "rank", "verdict", "false_leaks"),
    [
        ([], None, "silent", 0),
        ([("leak", False), ("leak", True)], 2, "leak", 1),
        ([("cache", True)], 1, "cache", 0),
        ([("unknown", False)], None, "silent", 0),
    ],
)
def test_a_leak_that_is_second_unnamed_or_unsaid_is_not_found(said, rank, verdict, false_leaks):
    missed = score(LEAKING, *said)
    assert (missed.rank, missed.verdict, len(missed.false_leaks)) == (rank, verdict, false_leaks)
    assert not missed.leak_first
    assert not missed.right


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ([], True),
        ([("cache", True)], True),
        ([("load", True)], False),
        ([("unknown", False), ("steady", True)], True),
        ([("leak", False)], False),
        ([("cache", True), ("leak", False)], False),
    ],
)
def test_a_healthy_service_needs_its_right_name_and_no_leak_beside_it(said, right):
    assert score(HEALTHY, *said).right is right


@pytest.mark.parametrize(
    ("said", "limits", "held"),
    [
        (("leak", True), (0, LEAKING.grown_bytes), True),
        (("leak", True), (0, LEAKING.grown_bytes - 1), False),
        (("leak", False), (0, LEAKING.grown_bytes), None),
        (("leak", True), None, None),
    ],
)
def test_limits_of_a_leak_that_was_found_are_held_against_its_growth(said, limits, held):
    assert score(LEAKING, said, limits=limits).held is held


def test_the_report_has_a_table_per_rate_the_confusion_and_the_totals():
    scored = [
        score(LEAKING, ("leak", True)),
        score(HEALTHY, ("leak", False)),
    ]

    printed = render(scored)

    tables = printed.split("\n\n")
    assert tables[0].splitlines()[0] == "Go 1.27, 350K"
    assert tables[0].splitlines()[2].split() == (
        ["subslice", "leak", "leak", "1", "0.90", "0", "10", "2", "3"]
    )
    assert "  false leak in ring: growth at main.f:1" in tables[1].splitlines()
    assert tables[2].splitlines() == ["Truth: verdicts given", "  leak: leak 1", "  steady: leak 1"]
    assert tables[3].splitlines() == [
        "Go 1.27 at 350K: leak first: 1 of 1, false leaks: 0, "
        "true growth within the limits: 0 of 0; pprof: first in 0, 3 false rows",
        "Go 1.27, healthy: right names: 0 of 1, false leaks: 1; pprof: 3 false rows",
    ]


def test_the_document_says_the_same_in_values():
    (row,) = document([score(LEAKING, ("leak", True))])

    chosen = dict(itertools.islice(row.items(), 8))
    assert chosen == {
        "scenario": "subslice",
        "release": "1.27",
        "rate": "350K",
        "truth": "leak",
        "verdict": "leak",
        "right": True,
        "rank": 1,
        "leak_first": True,
    }
    assert row["pprof"] == {"rank": 2, "false_rows": 3, "first": "main.g"}
