"""A diff as GitHub Markdown, to paste into an issue.

Names come from foreign files: they stand in code spans, or are escaped, so that they cannot
become markup, links or mentions.
"""

import re
from collections.abc import Iterator

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.findings import settled
from memsnap.analysis.growth import visible_growth_bytes
from memsnap.analysis.names import short_function
from memsnap.analysis.reconcile import Reconciliation, reconcile
from memsnap.analysis.rows import Sort
from memsnap.analysis.table import By
from memsnap.report import words
from memsnap.report.findings import span, verdict_words
from memsnap.report.ink import Column, clean
from memsnap.units import format_bytes, format_count

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&#!$]|:(?=//)|(?<=\bwww)\.|^[-+=])", re.IGNORECASE)
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
_NEEDS_ENTITIES = re.compile(r"[|`\\]|^\s|\s$")
_FOREIGN_COLUMNS = ("type", *(by.value for by in By))


def render_diff_markdown(diff: Diff, *, by: By, sort: Sort, limit: int) -> str:
    """Return the report of `diff` as Markdown, without a trailing newline."""
    checks = reconcile(diff)
    diff, found = settled(diff)
    parts = [
        _header(diff),
        _warnings(diff, checks),
        _memory(diff, checks),
        _findings(diff, found),
        _table(diff, by=by, sort=sort, limit=limit),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)


def code(text: str) -> str:
    """Return foreign text as a code span that holds in a table cell too."""
    text = clean(text) or "?"
    if not _NEEDS_ENTITIES.search(text):
        return f"`{text}`"
    # A pipe would end the cell and a backtick the span, even if escaped by a backslash.
    entities = "".join(letter if letter.isalnum() else f"&#{ord(letter)};" for letter in text)
    return f"<code>{_unlinked(entities, at='&#64;')}</code>"


def prose(text: str) -> str:
    """Return text that holds foreign names as plain words, whatever the names hold."""
    escaped = _MARKUP.sub(r"\\\1", clean(text).strip())
    return _unlinked(_NUMBERED.sub(r"\1\\\2", escaped), at="@")


def _unlinked(text: str, *, at: str) -> str:
    """Return `text` with a space of no width behind each `at` sign.

    Mentions and mail addresses are found after Markdown is done, when escapes are gone.
    """
    return text.replace(at, f"{at}&#8203;")


def _header(diff: Diff) -> Iterator[str]:
    described = words.describe(diff.after.capture)
    yield "### memsnap diff" + (f": {prose(described)}" if described else "")
    yield ""
    first = diff.before.capture
    for at, snapshot in enumerate(diff.snapshots):
        facts = words.circumstances(snapshot.capture, first if at else None)
        name = words.letter(at, len(diff.snapshots)).strip()
        yield f"- **{name}** " + ", ".join([code(snapshot.name), *facts])


def _warnings(diff: Diff, checks: Reconciliation) -> Iterator[str]:
    sentences = [*diff.lineage.warnings, *words.doubts(checks)]
    for at, sentence in enumerate(sentences):
        if at:
            yield ">"
        yield f"> ⚠ {prose(sentence[:1].upper() + sentence[1:])}"


def _memory(diff: Diff, checks: Reconciliation) -> Iterator[str]:
    yield "| | before | after | growth | |"
    yield "|:--|--:|--:|--:|:--|"
    for change in words.changes(diff, checks):
        grown = format_bytes(change.after - change.before, signed=True)
        yield (
            f"| {change.label} | {format_bytes(change.before)} | {format_bytes(change.after)} "
            f"| **{grown}** | {change.note} |"
        )
    parts = words.ledger_sum(diff)
    if parts:
        yield ""
        yield f"Memory of the process: {prose(parts.removeprefix('= '))}"


def render_findings_markdown(diff: Diff, found: tuple[Finding, ...]) -> str:
    """Return findings over the captures of `diff` as Markdown, without a trailing newline."""
    described = words.describe(diff.after.capture)
    parts = [
        ["### memsnap findings" + (f": {prose(described)}" if described else "")],
        [prose(span(diff))],
        list(_warnings(diff, reconcile(diff))),
        list(_findings(diff, found)),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _findings(diff: Diff, found: tuple[Finding, ...]) -> Iterator[str]:
    if not found:
        visible = format_bytes(visible_growth_bytes(diff.after.heap.period))
        yield "#### No site grew beyond the sampling error"
        yield ""
        yield f"One site of small objects shows from about {visible} of growth on."
        return
    yield "#### 1 finding" if len(found) == 1 else f"#### {len(found)} findings"
    yield ""
    yield from markdown_list(found)


def markdown_list(found: tuple[Finding, ...]) -> Iterator[str]:
    """Yield findings as a numbered list: title, place, what it rests on, what to do."""
    for number, finding in enumerate(found, 1):
        severity = finding.severity.name.lower()
        yield f"{number}. {_title(finding)} ({verdict_words(finding)}, {severity})"
        margin = " " * (len(str(number)) + 2)
        if finding.at:
            yield f"{margin}- {code(words.place(finding.at))}"
        for sentence in (*finding.detail, finding.advice):
            if sentence:
                yield f"{margin}- {prose(sentence)}"
        if finding.example:
            yield ""
            yield f"{margin}  ```go"
            yield from (f"{margin}  {line}" for line in finding.example.split("\n"))
            yield f"{margin}  ```"


def _title(finding: Finding) -> str:
    """Return the title in bold, the function that it opens with as code."""
    function = short_function(finding.at.function) if finding.at else ""
    if function and finding.title.startswith(function):
        return f"{code(function)} **{prose(finding.title.removeprefix(function).strip())}**"
    return f"**{prose(finding.title)}**"


def _table(diff: Diff, *, by: By, sort: Sort, limit: int) -> Iterator[str]:
    data = diff.table(by)
    shown = words.shown_rows(diff, by=by, sort=sort, limit=limit)
    sure = int(data.significant.sum())
    yield f"#### Survivors by {by.value}"
    yield ""
    yield f"{len(shown)} of {format_count(len(data))} rows, {sure} changed for sure"
    module = diff.after.capture.process.module
    columns, cells = words.diff_cells(shown, by=by, module=module, width=120)
    yield ""
    yield _line(column.title for column in columns)
    yield "|" + "|".join("--:" if column.right else ":--" for column in columns) + "|"
    for row in cells:
        yield _line(_cell(column, text) for column, text in zip(columns, row, strict=True))


def _cell(column: Column, text: str) -> str:
    foreign = not column.right and column.title in _FOREIGN_COLUMNS
    return code(text) if foreign and text != "?" else text


def _line(cells: Iterator[str]) -> str:
    return "| " + " | ".join(cells) + " |"
