"""`memsnap series`: one thing over time."""

import json

import pytest

from memsnap.cli.sparkline import levels_for, sparkline


def test_a_site_is_followed_over_all_captures(filled, memsnap):
    done = memsnap("series", "shop", "--in", "(*Cache).Put", "-n", "2")

    lines = done.out.splitlines()
    assert lines[0] == "shop  10 captures in 18m00s, 1 restart"
    assert lines[2].startswith("live_bytes    ▁▂▃")
    assert "█" in lines[2]
    assert [line.split()[2] for line in lines[-2:]] == [str(each) for each in filled.shop[-2:]]


def test_what_was_allocated_is_not_counted_over_a_restart(filled, memsnap):
    done = memsnap("series", "shop", "--site", "Put")

    rows = [line for line in done.out.splitlines() if line.startswith("  20")]
    restarted = [line for line in rows if line.endswith("restarted")]
    assert len(restarted) == 1
    assert restarted[0].split()[-3:-1] == ["?", "?"]


def test_json_has_every_capture_with_units(filled, memsnap):
    done = memsnap("series", "shop", "--type", "[]byte", "--json")

    document = json.loads(done.out)
    assert document["schema"] == "memsnap.series/1"
    assert document["target"]["key"] == "shop"
    assert document["snapshot_id"] == filled.shop
    columns = {each["name"]: each for each in document["columns"]}
    assert columns["live_bytes"]["unit"] == "bytes"
    assert len(set(columns["live_objects"]["values"])) == 1


def test_metrics_are_heap_rss_and_goroutines_unless_told_otherwise(filled, memsnap):
    columns = json.loads(memsnap("series", "shop", "--json").out)["columns"]

    assert [(each["name"], each["unit"]) for each in columns] == [
        ("heap", "bytes"),
        ("rss", "bytes"),
        ("goroutines", "goroutines"),
    ]
    assert columns[0]["values"] == [(50 + number) << 20 for number in range(10)]


def test_what_is_unknown_is_called_so(filled, memsnap):
    done = memsnap("series", "shop", "--metric", "go_gc_sys", "--metric", "gc", "-n", "1")

    assert "go_gc_sys  unknown" in done.out
    assert done.out.splitlines()[-1].split()[-2:] == ["?", "9"]


def test_since_and_until_bound_the_time(filled, memsnap):
    done = memsnap("series", "shop", "--since", "11m", "--until", "5m", "--json")

    assert json.loads(done.out)["snapshot_id"] == filled.shop[5:8]
    assert memsnap("series", "shop", "--since", "1s").out == "No captures of shop in this time.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metric", "haep"], "there is no metric 'haep'"),
        (["--in", "Nowhere"], "nothing that was captured matches --in 'Nowhere'"),
        (["--metric", "heap", "--in", "Put"], "--metric follows counters"),
    ],
    ids=str,
)
def test_what_cannot_be_followed_is_told(filled, memsnap, arguments, words):
    done = memsnap("series", "shop", *arguments)

    assert done.code == 2
    assert words in done.lines[0]
    assert done.lines[1].startswith("  try: ")


def test_a_terminal_without_blocks_gets_plain_characters(filled, process):
    done = process(
        "series", "shop", "--metric", "heap", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )

    assert done.code == 0, done.err
    assert "heap  _" in done.out
    assert "#" in done.out
    assert done.out.isascii()


def test_few_captures_get_a_cell_each():
    assert sparkline([0, 5, 600], [1, 2, 8], width=80) == "▁▂█"
    assert sparkline([0, 1, 2], [None, 3.0, None], width=80) == "▁"
    assert sparkline([0, 1], [None, None], width=80) == ""


def test_many_captures_are_cells_of_equal_time_with_gaps_where_there_were_none():
    times = [*range(100), *range(300, 400)]
    values = [0.0] * 100 + [7.0] * 100

    assert sparkline(times, values, width=4) == "▁  █"


def test_levels_are_those_that_the_encoding_has():
    assert levels_for("utf-8")[0] == "▁"
    assert levels_for("latin-1").isascii()
    assert levels_for(None).isascii()
    assert len(levels_for("latin-1")) == len(levels_for("utf-8"))
