"""The one table of all routes: it registers them, reads their parameters, and documents them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from memsnap.analysis.finding import Severity
from memsnap.analysis.rows import Sort
from memsnap.analysis.table import By
from memsnap.archive.errors import Problem
from memsnap.archive.values import MOST_ROWS, Page, Series, Welcome
from memsnap.config.settings import Scope
from memsnap.report.columns import GROUPINGS, ColumnsDocument
from memsnap.report.export import Value
from memsnap.report.flame_document import MOST_NODES, FlameDocument
from memsnap.storage.holders import GROUPINGS as HOLDING
from memsnap.storage.holders import MOST_CAPTURES
from memsnap.storage.records import FailureRecord, SnapshotRecord, TargetRecord
from memsnap.storage.sightings import State
from memsnap.web.api import forms
from memsnap.web.api.parameters import Parameter
from memsnap.web.api.route import DIFF_SCHEMA, EVENTS, FILE, NUMBER, Answer, Route
from memsnap.web.api.values import (
    Captured,
    FindingView,
    Overview,
    SessionState,
    Timeline,
    TopSeries,
    TypeGrowth,
)


def _json(schema: Any, about: str = "What was asked for.") -> Mapping[int, Answer]:
    return {200: Answer(about=about, schema=schema)}


def _file(about: str) -> Mapping[int, Answer]:
    return {200: Answer(about=about, content_type=FILE)}


def _text(name: str, about: str) -> Parameter:
    return Parameter(name=name, form=forms.text(), about=about, default="")


def _limit(default: int, most: int = MOST_ROWS) -> Parameter:
    form = forms.number(1, most)
    return Parameter(name="limit", form=form, about="The most rows.", default=default)


_SINCE = Parameter(name="since", form=forms.moment(), about="Not before this moment.")
_UNTIL = Parameter(name="until", form=forms.moment(), about="Before this moment.")
_SERVICE = _text("service", "Of this service alone.")
_LABELS = Parameter(
    name="label", form=forms.label(), about="Of targets with this label: NAME=VALUE.", many=True
)
_TARGET = Parameter(name="target", form=forms.number(), about="Of the target with this id.")
_FILTERS = (
    _text("focus", "Objects of these Go types alone, as `memsnap diff --focus`."),
    _text("in", "With this function on the stack, as `memsnap diff --in`."),
    _text("package", "With a function of this package on the stack."),
    _text("file", "With a function of this file on the stack."),
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
    _text("target", "The target that moments are of: its id, key, service or address."),
    Parameter(
        name="between",
        form=forms.number(0, 20),
        default=0,
        about="How many captures between the two are taken along, which sharpen the verdicts.",
    ),
    *_FILTERS,
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
_MISSING = (HTTPStatus.NOT_FOUND,)

_OVER_TIME = (
    Route(
        name="overview",
        path="/api/v1/overview",
        about="Follow all targets at once, in a few points each; the last day if no time is given.",
        parameters=(
            _SINCE,
            Parameter(
                name="after", form=forms.number(), about="What the page before gave as `next`."
            ),
            _limit(MOST_ROWS),
        ),
        answers=_json(Overview),
        tag="captures",
    ),
    Route(
        name="top_series",
        path=f"/api/v1/targets/{NUMBER}/series/top",
        about="Follow what held the live heap of one target: the holders with the largest peaks, "
        f"and the rest. At most {MOST_CAPTURES} captures are read, evenly by their number, fewer "
        "where they are very large; the first and the last are always among them.",
        parameters=(
            Parameter(
                name="by",
                form=forms.choice(*(by.value for by in HOLDING)),
                default=By.TYPE.value,
                about="What holds: a type of objects; or what allocated them.",
            ),
            *_FILTERS,
            _SINCE,
            _UNTIL,
            _limit(6, 20),
        ),
        answers=_json(TopSeries),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="timeline",
        path=f"/api/v1/targets/{NUMBER}/timeline",
        about="List lives of the process of one target, with their builds, and its findings; the "
        "last day if no time is given.",
        parameters=(_SINCE, _UNTIL, _limit(200)),
        answers=_json(Timeline),
        refusals=_MISSING,
        tag="captures",
    ),
)

_STORED = (
    Route(
        name="welcome",
        path="/api/v1",
        about="Say which server and version this is.",
        answers=_json(Welcome),
        tag="server",
    ),
    Route(
        name="targets",
        path="/api/v1/targets",
        about="List targets by service and key; or find the one that `name` means.",
        parameters=(
            _text("name", "An id, key, service or address; other parameters do not count then."),
            _SERVICE,
            _LABELS,
            Parameter(
                name="retired",
                form=forms.flag(),
                default=False,
                about="Those too that no discovery finds any more.",
            ),
            Parameter(
                name="after", form=forms.number(), about="What the page before gave as `next`."
            ),
            _limit(MOST_ROWS),
        ),
        answers=_json(Page[TargetRecord]),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="target",
        path=f"/api/v1/targets/{NUMBER}",
        about="Describe one target.",
        answers=_json(TargetRecord),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="failures_of_target",
        path=f"/api/v1/targets/{NUMBER}/failures",
        about="List captures of one target that failed, the newest first.",
        parameters=(_SINCE, _UNTIL, _limit(100)),
        answers=_json(Page[FailureRecord]),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="series",
        path=f"/api/v1/targets/{NUMBER}/series",
        about="Follow metrics of one target, or what some of its sites hold; the last day if no "
        "time is given.",
        parameters=(
            Parameter(
                name="metric",
                form=forms.text(),
                about="A counter: heap, rss, goroutines, ...",
                many=True,
            ),
            *_FILTERS,
            _SINCE,
            _UNTIL,
        ),
        answers=_json(Series),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="failures",
        path="/api/v1/failures",
        about="List captures that failed, the newest first.",
        parameters=(_TARGET, _SERVICE, _LABELS, _SINCE, _UNTIL, _limit(100)),
        answers=_json(Page[FailureRecord]),
        tag="captures",
    ),
    Route(
        name="snapshots",
        path="/api/v1/snapshots",
        about="List snapshots without their profiles.",
        parameters=(
            Parameter(name="id", form=forms.number(), about="The one with this id."),
            _TARGET,
            _SERVICE,
            _LABELS,
            _SINCE,
            _UNTIL,
            Parameter(
                name="order",
                form=forms.choice("newest", "oldest"),
                default="newest",
                about="Which come first.",
            ),
            Parameter(
                name="after", form=forms.place(), about="What the page before gave as `next`."
            ),
            _limit(100),
        ),
        answers=_json(Page[SnapshotRecord]),
        tag="captures",
    ),
    Route(
        name="snapshot",
        path=f"/api/v1/snapshots/{NUMBER}",
        about="Describe one snapshot.",
        answers=_json(SnapshotRecord),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="snap",
        path=f"/api/v1/snapshots/{NUMBER}/snap",
        about="Give a snapshot as a .snap file, to which nothing is lost.",
        answers=_file("A .snap file."),
        refusals=_MISSING,
        tag="captures",
    ),
    Route(
        name="pprof",
        path=f"/api/v1/snapshots/{NUMBER}/pprof",
        about="Give the target's own heap profile, for `go tool pprof`.",
        answers=_file("A profile in pprof's format, gzip-compressed."),
        refusals=_MISSING,
        tag="captures",
    ),
)

_DIFFS = (
    Route(
        name="diff",
        path="/api/v1/diff",
        about="Compare two snapshots: the document of `memsnap diff --json`, a window of its rows.",
        parameters=(
            *_PAIR,
            *_ORDER,
            _limit(100),
            Parameter(
                name="offset", form=forms.number(), default=0, about="The first row of the window."
            ),
        ),
        answers=_json(DIFF_SCHEMA),
        refusals=_MISSING,
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
        answers=_json(ColumnsDocument),
        refusals=_MISSING,
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
            _limit(20_000, MOST_NODES),
        ),
        answers=_json(FlameDocument),
        refusals=_MISSING,
        tag="diffs",
    ),
    Route(
        name="diff_types",
        path="/api/v1/diff/types",
        about="List types of objects in two snapshots, those that changed most first; `focus` "
        "does not count.",
        parameters=(*_PAIR, _text("q", "Part of a type's name."), _limit(20)),
        answers=_json(Page[TypeGrowth]),
        refusals=_MISSING,
        tag="diffs",
    ),
    Route(
        name="diff_pprof",
        path="/api/v1/diff/pprof",
        about="Compare two snapshots: a profile of differences, for `go tool pprof`.",
        parameters=_PAIR,
        answers=_file("A profile in pprof's format, gzip-compressed; values may be negative."),
        refusals=_MISSING,
        tag="diffs",
    ),
)

_LIVE = (
    Route(
        name="capture_now",
        method="POST",
        path=f"/api/v1/targets/{NUMBER}/captures",
        about="Capture a target of this daemon now, and wait for that.",
        answers={
            201: Answer(about="It is in the store.", schema=Captured),
            202: Answer(about="It was taken, and waits for the store.", schema=Captured),
        },
        refusals=(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.BAD_GATEWAY,
        ),
        scope=Scope.WRITE,
        cached=False,
        tag="live",
    ),
    Route(
        name="events",
        path="/api/v1/events",
        about="Tell what happens, as it happens: `hello`, `capture`, `failure`, `finding`, and "
        "`lost` after a reader was too slow.",
        answers={200: Answer(about="Server-sent events.", content_type=EVENTS)},
        cached=False,
        tag="live",
    ),
)

_FINDING = f"/api/v1/findings/{NUMBER}"
_FINDINGS = (
    Route(
        name="findings",
        path="/api/v1/findings",
        about="List findings, those seen last first.",
        parameters=(
            _TARGET,
            Parameter(
                name="state",
                form=forms.choice(*(state.value for state in State)),
                about="In one of these states.",
                many=True,
            ),
            Parameter(
                name="kind",
                form=forms.text(),
                about="Of one of these kinds: growth, goroutines, ...",
                many=True,
            ),
            Parameter(
                name="severity",
                form=forms.choice(*(each.name.lower() for each in Severity)),
                about="Of one of these severities.",
                many=True,
            ),
            _text("verdict", "Of this verdict: leak, ..."),
            _text("function", "With this in the name of their function."),
            Parameter(
                name="after", form=forms.place(), about="What the page before gave as `next`."
            ),
            _limit(100),
        ),
        answers=_json(Page[FindingView]),
        tag="findings",
    ),
    Route(
        name="finding",
        path=_FINDING,
        about="Describe one finding, with the captures that it rests on.",
        answers=_json(FindingView),
        refusals=_MISSING,
        tag="findings",
    ),
    *(
        Route(
            name=f"{word}_finding",
            method="POST",
            path=f"{_FINDING}/{word}",
            about=about,
            parameters=parameters,
            answers=_json(FindingView),
            refusals=_MISSING,
            scope=Scope.WRITE,
            cached=False,
            tag="findings",
        )
        for word, about, parameters in (
            (
                "mute",
                "Let nobody be told of a finding; it goes on being judged.",
                (
                    Parameter(
                        name="until",
                        form=forms.moment(),
                        about="When the mute ends; never if it is left out.",
                    ),
                ),
            ),
            ("unmute", "End the mute of a finding.", ()),
            ("resolve", "Say that a finding is done with.", ()),
        )
    ),
)

_SESSIONS = (
    Route(
        name="session",
        path="/api/v1/session",
        about="Say whether a token is needed, and what the one that was sent may do.",
        answers=_json(SessionState),
        scope=None,
        cached=False,
        tag="server",
    ),
    Route(
        name="start_session",
        method="POST",
        path="/api/v1/session",
        about="Set a cookie that stands for the token of this request for 12 hours.",
        answers=_json(SessionState),
        cached=False,
        tag="server",
    ),
    Route(
        name="end_session",
        method="DELETE",
        path="/api/v1/session",
        about="Take the cookie away.",
        answers=_json(SessionState),
        cached=False,
        tag="server",
    ),
    Route(
        name="openapi",
        path="/api/openapi.json",
        about="This document.",
        answers=_json({"type": "object"}),
        tag="server",
    ),
)

ROUTES: tuple[Route, ...] = (*_STORED, *_OVER_TIME, *_DIFFS, *_FINDINGS, *_LIVE, *_SESSIONS)
COMPONENTS = (Problem,)
"""Schemas that no route names by itself."""
