"""What one route of the API is: the words in which the table of them all is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from memsnap.config.settings import Scope
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
