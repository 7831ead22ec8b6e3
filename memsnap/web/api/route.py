"""What one route of the API is, and what several share: the words of the table of them all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from memsnap.archive.values import MOST_ROWS
from memsnap.config.settings import Scope
from memsnap.web.api import forms
from memsnap.web.api.parameters import Parameter

JSON = "application/json"
PROBLEM = "application/problem+json"
FILE = "application/octet-stream"
EVENTS = "text/event-stream"
NUMBER = "{id:[0-9]{1,19}}"
DIFF_SCHEMA = "Diff"
"""The component that `memsnap/report/schemas/diff-1.json` becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a route: `schema` is a type, or the name of a component; None has no body."""

    about: str
    content_type: str = JSON
    schema: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method at one path; `name` says which handler it is.

    `scope` None is open to all.  `refusals` are the statuses of problem documents beside those
    that all routes have.
    """

    name: str
    path: str
    about: str
    answers: Mapping[int, Answer]
    tag: str
    method: str = "GET"
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[HTTPStatus, ...] = ()
    scope: Scope | None = Scope.READ
    cached: bool = field(default=True)

    @property
    def shown_path(self) -> str:
        """The path without the patterns of its parts: `/api/v1/targets/{id}`."""
        return self.path.replace(NUMBER, "{id}")


def json_of(schema: Any, about: str = "What was asked for.") -> Mapping[int, Answer]:
    """Return the answers of a route that gives JSON of this type."""
    return {200: Answer(about=about, schema=schema)}


def file_of(about: str) -> Mapping[int, Answer]:
    """Return the answers of a route that gives a file."""
    return {200: Answer(about=about, content_type=FILE)}


def text(name: str, about: str) -> Parameter:
    """Return a parameter of any text."""
    return Parameter(name=name, form=forms.text(), about=about, default="")


def limit(default: int, most: int = MOST_ROWS) -> Parameter:
    """Return the parameter that bounds a list."""
    form = forms.number(1, most)
    return Parameter(name="limit", form=form, about="The most rows.", default=default)


SINCE = Parameter(name="since", form=forms.moment(), about="Not before this moment.")
UNTIL = Parameter(name="until", form=forms.moment(), about="Before this moment.")
SERVICE = text("service", "Of this service alone.")
LABELS = Parameter(
    name="label", form=forms.label(), about="Of targets with this label: NAME=VALUE.", many=True
)
TARGET = Parameter(name="target", form=forms.number(), about="Of the target with this id.")
FILTERS = (
    text("focus", "Objects of these Go types alone, as `memsnap diff --focus`."),
    text("in", "With this function on the stack, as `memsnap diff --in`."),
    text("package", "With a function of this package on the stack."),
    text("file", "With a function of this file on the stack."),
)
MISSING = (HTTPStatus.NOT_FOUND,)
