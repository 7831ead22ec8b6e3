"""`memsnap findings` and `memsnap verify`: the answer, in every form, and the exit code."""

import numpy as np
import pytest
from builders.series import capture_times, leaking, recorded, replaced
from builders.simulation import bucket
from documents import checked

from memsnap.storage import snapfile

LEAK = "main.keep keep.go:12 < main.handle main.go:40 < main.main main.go:9"
CALM = "main.logIn session.go:7 < main.main main.go:9"


def saved(tmp_path, *buckets, count=5):
    """Write the captures of a service and return the files."""
    snapshots = recorded(buckets, capture_times(count))
    paths = [tmp_path / f"{at}.snap" for at in range(count)]
    for snapshot, path in zip(snapshots, paths, strict=True):
        snapfile.save(snapshot, path)
    return paths


@pytest.fixture
def leaky(tmp_path):
    rng = np.random.default_rng(3)
    leak = bucket(rng, LEAK, 4096, leaking(rng, 88))
    return saved(tmp_path, leak, bucket(rng, CALM, 1024, replaced(rng, 5000, 200)))


@pytest.fixture
def calm(tmp_path):
    rng = np.random.default_rng(3)
    return saved(tmp_path, bucket(rng, CALM, 1024, replaced(rng, 5000, 200)))


def test_the_answer_is_the_first_thing_said(memsnap, leaky):
    done = memsnap("findings", *leaky)
    assert (done.code, done.err) == (0, "")
    assert "1 leak: main.keep" in done.out
    assert "keep.go:12" in done.out


def test_a_service_that_does_not_leak_is_told_so(memsnap, calm):
    done = memsnap("findings", *calm, "--fail-on-leak")
    assert done.code == 0
    assert "No leak found" in done.out


def test_a_leak_fails_where_that_is_asked_for(memsnap, leaky):
    assert memsnap("findings", *leaky, "--fail-on-leak").code == 3


def test_two_captures_are_told_to_be_too_few(memsnap, leaky):
    assert "take three or more" in memsnap("findings", *leaky[:2]).out


def test_the_machine_form_is_what_its_schema_says(memsnap, leaky):
    document = checked(memsnap("findings", *leaky, "--json").out)
    first = document["findings"][0]
    assert (first["verdict"], first["function"], first["line"]) == ("leak", "main.keep", 12)
    assert 0.9 < first["confidence"] < 1
    assert first["growth"]["low_bytes"] <= first["growth"]["bytes"] <= first["growth"]["high_bytes"]
    assert first["growth"]["bytes_per_s"] == pytest.approx(88 * 4096, rel=0.1)
    assert first["sites"][0]["function"] == "main.keep"
    assert first["advice"]


def test_every_document_with_findings_has_them_in_one_form(memsnap, leaky):
    diff = checked(memsnap("diff", *leaky, "--json").out)
    alone = checked(memsnap("findings", *leaky, "--json").out)
    assert diff["findings"] == alone["findings"]


def test_markdown_is_for_an_issue(memsnap, leaky):
    text = memsnap("findings", *leaky, "--markdown").out
    assert text.startswith("### memsnap findings")
    assert "1. `main.keep` **leaks" in text


def test_a_filter_leaves_the_findings_that_it_names(memsnap, leaky):
    kept = checked(memsnap("findings", *leaky, "--in", "main.keep", "--json").out)
    assert [one["function"] for one in kept["findings"]] == ["main.keep"]
    other = checked(memsnap("findings", *leaky, "--in", "main.logIn", "--json").out)
    assert [one for one in other["findings"] if one["verdict"] == "leak"] == []


def test_two_forms_at_once_are_refused(memsnap, leaky):
    done = memsnap("findings", *leaky, "--json", "--markdown")
    assert done.code == 2
    assert "exclude each other" in done.err


def test_one_capture_is_refused(memsnap, leaky):
    assert memsnap("findings", leaky[0]).code == 2


def test_verify_shows_alloc_and_its_change(memsnap, leaky):
    done = memsnap("verify", "--before", leaky[0], "--after", leaky[-1])
    assert (done.code, done.err) == (0, "")
    alloc = next(line for line in done.out.splitlines() if line.strip().startswith("Alloc"))
    assert "+14.1 MB" in alloc
    assert "exact" in done.out


def test_verify_takes_a_clean_run_between(memsnap, leaky):
    done = memsnap(
        "verify", "--before", leaky[0], "--clean", leaky[1], "--after", leaky[2], "--json"
    )
    document = checked(done.out)
    assert document["labels"] == ["before", "after clean", "after"]
    alloc = document["counters"][0]
    assert alloc["deltas"] == [
        b - a for a, b in zip(alloc["values"], alloc["values"][1:], strict=False)
    ]
    assert document["growth_bytes"] == alloc["deltas"][-1]


@pytest.mark.parametrize(("budget", "code"), [("1MB", 3), ("100MB", 0)])
def test_verify_can_fail_on_growth(memsnap, leaky, budget, code):
    done = memsnap("verify", "--before", leaky[0], "--after", leaky[-1], "--max-growth", budget)
    assert done.code == code


def test_verify_judges_nothing_without_proof(memsnap, leaky, tmp_path):
    from commands import profile

    (tmp_path / "plain.pb.gz").write_bytes(profile())
    plain = tmp_path / "plain.pb.gz"
    done = memsnap("verify", "--before", plain, "--after", leaky[0])
    assert done.code == 0
    assert "Not proven" in done.out
    assert (
        memsnap("verify", "--before", plain, "--after", leaky[0], "--max-growth", "9GB").code == 2
    )
