"""Text for terminals: colours only if wanted, tables that fit, nothing that drives a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsnap.report.ink import Column, Ink, clean, table

COLUMNS = [
    Column("growth", styles=("bold",)),
    Column("verdict", right=False),
    Column("site", right=False),
]
ROWS = [
    ["+1.00 MB", "growth", "main.readBody shop.go:40"],
    ["0 B", "steady", "main.load shop.go:12"],
]


def test_without_colour_text_stays_plain():
    assert Ink().paint("text", "bold", "red") == "text"


def test_with_colour_text_is_wrapped_and_ends_clean():
    ink = Ink(colour=True)
    assert ink.paint("text", "bold", "red") == "\x1b[1;31mtext\x1b[0m"
    assert ink.paint("text") == "text"
    assert ink.paint("", "red") == ""


def test_a_table_stands_in_columns():
    lines = table(Ink(width=80), COLUMNS, ROWS)
    assert lines == [
        "    growth  verdict  site",
        "  +1.00 MB  growth   main.readBody shop.go:40",
        "       0 B  steady   main.load shop.go:12",
    ]


def test_colours_do_not_move_the_columns():
    plain = table(Ink(width=80), COLUMNS, ROWS)
    coloured = table(Ink(width=80, colour=True), COLUMNS, ROWS)
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in coloured] == plain


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_is_cut_to_the_width_in_its_last_column(width):
    long = [["+1.00 MB", "growth", "main." + "x" * 200]]
    lines = table(Ink(width=width), COLUMNS, long)
    assert all(len(line) <= width for line in lines)
    assert lines[1].endswith("…")


def test_a_table_without_rows_is_its_head():
    assert table(Ink(width=80), COLUMNS, []) == ["  growth  verdict  site"]


@pytest.mark.parametrize("width", [10, 40, 100])
def test_wrapped_text_keeps_its_words_and_its_margin(width):
    text = "two captures cannot tell a leak from a cache that fills: take a third later"
    lines = Ink(width=width).wrap(text, indent=3).split("\n")
    assert " ".join(line.strip() for line in lines) == text
    assert all(line.startswith("   ") for line in lines)
    assert all(len(line) <= max(width, 23) for line in lines)


@given(st.text())
def test_clean_text_is_one_printable_line_of_the_same_length(text):
    assert clean(text).isprintable()
    assert len(clean(text)) == len(text)


def test_clean_text_is_not_changed():
    assert clean("main.(*Server).handle[…] ünïcode") == "main.(*Server).handle[…] ünïcode"
