"""Text for terminals: colours that can be off, and tables that fit the width."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


@dataclass(frozen=True, slots=True)
class Ink:
    """How to write: `width` in columns; without `colour` the text is plain.

    Where `cut` is false (no terminal: a file, a pipe), long texts are kept whole.
    """

    width: int = 100
    colour: bool = False
    cut: bool = True

    def paint(self, text: str, *styles: str) -> str:
        """Return `text` in the given styles: bold, dim, red, green, yellow, cyan."""
        if not self.colour or not styles or not text:
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def heading(self, text: str, note: str = "") -> str:
        """Return a section's heading, with a note in a lower voice behind it."""
        return self.paint(text, "bold") + (self.paint("  " + note, "dim") if note else "")

    def wrap(self, text: str, *, indent: int) -> str:
        """Return `text` broken at the width, every line indented."""
        from textwrap import fill

        margin = " " * indent
        return fill(
            text,
            max(self.width, indent + 20),
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: numbers stand right, texts left."""

    title: str
    right: bool = True
    styles: tuple[str, ...] = ()


def table(
    ink: Ink,
    columns: list[Column],
    cells: list[list[str]],
    accents: Sequence[tuple[str, ...]] = (),
) -> list[str]:
    """Return the lines of a table; the last column is cut where the line would be too long.

    Cells are plain texts.  `accents` are the styles of each row's first cell, on top of the
    column's.
    """
    widths = [
        max([len(column.title), *(len(row[at]) for row in cells)])
        for at, column in enumerate(columns)
    ]
    if ink.cut:
        left = ink.width - sum(widths[:-1]) - 2 * len(columns)
        widths[-1] = max(min(widths[-1], left), 12)
    head = "  ".join(
        _fit(column.title, width, column.right)
        for column, width in zip(columns, widths, strict=True)
    )
    lines = ["  " + ink.paint(head.rstrip(), "dim")]
    for row, accent in zip_longest(cells, accents, fillvalue=()):
        styles = [(*columns[0].styles, *accent), *(column.styles for column in columns[1:])]
        parts = [
            ink.paint(_fit(text, width, column.right), *style)
            for text, width, column, style in zip(row, widths, columns, styles, strict=True)
        ]
        lines.append(("  " + "  ".join(parts)).rstrip())
    return lines


def _fit(text: str, width: int, right: bool) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)


def clean(text: str) -> str:
    """Return text of foreign origin without control characters, which could drive a terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "�" for letter in text)
