"""`--json` is what the schema in the package says, for every kind of comparison."""

import importlib.resources
import json
from dataclasses import replace

import pytest
from builders.profiles import Row
from jsonschema import Draft202012Validator

import memsnap
from memsnap.analysis.diff import diff
from memsnap.analysis.rows import Sort
from memsnap.analysis.select import Selection
from memsnap.analysis.table import By, Cause
from memsnap.report.document import SCHEMA, diff_document, diff_json
from memsnap.snapshot import Capture

TEXT = (importlib.resources.files("memsnap.report") / "schemas/diff-1.json").read_text()
VALIDATOR = Draft202012Validator(json.loads(TEXT))

AMOUNT = {"objects", "bytes"}
LIMITS = {"low_objects", "high_objects", "low_bytes", "high_bytes"}
STACK = "net/http.(*conn).serve server.go:2009 < main.main main.go:5"


def checked(snapshots, selection=None, by=By.SITE):
    """Return the document as a reader gets it, valid against the schema."""
    result = diff(snapshots, selection or Selection())
    document = json.loads("".join(diff_json(result, by=by, sort=Sort.CONFIDENCE)))
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]
    assert errors == []
    return document


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema["properties"]["schema"]["const"] == SCHEMA


def test_every_value_of_the_schema_is_described():
    def undescribed(part, path):
        if isinstance(part, dict):
            for key, value in part.get("properties", {}).items():
                if "description" not in value and "$ref" not in value:
                    yield f"{path}.{key}"
                yield from undescribed(value, f"{path}.{key}")
            yield from undescribed(part.get("items"), f"{path}[]")
            for key, value in part.get("$defs", {}).items():
                yield from undescribed(value, key)

    assert list(undescribed(VALIDATOR.schema, "")) == []


def test_the_schema_knows_every_verdict():
    row = VALIDATOR.schema["$defs"]["row"]["properties"]
    assert row["verdict"]["enum"] == [cause.value for cause in Cause]


def test_the_keys_that_scripts_rely_on_are_there(pair):
    document = checked(pair)
    assert document["schema"] == "memsnap.diff/1"
    for capture in document["captures"]:
        assert {"time", "target", "num_gc", "heap_alloc", "rss"} <= capture.keys()
    for site in document["sites"]:
        assert {"type", "alloc", "function", "file", "line", "object_bytes"} <= site.keys()
        assert {"function", "file", "line"} == site["stack"][0].keys()
        for key in ("before", "after", "growth", "allocated", "freed"):
            assert site[key].keys() >= AMOUNT
        assert {"low_bytes", "high_bytes"} <= site["growth"].keys()
        assert site["survived"].keys() == LIMITS
        assert isinstance(site["significant"], bool)
        assert isinstance(site["verdict"], str)
    assert {"findings", "totals"} <= document.keys()


def test_the_numbers_are_those_of_the_profiles(pair):
    before, after = pair
    document = checked(pair)
    total = sum(after.heap.values[:, 3].tolist()) - sum(before.heap.values[:, 3].tolist())
    assert document["totals"]["growth"]["bytes"] == total
    assert sum(site["growth"]["bytes"] for site in document["sites"]) == total
    assert document["totals"]["sites"] == len(document["sites"]) == 3
    assert document["elapsed_s"] == 60
    first = document["sites"][0]
    assert (first["function"], first["line"], first["significant"]) == ("main.readBody", 40, True)
    assert first["freed"] == {"objects": 0, "bytes": 0}
    assert first["survived"]["low_bytes"] == first["before"]["bytes"]
    assert document["findings"][0]["at"] == first["stack"][0]


def test_plain_profiles_are_valid_and_warn(pair):
    plain = [replace(part, capture=Capture()) for part in pair]
    document = checked(plain)
    assert document["captures"][0]["time"] is None
    assert document["captures"][0]["heap_alloc"] is None
    assert document["elapsed_s"] is None
    assert "not proven" in document["warnings"][0]


def test_after_a_restart_nothing_is_said_of_what_lies_between(restarted):
    document = checked(restarted)
    assert document["relation"] == "restarted"
    assert all(site["allocated"] is site["freed"] is None for site in document["sites"])
    assert all(site["survived"]["high_bytes"] == 0 for site in document["sites"])


def test_captures_in_the_wrong_order_are_valid(pair):
    document = checked(pair[::-1])
    assert document["relation"] == "reversed"
    assert document["elapsed_s"] == -60


def test_captures_at_two_sampling_rates_are_valid(take):
    row = Row(f"main.f f.go:1 < {STACK}", size=64, alloc=9, live=9)
    document = checked([take("a.snap", row), take("b.snap", row, minute=1, rate=4096)])
    assert document["relation"] == "other sampling rate"
    assert not any(site["significant"] for site in document["sites"])


def test_every_capture_of_three_has_its_place_in_the_history(take):
    def rows(count):
        return Row(f"main.f f.go:1 < {STACK}", size=32768, alloc=count, live=count)

    counts = (10, 60, 110)
    document = checked([take(f"{n}", rows(n), minute=n) for n in counts])
    assert len(document["captures"]) == len(document["sites"][0]["history_bytes"]) == 3
    # Its counters say that nothing grew: so says the finding, and so does the row.
    assert document["sites"][0]["verdict"] == document["findings"][0]["verdict"] == "steady"


@pytest.mark.parametrize("by", [by for by in By if by is not By.SITE])
def test_a_grouping_adds_groups_and_keeps_the_sites(pair, by):
    document = checked(pair, by=by)
    assert document["group_by"] == by.value
    assert document["sites"] == checked(pair)["sites"]
    grown = [sum(row["growth"]["bytes"] for row in document[key]) for key in ("groups", "sites")]
    assert grown[0] == grown[1]
    assert sum(row["buckets"] for row in document["groups"]) == len(document["sites"])


def test_filters_choose_the_sites_and_are_repeated(pair):
    selection = Selection(function="main.price", min_bytes=0)
    document = checked(pair, selection)
    assert document["selection"]["function"] == "main.price"
    assert [site["function"] for site in document["sites"]] == ["fmt.Sprintf"]
    assert document["totals"]["sites"] == 1


def test_filters_that_leave_nothing_leave_zeros(pair):
    document = checked(pair, Selection(function="main.readBody", package="fmt"))
    assert document["sites"] == []
    assert document["totals"]["growth"]["bytes"] == document["totals"]["sites"] == 0


def test_types_are_told_where_the_captures_have_them(take):
    def rows(count):
        kinds = {"type": "[]uint8", "kind": "make"}
        return Row(f"main.f f.go:1 < {STACK}", size=32768, alloc=count, live=count, **kinds)

    document = checked([take("a", rows(10)), take("b", rows(99), minute=1)], by=By.TYPE)
    assert (document["sites"][0]["type"], document["sites"][0]["alloc"]) == ("[]uint8", "make")
    assert document["groups"][0]["type"] == "[]uint8"


def test_text_of_foreign_origin_stays_text(take):
    row = Row('main."\x1b[31m\\\n</script> f.go:1', size=64, alloc=9, live=9)
    document = checked([take("a", row), take("b", row, minute=1)])
    assert document["sites"][0]["function"] == 'main."\x1b[31m\\\n</script>'


def test_a_file_whose_name_is_no_unicode_costs_that_letter_only(pair):
    before, after = pair
    document = checked([replace(before, name="caf\udce9.snap"), after])
    assert [capture["name"] for capture in document["captures"]] == ["caf?.snap", "b.snap"]


def test_text_and_values_are_the_same_document(pair):
    result = diff(pair)
    for by in By:
        assert json.loads("".join(diff_json(result, by=by, sort=Sort.GROWTH))) == json.loads(
            json.dumps(diff_document(result, by=by, sort=Sort.GROWTH))
        )


@pytest.mark.go
def test_captures_of_a_real_service_are_valid(service):
    with service("subslice") as running:
        captures = []
        for _ in range(3):
            running.step(300)
            captures.append(memsnap.load(f"pid:{running.pid}"))
    document = checked(captures, by=By.FUNCTION)
    assert document["relation"] == "one life"
    assert document["captures"][0]["mem_stats"]["by_size"]
    assert document["captures"][0]["ledger"]["entries"]
    assert document["reconciliation"]["size_classes"]
    assert document["findings"][0]["at"]["function"] == "main.readBody"
    checked(captures[:2], Selection(function="main.readBody"))


@pytest.mark.go
def test_a_service_that_was_restarted_is_valid(service):
    captures = []
    for _ in range(2):
        with service("subslice") as running:
            running.step(300)
            captures.append(memsnap.load(running.address))
    document = checked(captures)
    assert document["relation"] == "restarted"
    assert all(site["allocated"] is None for site in document["sites"])
