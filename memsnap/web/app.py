"""The application: what is served where."""

from aiohttp import web

from memsnap.archive.local import LocalArchive
from memsnap.collector.daemon import Daemon
from memsnap.web.access.guard import MOST_BODY_BYTES, Guard
from memsnap.web.access.headers import add_headers
from memsnap.web.api.problems import as_problems
from memsnap.web.api.routes import add_whole_api
from memsnap.web.health import add_health
from memsnap.web.page import add_page


def make_app(daemon: Daemon) -> web.Application:
    """Return the application of a running daemon."""
    guard = Guard(lambda: daemon.settings)
    app = web.Application(
        client_max_size=MOST_BODY_BYTES, middlewares=[as_problems, guard.middleware()]
    )
    app.on_response_prepare.append(add_headers)
    add_health(app, daemon)
    add_whole_api(app, LocalArchive(daemon.db), daemon, guard)
    add_page(app)
    return app
