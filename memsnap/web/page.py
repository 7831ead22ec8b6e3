"""The web page: the files that the build has made."""

from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
BUILD_COMMAND = "npm --prefix memsnap/web/page run rebuild"

_HEADERS = {"Cache-Control": "no-cache"}  # asked for again each time; mostly answered with 304
_FILES = {
    "app.js": "text/javascript",
    "theme.js": "text/javascript",
    "app.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_NOT_BUILT = (
    "memsnap serves its API here; the page is not built.\n\n"
    f"In a checkout of the sources, with node:  {BUILD_COMMAND}\n"
    "Or install a released wheel, which has it:  pip install memsnap\n"
)


def add_page(app: web.Application, static: Path = STATIC) -> None:
    """Add `/` and the files that it asks for; the page finds its views in the URL's fragment.

    `/findings/3`, as alerts name a finding, leads to its view.  Where the page is not built, `/`
    says so and how to build it.
    """

    async def index(_: web.Request) -> web.StreamResponse:
        if not is_built(static):
            return web.Response(text=_NOT_BUILT, status=503, headers=_HEADERS)
        return _file(static / "index.html", "text/html")

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = static / name
        if name not in _FILES or not path.is_file():
            raise web.HTTPNotFound
        return _file(path, _FILES[name])

    async def finding(request: web.Request) -> web.StreamResponse:
        # Relative, for a proxy that serves this below a path of its own.
        link = f"../#/findings/{request.match_info['id']}"
        return web.Response(status=302, headers={**_HEADERS, "Location": link})

    app.router.add_get("/", index)
    app.router.add_get("/findings/{id:[0-9]{1,19}}", finding)
    app.router.add_get("/static/{name}", file)


def is_built(static: Path = STATIC) -> bool:
    """Whether the page's files are there."""
    return all((static / name).is_file() for name in ("index.html", *_FILES))


def _file(path: Path, content_type: str) -> web.FileResponse:
    answer = web.FileResponse(path, headers=_HEADERS)
    answer.content_type = content_type
    answer.charset = "utf-8"
    return answer
