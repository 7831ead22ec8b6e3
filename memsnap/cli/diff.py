"""`memsnap diff`: compare captures, print the report, decide the exit code."""

from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options, stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memsnap.analysis.diff import Diff

FOUND = 3
"""The exit code for findings over a threshold."""

BY = click.Choice(["site", "function", "line", "package", "type", "size"])
SORT = click.Choice(["confidence", "growth", "after", "survived", "allocated", "objects", "cum"])


@click.command()
@options.source_argument("sources", nargs=-1, required=True, metavar="A B [C ...]")
@options.filter_options
@click.option("--by", type=BY, default="site", show_default=True, help="What a row stands for.")
@click.option(
    "--sort",
    type=SORT,
    default="confidence",
    show_default=True,
    help="Order of the rows; 'confidence' puts sure growth first.",
)
@click.option(
    "-n", "--limit", type=click.IntRange(0), default=10, show_default=True, help="Rows to print."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole diff as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown for an issue.")
@click.option("--html", "html_file", metavar="OUT", help="Also write it as one HTML file.")
@click.option("--pprof", "pprof_file", metavar="OUT", help="Also write a pprof profile of it.")
@click.option(
    "--fail-on",
    "thresholds",
    multiple=True,
    metavar="'growth>5MB'",
    help="Exit with 3 if so: growth, low (of any row), total, heap, rss, findings.",
)
@stores.store_options_beside_access
@options.access_options  # fmt: skip
def diff(sources: tuple[str, ...], **given: Any) -> int:
    """Say what survives and what grows from capture A to the last one.

    A, B, ... are .snap files or any heap profiles, the oldest first; `pid:4711`, `http://...` or
    `unix:...` takes a capture on the spot; `store:TARGET@-1h` is one of a store, and
    `store:TARGET@-1h..now` all in between, which sharpen the verdicts.

    \b
    memsnap diff a.snap b.snap
    memsnap diff a.snap b.snap --in '(*Server).handle' --by line
    memsnap diff store:shop@-1h store:shop@now
    memsnap diff a.snap b.snap --html report.html
    memsnap diff before.pb.gz http://localhost:6060 --fail-on 'growth>5MB'
    """
    from memsnap.analysis.diff import diff as compare
    from memsnap.cli.thresholds import exceeded, parse_threshold

    _check_forms(given)
    thresholds = [parse_threshold(text) for text in given["thresholds"]]
    result = compare(options.load_all(sources, given), options.make_selection(given))
    crossed = [text for threshold in thresholds for text in exceeded(result, threshold)]
    if given["pprof_file"]:
        from memsnap.report.export import diff_pprof

        options.write_out(given["pprof_file"], diff_pprof(result))
    if given["html_file"]:
        from memsnap.report.html import render_html

        options.write_out(given["html_file"], render_html(result).encode())
    if "-" not in (given["pprof_file"], given["html_file"]):
        options.show(render(result, given))
    for text in crossed:
        options.say(f"memsnap: {text}")
    return FOUND if crossed else 0


def _check_forms(given: dict[str, Any]) -> None:
    """Refuse two reports in one standard output."""
    from memsnap.errors import UsageError

    names = [name for name in ("json", "markdown") if given[f"as_{name}"]]
    names += [f"{form} -" for form in ("html", "pprof") if given[f"{form}_file"] == "-"]
    if len(names) > 1:
        raise UsageError(
            f"--{names[0]} and --{names[1]} exclude each other", hint="leave one of them out"
        )


def render(result: "Diff", given: dict[str, Any]) -> "str | Iterator[str]":
    """Return the report in the form that the options of `diff` ask for."""
    from memsnap.analysis.rows import Sort
    from memsnap.analysis.table import By

    by, sort, limit = By(given["by"]), Sort(given["sort"]), given["limit"]
    if given["as_json"]:
        from memsnap.report.document import diff_json

        return diff_json(result, by=by, sort=sort)
    if given["as_markdown"]:
        from memsnap.report.markdown import render_diff_markdown

        return render_diff_markdown(result, by=by, sort=sort, limit=limit)
    from memsnap.report.terminal import render_diff

    return render_diff(
        result, by=by, sort=sort, limit=limit, ink=options.terminal(), again=options.again(given)
    )
