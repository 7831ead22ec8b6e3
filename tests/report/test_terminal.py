"""The report's first screen answers the question; how it is laid out is another matter."""

from dataclasses import replace

import pytest
from builders.profiles import Row

from memsnap.analysis.diff import diff
from memsnap.analysis.rows import Sort
from memsnap.analysis.select import Selection
from memsnap.analysis.table import By
from memsnap.report.ink import Ink
from memsnap.report.terminal import render_diff
from memsnap.snapshot import Capture

SCREEN_LINES = 24


def report(
    snapshots, *, width=100, by=By.SITE, sort=Sort.CONFIDENCE, limit=10, colour=False, **selection
):
    ink = Ink(width=width, colour=colour)
    result = diff(snapshots, Selection(**selection))
    return render_diff(result, by=by, sort=sort, limit=limit, ink=ink)


def test_the_first_screen_has_the_service_the_captures_and_the_line_that_grows(pair):
    screen = "\n".join(report(pair, width=80).splitlines()[:SCREEN_LINES])
    for words in ("shop", "go1.27.3", "pid 4711", "a.snap", "b.snap", "1m00s later"):
        assert words in screen
    for words in ("20.0 MB", "70.0 MB", "+50.0 MB", "RSS", "main.readBody", "shop.go:40"):
        assert words in screen


def test_numbers_of_a_sample_come_with_their_error(pair):
    line = next(line for line in report(pair).splitlines() if line.startswith("1. "))
    assert "MB to " in line


def test_what_grew_for_sure_is_the_first_row(pair):
    rows = report(pair).partition("Survivors")[2].splitlines()
    assert "1 changed for sure" in rows[0]
    assert "main.readBody shop.go:40" in rows[2]


def test_a_foreign_line_stands_behind_the_line_of_the_program(pair):
    text = report(pair, width=140, sort=Sort.AFTER)
    assert "main.price shop.go:88 ← fmt.Sprintf" in text


def test_nothing_new_is_said_so_with_what_could_have_been_seen(pair):
    text = report([pair[0], replace(pair[0], name="again.snap")])
    assert "grew beyond the sampling error" in text
    assert "4.00 MB" in text


def test_the_next_commands_can_be_typed(pair):
    after = replace(pair[1], name="odd name's.snap")
    commands = report([pair[0], after]).partition("Next\n")[2].splitlines()
    quoted = """a.snap 'odd name'"'"'s.snap'"""
    assert f"  go tool pprof -diff_base {quoted}" in commands
    assert any("--in main.readBody" in command for command in commands)


def test_a_restart_is_the_first_thing_said(restarted):
    head = report(restarted).partition("Live heap")[0]
    assert "! The process was restarted" in head


def test_plain_profiles_are_reported_with_what_they_lack(pair):
    text = report([replace(part, capture=Capture()) for part in pair])
    assert "not proven" in text
    assert "RSS" not in text
    assert "main.readBody" in text


def test_more_columns_stand_where_there_is_room(pair):
    assert "born" not in report(pair, width=100)
    assert "born" in report(pair, width=160)


@pytest.mark.parametrize("by", By)
def test_every_grouping_has_a_table(pair, by):
    assert f"Survivors by {by.value}" in report(pair, by=by)


def test_a_selection_is_called_one(pair):
    text = report(pair, function="main.readBody")
    assert "Selected" in text
    assert "1 of 1 rows" in text


def test_types_stand_in_a_column_of_their_own(take):
    def rows(count):
        place = "main.f f.go:1 < main.main main.go:5"
        return Row(place, size=32768, alloc=count, live=count, type="[]uint8", kind="make")

    text = report([take("a", rows(9)), take("b", rows(99), minute=1)])
    assert "[]uint8" in text.partition("Survivors")[2]


def test_colours_change_nothing_but_colours(pair):
    import re

    coloured = report(pair, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == report(pair)


def test_foreign_text_cannot_drive_the_terminal(take):
    row = Row("main.\x1b[2Jf f.go:1 < main.main main.go:5", size=32768, alloc=9, live=9)
    more = Row("main.\x1b[2Jf f.go:1 < main.main main.go:5", size=32768, alloc=99, live=99)
    text = report([take("a\x1b.snap", row), take("b.snap", more, minute=1)])
    assert "\x1b" not in text
