"""A diff as one HTML file: the page's diff view with its data inside, to attach to an issue.

The file asks for nothing from anywhere.  Its view is built from the same sources as the daemon's
page, into `memsnap/web/static`.
"""

import base64
import gzip
from pathlib import Path

import msgspec

from memsnap.analysis.diff import Diff
from memsnap.analysis.table import By
from memsnap.errors import MemsnapError
from memsnap.report.columns import ColumnsDocument, columns_document

TEMPLATE = Path(__file__).parent.parent / "web" / "static" / "report.html"
_DATA = "{{data}}"


def render_html(diff: Diff, template: Path = TEMPLATE) -> str:
    """Return the file's text.

    Raises MemsnapError where the view is not built.
    """
    try:
        before, _, after = template.read_text(encoding="utf-8").partition(_DATA)
    except FileNotFoundError as error:
        raise MemsnapError(
            "this memsnap has no HTML view: it runs from sources, and the page is not built",
            hint="npm --prefix memsnap/web/page run rebuild builds it; or --markdown",
        ) from error
    return f"{before}{_as_script(columns_document(diff))}{after}"


def _as_script(document: ColumnsDocument) -> str:
    """Return a document as text that may stand in a script element, whatever its names hold.

    JSON, gzip-compressed, in base64: with 100,000 sites a fifteenth of the JSON's size.  Tables
    but the first one that is shown are texts of JSON in it, which browsers read when they are
    asked for.
    """
    tables = {
        name: table if name == By.SITE.value else msgspec.json.encode(_plain(table)).decode()
        for name, table in document["tables"].items()
    }
    whole = msgspec.json.encode(_plain({**document, "tables": tables}))
    return base64.b64encode(gzip.compress(whole, mtime=0)).decode()


def _plain(value: object) -> object:
    """Return the value with texts that UTF-8 can hold: a file's name may be any bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], (int, float)):
        return [_plain(each) for each in value]
    return value
