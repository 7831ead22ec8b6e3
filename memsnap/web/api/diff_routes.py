"""The routes to diffs of captures."""

from memsnap.analysis.rows import Sort
from memsnap.analysis.table import By
from memsnap.archive.values import Page
from memsnap.report.columns import GROUPINGS, ColumnsDocument
from memsnap.report.export import Value
from memsnap.report.flame_document import MOST_NODES, FlameDocument
from memsnap.web.api import forms
from memsnap.web.api.parameters import Parameter
from memsnap.web.api.route import (
    DIFF_SCHEMA,
    FILTERS,
    MISSING,
    Route,
    file_of,
    json_of,
    limit,
    text,
)
from memsnap.web.api.values import (
    TypeGrowth,
)

_PAIR = (
    Parameter(
        name="before",
        form=forms.capture(),
        needed=True,
        about="A snapshot's id; or a moment of `target`: first, last, now, -1h, a time; or "
        "TARGET@MOMENT.",
    ),
    Parameter(name="after", form=forms.capture(), needed=True, about="As `before`."),
    text("target", "The target that moments are of: its id, key, service or address."),
    Parameter(
        name="between",
        form=forms.number(0, 20),
        default=0,
        about="How many captures between the two are taken along, which sharpen the verdicts.",
    ),
    *FILTERS,
    Parameter(
        name="min-bytes",
        form=forms.number(),
        default=0,
        about="Leave out rows that changed by less.",
    ),
)
_ORDER = (
    Parameter(
        name="by",
        form=forms.choice(*(by.value for by in By)),
        default=By.SITE.value,
        about="What a row stands for.",
    ),
    Parameter(
        name="sort",
        form=forms.choice(*(sort.value for sort in Sort)),
        default=Sort.CONFIDENCE.value,
        about="The order of the rows.",
    ),
)
DIFFS = (
    Route(
        name="diff",
        path="/api/v1/diff",
        about="Compare two snapshots: the document of `memsnap diff --json`, a window of its rows.",
        parameters=(
            *_PAIR,
            *_ORDER,
            limit(100),
            Parameter(
                name="offset", form=forms.number(), default=0, about="The first row of the window."
            ),
        ),
        answers=json_of(DIFF_SCHEMA),
        refusals=MISSING,
        tag="diffs",
    ),
    Route(
        name="diff_columns",
        path="/api/v1/diff/columns",
        about="Compare two snapshots: all rows of several tables in columns, with their stacks.",
        parameters=(
            *_PAIR,
            Parameter(
                name="by",
                form=forms.choice(*(by.value for by in GROUPINGS)),
                about="This table; all of them if none is named.",
                many=True,
            ),
        ),
        answers=json_of(ColumnsDocument),
        refusals=MISSING,
        tag="diffs",
    ),
    Route(
        name="diff_flame",
        path="/api/v1/diff/flame",
        about="Compare two snapshots: the tree of calls, both sides in one.",
        parameters=(
            *_PAIR,
            Parameter(
                name="value",
                form=forms.choice(*(value.value for value in Value)),
                default=Value.INUSE_SPACE.value,
                about="What is counted.",
            ),
            limit(20_000, MOST_NODES),
        ),
        answers=json_of(FlameDocument),
        refusals=MISSING,
        tag="diffs",
    ),
    Route(
        name="diff_types",
        path="/api/v1/diff/types",
        about="List types of objects in two snapshots, those that changed most first; `focus` "
        "does not count.",
        parameters=(*_PAIR, text("q", "Part of a type's name."), limit(20)),
        answers=json_of(Page[TypeGrowth]),
        refusals=MISSING,
        tag="diffs",
    ),
    Route(
        name="diff_pprof",
        path="/api/v1/diff/pprof",
        about="Compare two snapshots: a profile of differences, for `go tool pprof`.",
        parameters=_PAIR,
        answers=file_of("A profile in pprof's format, gzip-compressed; values may be negative."),
        refusals=MISSING,
        tag="diffs",
    ),
)
