"""A diff as Markdown: what it says, and that foreign names stay words."""

import re
from dataclasses import replace

import pytest
from builders.captures import BEFORE, CAPTURE, after, before, plain, taken
from builders.profiles import Row, heap
from hypothesis import given
from hypothesis import strategies as st

from memsnap.analysis.diff import diff
from memsnap.analysis.rows import Sort
from memsnap.analysis.table import By
from memsnap.report.markdown import code, prose, render_diff_markdown

RENDERED = """\
### memsnap diff: shop v1.2.0, go1.27.3, pid 4711, build c0ffee012345

- **A** `a.snap`, 2026-11-22 14:03:07Z, behind GC 12, 38 goroutines
- **B** `b.snap`, 2026-11-22 14:03:45Z, behind GC 12, 38 goroutines, 38s later

| | before | after | growth | |
|:--|--:|--:|--:|:--|
| Live heap | 61.0 MB | 111 MB | **+50.0 MB** | exact |
| In profile | 61.1 MB | 111 MB | **+49.5 MB** | sampled"""


def rendered(*snapshots, by=By.SITE, sort=Sort.CONFIDENCE, limit=10) -> str:
    return render_diff_markdown(diff(snapshots), by=by, sort=sort, limit=limit)


def grown():
    stats = replace(CAPTURE.mem_stats, heap_alloc=111 << 20)
    last = after()
    return replace(last, capture=replace(last.capture, mem_stats=stats))


def test_the_report_opens_with_captures_and_totals():
    assert rendered(before(), grown()).startswith(RENDERED)


def test_findings_name_the_line_and_the_table_follows():
    text = rendered(before(), grown())

    assert "#### 1 finding\n\n1. `main.(*Cache).Put` **holds 50.0 MB more" in text
    assert "\n   - `cache.go:31`\n" in text
    assert "#### Survivors by site\n\n2 of 3 rows, 1 changed for sure\n\n| growth |" in text
    assert "| 48 B | unknown | `main.(*Cache).Put cache.go:31` |" in text


def test_what_did_not_change_is_in_the_table_when_it_is_asked_for():
    text = rendered(before(), grown(), sort=Sort.AFTER)

    assert "| 25.1 MB | 25.1 MB | 25.1 MB | 4 kB | steady | `[]uint8` | `http.(*conn)" in text


def test_every_row_of_the_table_has_as_many_cells_as_its_head():
    text = rendered(before(), grown(), by=By.FUNCTION)
    table = text[text.index("| growth | 95 %") :].splitlines()

    assert len(table) == 2 + 2
    assert len({line.count("|") for line in table}) == 1
    assert "cum" in table[0]


def test_warnings_are_quotes_parted_from_each_other():
    text = rendered(plain(heap(*BEFORE), "x.pb.gz"), plain(heap(*BEFORE), "y.pb.gz"))
    quotes = [line for line in text.splitlines() if line.startswith(">")]

    assert quotes
    assert all(line == ">" or line.startswith("> ⚠ ") for line in quotes)
    assert "#### No site grew beyond the sampling error" in text


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("main.(*T).m[...]", "`main.(*T).m[...]`"),
        ("a|b", "<code>a&#124;b</code>"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a`b@c", "<code>a&#96;b&#64;&#8203;c</code>"),
        ("<script>", "`<script>`"),
        ("", "`?`"),
        ("a\nb", "`a�b`"),
    ],
)
def test_names_stand_in_code_spans_that_nothing_in_them_can_end(text, span):
    assert code(text) == span


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("main.f leaks 5 MB (4 to 6)", "main.f leaks 5 MB (4 to 6)"),
        ("*T <b> [x](y) `c` a_b #1", r"\*T \<b\> \[x\](y) \`c\` a\_b \#1"),
        ("see https://evil or www.evil", r"see https\://evil or www\.evil"),
        ("ask @team", "ask @&#8203;team"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("1.5 MB/s", "1.5 MB/s"),
        ("&lt;", r"\&lt;"),
    ],
)
def test_sentences_with_foreign_names_stay_sentences(text, escaped):
    assert prose(text) == escaped


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_code_span_is_one_span_on_one_line(text):
    span = code(text)

    assert len(span.splitlines()) == 1
    assert "|" not in span
    inside = re.fullmatch(r"`([^`]+)`|<code>((?:\w|&#\d+;)+)</code>", span)
    assert inside


HOSTILE = "main.a|b`c</code><img src=x>[k](http://evil)@team"


@pytest.mark.parametrize("by", By)
def test_a_hostile_function_name_cannot_leave_its_cell(by):
    rows = [Row(f"{HOSTILE} x|y.go:1", 64, live, live, type="T|`<b>") for live in (9, 900)]
    text = rendered(taken(rows[0]), taken(rows[1], later_s=9), by=by)

    for line in text.splitlines():
        outside = re.sub(r"`[^`]*`|<code>.*?</code>", "", line)
        outside = re.sub(r"\\.|&#8203;", "", outside)
        assert not re.search(r"[`\[\]@]|<(?!/)|http:", outside), line
    table = text[text.index("| growth | 95 %") :].splitlines()
    assert len({line.count("|") for line in table}) == 1


def test_a_long_table_is_cut_where_asked():
    text = rendered(before(), grown(), limit=1)

    assert "1 of 3 rows" in text
