"""The routes to what is in the store: targets, captures, and how they went over time."""

from memsnap.analysis.table import By
from memsnap.archive.values import MOST_ROWS, Page, Series, Welcome
from memsnap.storage.holders import GROUPINGS as HOLDING
from memsnap.storage.holders import MOST_CAPTURES
from memsnap.storage.records import FailureRecord, SnapshotRecord, TargetRecord
from memsnap.web.api import forms
from memsnap.web.api.parameters import Parameter
from memsnap.web.api.route import (
    FILTERS,
    LABELS,
    MISSING,
    NUMBER,
    SERVICE,
    SINCE,
    TARGET,
    UNTIL,
    Route,
    file_of,
    json_of,
    limit,
    text,
)
from memsnap.web.api.values import (
    Overview,
    Timeline,
    TopSeries,
)

STORED = (
    Route(
        name="welcome",
        path="/api/v1",
        about="Say which server and version this is.",
        answers=json_of(Welcome),
        tag="server",
    ),
    Route(
        name="targets",
        path="/api/v1/targets",
        about="List targets by service and key; or find the one that `name` means.",
        parameters=(
            text("name", "An id, key, service or address; other parameters do not count then."),
            SERVICE,
            LABELS,
            Parameter(
                name="retired",
                form=forms.flag(),
                default=False,
                about="Those too that no discovery finds any more.",
            ),
            Parameter(
                name="after", form=forms.number(), about="What the page before gave as `next`."
            ),
            limit(MOST_ROWS),
        ),
        answers=json_of(Page[TargetRecord]),
        refusals=MISSING,
        tag="captures",
    ),
    Route(
        name="target",
        path=f"/api/v1/targets/{NUMBER}",
        about="Describe one target.",
        answers=json_of(TargetRecord),
        refusals=MISSING,
        tag="captures",
    ),
    Route(
        name="failures_of_target",
        path=f"/api/v1/targets/{NUMBER}/failures",
        about="List captures of one target that failed, the newest first.",
        parameters=(SINCE, UNTIL, limit(100)),
        answers=json_of(Page[FailureRecord]),
        refusals=MISSING,
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
            *FILTERS,
            SINCE,
            UNTIL,
        ),
        answers=json_of(Series),
        refusals=MISSING,
        tag="captures",
    ),
    Route(
        name="failures",
        path="/api/v1/failures",
        about="List captures that failed, the newest first.",
        parameters=(TARGET, SERVICE, LABELS, SINCE, UNTIL, limit(100)),
        answers=json_of(Page[FailureRecord]),
        tag="captures",
    ),
    Route(
        name="snapshots",
        path="/api/v1/snapshots",
        about="List snapshots without their profiles.",
        parameters=(
            Parameter(name="id", form=forms.number(), about="The one with this id."),
            TARGET,
            SERVICE,
            LABELS,
            SINCE,
            UNTIL,
            Parameter(
                name="order",
                form=forms.choice("newest", "oldest"),
                default="newest",
                about="Which come first.",
            ),
            Parameter(
                name="after", form=forms.place(), about="What the page before gave as `next`."
            ),
            limit(100),
        ),
        answers=json_of(Page[SnapshotRecord]),
        tag="captures",
    ),
    Route(
        name="snapshot",
        path=f"/api/v1/snapshots/{NUMBER}",
        about="Describe one snapshot.",
        answers=json_of(SnapshotRecord),
        refusals=MISSING,
        tag="captures",
    ),
    Route(
        name="snap",
        path=f"/api/v1/snapshots/{NUMBER}/snap",
        about="Give a snapshot as a .snap file, to which nothing is lost.",
        answers=file_of("A .snap file."),
        refusals=MISSING,
        tag="captures",
    ),
    Route(
        name="pprof",
        path=f"/api/v1/snapshots/{NUMBER}/pprof",
        about="Give the target's own heap profile, for `go tool pprof`.",
        answers=file_of("A profile in pprof's format, gzip-compressed."),
        refusals=MISSING,
        tag="captures",
    ),
)

OVER_TIME = (
    Route(
        name="overview",
        path="/api/v1/overview",
        about="Follow all targets at once, in a few points each; the last day if no time is given.",
        parameters=(
            SINCE,
            Parameter(
                name="after", form=forms.number(), about="What the page before gave as `next`."
            ),
            limit(MOST_ROWS),
        ),
        answers=json_of(Overview),
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
            *FILTERS,
            SINCE,
            UNTIL,
            limit(6, 20),
        ),
        answers=json_of(TopSeries),
        refusals=MISSING,
        tag="captures",
    ),
    Route(
        name="timeline",
        path=f"/api/v1/targets/{NUMBER}/timeline",
        about="List lives of the process of one target, with their builds, and its findings; the "
        "last day if no time is given.",
        parameters=(SINCE, UNTIL, limit(200)),
        answers=json_of(Timeline),
        refusals=MISSING,
        tag="captures",
    ),
)
