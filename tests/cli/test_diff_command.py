"""`memsnap diff`: what it compares, in which form, and when it exits with 3."""

import json

import pytest
from commands import profile, save_capture
from targets import HEAP, go_service, serving

from memsnap.pprof.reader import read


def document(memsnap, *arguments):
    done = memsnap("diff", *arguments, "--json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_the_first_screen_names_function_and_line_of_what_grows(memsnap, pair):
    done = memsnap("diff", *pair)
    head = done.out.partition("Survivors")[0]
    assert "main.readBody" in head
    assert "shop.go:40" in head
    assert "Next" in done.out


def test_two_captures_that_are_alike_have_no_finding(memsnap, pair, tmp_path):
    again = save_capture(tmp_path / "again.snap", 10, minute=2)
    compared = document(memsnap, pair[0], again)
    assert compared["findings"] == []
    assert not any(site["significant"] for site in compared["sites"])


def test_three_captures_are_one_history(memsnap, pair, tmp_path):
    third = save_capture(tmp_path / "c.snap", 210, minute=2)
    compared = document(memsnap, *pair, third)
    assert [len(site["history_bytes"]) for site in compared["sites"]] == [3, 3]
    assert compared["sites"][0]["verdict"] == "leak"


def test_plain_profiles_stand_wherever_files_do(memsnap, tmp_path):
    (tmp_path / "a.pb.gz").write_bytes(profile(10))
    (tmp_path / "b.pb.gz").write_bytes(profile(110))
    compared = document(memsnap, tmp_path / "a.pb.gz", tmp_path / "b.pb.gz")
    assert compared["sites"][0]["function"] == "main.readBody"
    assert "plain profile" in compared["warnings"][0]


def test_a_url_stands_wherever_a_file_does(memsnap, pair):
    with serving(go_service(profile(110))) as target:
        compared = document(memsnap, pair[0], target.url)
    assert compared["captures"][1]["target"].startswith(target.url)
    assert any(path.startswith(HEAP) for path, _ in target.seen)


def test_the_options_of_access_are_for_urls(memsnap, pair, monkeypatch):
    monkeypatch.setenv("PPROF_TOKEN", "sesame")
    with serving(go_service(profile(110))) as target:
        document(memsnap, pair[0], target.url, "--token-env", "PPROF_TOKEN", "-H", "X-Team: ops")
    assert {headers["Authorization"] for _, headers in target.seen} == {"Bearer sesame"}
    assert {headers["X-Team"] for _, headers in target.seen} == {"ops"}


@pytest.mark.parametrize("by", ["site", "function", "line", "package", "type", "size"])
@pytest.mark.parametrize("sort", ["confidence", "growth", "after", "survived", "allocated"])
def test_every_grouping_takes_every_order(by, sort, memsnap, pair):
    done = memsnap("diff", *pair, "--by", by, "--sort", sort, "-n", "1")
    assert (done.code, done.err) == (0, "")
    assert f"Survivors by {by}" in done.out


def test_filters_leave_what_they_name(memsnap, pair):
    for chosen in (["--in", "main.load"], ["--file", "shop.go", "--min-bytes", "0"]):
        sites = document(memsnap, *pair, *chosen)["sites"]
        assert "main.load" in {site["function"] for site in sites}
    assert [
        site["function"] for site in document(memsnap, *pair, "--min-bytes", "1MB")["sites"]
    ] == ["main.readBody"]


def test_filters_that_together_leave_nothing_say_so(memsnap, pair):
    done = memsnap("diff", *pair, "--in", "main.load", "--package", "net/http")
    assert done.code == 0
    assert "0 of 0 rows" in done.out


def test_a_filter_with_a_typo_is_guessed(memsnap, pair):
    done = memsnap("diff", *pair, "--in", "main.readBodi")
    assert done.code == 2
    assert "did you mean main.readBody" in done.err


def test_no_rows_are_printed_if_none_are_asked_for(memsnap, pair):
    assert "0 of 2 rows" in memsnap("diff", *pair, "-n", "0").out


def test_the_diff_is_also_written_as_a_profile(memsnap, pair, tmp_path):
    out = tmp_path / "diff.pb.gz"
    done = memsnap("diff", *pair, "--pprof", out)
    assert done.code == 0
    assert "main.readBody" in done.out
    written = read(out.read_bytes(), name="out")
    compared = document(memsnap, *pair)
    assert int(written.values[:, 3].sum()) == compared["totals"]["growth"]["bytes"]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("growth>1MB", 3),
        ("growth>60MB", 0),
        ("growth > 1.5 MiB", 3),
        ("low>1MB", 3),
        ("low>50MB", 0),
        ("total>1MB", 3),
        ("heap>=55296000", 3),
        ("heap>55296000", 0),
        ("rss>=110592000", 3),
        ("rss>110592000", 0),
        ("findings>0", 3),
        ("findings>5", 0),
        ("findings>=1", 3),
    ],
)
def test_a_condition_that_holds_exits_with_3(condition, code, memsnap, pair):
    done = memsnap("diff", *pair, "--fail-on", condition)
    assert done.code == code
    assert "Survivors" in done.out
    assert bool(done.err) is (code == 3)
    if code:
        assert done.lines[0].startswith(f"memsnap: {condition}: ")


def test_the_line_of_code_that_crossed_a_threshold_is_named(memsnap, pair):
    done = memsnap("diff", *pair, "--fail-on", "growth>1MB")
    assert "main.readBody (shop.go:40) grew by" in done.err


def test_growth_that_is_within_the_error_crosses_nothing(memsnap, tmp_path):
    pair = [save_capture(tmp_path / f"{n}.snap", n, minute=n) for n in (10, 12)]
    assert memsnap("diff", *pair, "--fail-on", "growth>1", "--fail-on", "low>1").code == 0


def test_one_of_several_conditions_is_enough(memsnap, pair):
    done = memsnap("diff", *pair, "--fail-on", "growth>1GB", "--fail-on", "heap>1MB")
    assert done.code == 3
    assert [line.split(":")[1].strip() for line in done.lines] == ["heap>1MB"]


def test_a_condition_holds_for_what_is_selected(memsnap, pair):
    selected = ["--in", "main.load", "--fail-on"]
    assert memsnap("diff", *pair, *selected, "growth>1MB").code == 0
    assert memsnap("diff", *pair, *selected, "total>1MB").code == 0


@pytest.mark.parametrize("metric", ["heap", "rss"])
def test_a_condition_that_cannot_be_checked_does_not_pass(metric, memsnap, tmp_path):
    for name, leaked in (("a.pb.gz", 10), ("b.pb.gz", 110)):
        (tmp_path / name).write_bytes(profile(leaked))
    pair = tmp_path / "a.pb.gz", tmp_path / "b.pb.gz"
    done = memsnap("diff", *pair, "--fail-on", f"{metric}>1MB")
    assert (done.code, done.out) == (2, "")
    assert "cannot be checked" in done.err


def test_json_and_conditions_go_together(memsnap, pair):
    done = memsnap("diff", *pair, "--json", "--fail-on", "growth>1MB")
    assert done.code == 3
    assert json.loads(done.out)["findings"]
