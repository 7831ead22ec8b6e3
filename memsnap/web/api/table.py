"""The one table of all routes: it registers them, reads their parameters, and documents them."""

from memsnap.archive.errors import Problem
from memsnap.web.api.daemon_routes import FINDINGS, LIVE, SESSIONS
from memsnap.web.api.diff_routes import DIFFS
from memsnap.web.api.route import Route
from memsnap.web.api.stored_routes import OVER_TIME, STORED

ROUTES: tuple[Route, ...] = (*STORED, *OVER_TIME, *DIFFS, *FINDINGS, *LIVE, *SESSIONS)
COMPONENTS = (Problem,)
"""Schemas that no route names by itself."""
