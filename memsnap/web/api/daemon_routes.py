"""The routes to findings, to what the daemon does now, and to who asks it."""

from http import HTTPStatus

from memsnap.analysis.finding import Severity
from memsnap.archive.values import Page
from memsnap.config.settings import Scope
from memsnap.storage.sightings import State
from memsnap.web.api import forms
from memsnap.web.api.parameters import Parameter
from memsnap.web.api.route import (
    EVENTS,
    MISSING,
    NUMBER,
    TARGET,
    Answer,
    Route,
    json_of,
    limit,
    text,
)
from memsnap.web.api.values import (
    Captured,
    FindingView,
    SessionState,
)

LIVE = (
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
_REASON = text("reason", "Why; it is kept beside the name of who did it.")
FINDINGS = (
    Route(
        name="findings",
        path="/api/v1/findings",
        about="List findings, those seen last first.",
        parameters=(
            TARGET,
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
            text("verdict", "Of this verdict: leak, ..."),
            text("function", "With this in the name of their function."),
            Parameter(
                name="after", form=forms.place(), about="What the page before gave as `next`."
            ),
            limit(100),
        ),
        answers=json_of(Page[FindingView]),
        tag="findings",
    ),
    Route(
        name="finding",
        path=_FINDING,
        about="Describe one finding, with the captures that it rests on.",
        answers=json_of(FindingView),
        refusals=MISSING,
        tag="findings",
    ),
    *(
        Route(
            name=f"{word}_finding",
            method="POST",
            path=f"{_FINDING}/{word}",
            about=about,
            parameters=parameters,
            answers=json_of(FindingView),
            refusals=MISSING,
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
                    _REASON,
                ),
            ),
            ("unmute", "End the mute of a finding.", ()),
            ("resolve", "Say that a finding is done with.", (_REASON,)),
        )
    ),
)

SESSIONS = (
    Route(
        name="session",
        path="/api/v1/session",
        about="Say whether a token is needed, and what the one that was sent may do.",
        answers=json_of(SessionState),
        scope=None,
        cached=False,
        tag="server",
    ),
    Route(
        name="start_session",
        method="POST",
        path="/api/v1/session",
        about="Set a cookie that stands for the token of this request for 12 hours.",
        answers=json_of(SessionState),
        cached=False,
        tag="server",
    ),
    Route(
        name="end_session",
        method="DELETE",
        path="/api/v1/session",
        about="Take the cookie away.",
        answers=json_of(SessionState),
        cached=False,
        tag="server",
    ),
    Route(
        name="openapi",
        path="/api/openapi.json",
        about="This document.",
        answers=json_of({"type": "object"}),
        tag="server",
    ),
)
