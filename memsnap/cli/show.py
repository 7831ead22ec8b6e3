"""`memsnap show` and `memsnap top`: one capture, described and listed."""

from typing import Any

import click

from memsnap.cli import options, stores
from memsnap.errors import UsageError

BY = click.Choice(["site", "function", "line", "package", "type", "size"])
SORT = click.Choice(["live", "objects", "allocated", "cum"])
_ROWS = 10


@click.command()
@options.source_argument("source")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(0),
    default=_ROWS,
    show_default=True,
    help="Sites to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (memsnap.show/1).")
@stores.store_options_beside_access
@options.access_options  # fmt: skip
def show(source: str, **given: Any) -> int:
    """Describe one capture: whose it is, what its memory is made of, the largest sites.

    SOURCE is a .snap file or any heap profile; `pid:4711`, `http://...` or `unix:...` takes a
    capture on the spot; `store:TARGET@-1h` is one of a store.

    \b
    memsnap show a.snap
    memsnap show pid:4711
    """
    from memsnap import api
    from memsnap.analysis.live import live

    snapshot = options.load_one(source, given)
    result, limit = live(snapshot), given["limit"]
    if given["as_json"]:
        from memsnap.report.document import json_text
        from memsnap.report.live import show_document

        options.show(json_text(show_document(result, limit=limit)))
        return 0
    from memsnap.report.live import render_show

    is_file = not api.is_target(source)
    click.echo(
        render_show(
            result, limit=limit, is_file=is_file, ink=options.terminal(), again=options.again(given)
        )
    )
    return 0


@click.command()
@options.source_argument("source")
@options.filter_options
@click.option("--by", type=BY, default="site", show_default=True, help="What a row stands for.")
@click.option(
    "--sort",
    type=SORT,
    default="live",
    show_default=True,
    help="Order of the rows; 'cum', with callees, goes with --by function.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(0),
    help=f"Rows to print. Default: {_ROWS}; all of them as JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (memsnap.top/1).")
@stores.store_options_beside_access
@options.access_options  # fmt: skip
def top(source: str, **given: Any) -> int:
    """List what is live in one capture, the largest first, with 95 % limits.

    \b
    memsnap top a.snap --by function --sort cum
    memsnap top a.snap --package net/http --min-bytes 1MB
    """
    from memsnap.analysis.live import LiveSort, live
    from memsnap.analysis.table import By

    by, sort, limit = By(given["by"]), LiveSort(given["sort"]), given["limit"]
    if sort is LiveSort.CUM and by is not By.FUNCTION:
        raise UsageError(
            f"--sort cum needs functions, and the rows are by {by.value}",
            hint="--by function --sort cum",
        )
    snapshot = options.load_one(source, given)
    result = live(snapshot, options.make_selection(given))
    if sort is LiveSort.ALLOCATED and result.totals.allocated is None:
        raise UsageError(
            f"{snapshot.name} does not count allocations, only what is in use",
            hint="--sort live or --sort objects",
        )
    if given["as_json"]:
        from memsnap.report.document import json_text
        from memsnap.report.live import top_document

        options.show(json_text(top_document(result, by=by, sort=sort, limit=limit)))
        return 0
    from memsnap.report.live import render_top

    rows = _ROWS if limit is None else limit
    click.echo(render_top(result, by=by, sort=sort, limit=rows, ink=options.terminal()))
    return 0
