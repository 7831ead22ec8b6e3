"""The application: what is served where."""

from aiohttp import web

from memsnap.archive.local import LocalArchive
from memsnap.collector.daemon import Daemon
from memsnap.web.api.routes import add_api
from memsnap.web.health import add_health
from memsnap.web.page import add_page
from memsnap.web.page_data import add_page_data

_MOST_BODY_BYTES = 1 << 20  # of a request


def make_app(daemon: Daemon) -> web.Application:
    """Return the application of a running daemon."""
    app = web.Application(client_max_size=_MOST_BODY_BYTES)
    add_health(app, daemon)
    add_page_data(app, daemon.db)
    add_api(app, LocalArchive(daemon.db))
    add_page(app)
    return app
