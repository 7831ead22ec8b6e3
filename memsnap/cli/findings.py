"""`memsnap findings`: what leaks and why, over a series of captures."""

from typing import Any

import click

from memsnap.cli import options, stores

FOUND = 3
"""The exit code where `--fail-on-leak` is given and a leak is found."""


@click.command()
@options.source_argument("sources", nargs=-1, required=True, metavar="A B [C ...]")
@options.filter_options
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown for an issue.")
@click.option("--fail-on-leak", is_flag=True, help="Exit with 3 if a leak is found.")
@stores.store_options_beside_access
@options.access_options  # fmt: skip
def findings(sources: tuple[str, ...], **given: Any) -> int:
    """Say what leaks, how fast, why, how sure that is, and what to change.

    A, B, ... are captures of one process, the oldest first.  Two show growth; three or more,
    better five, tell a leak from a cache that fills, from load, and from churn.  Only the verdict
    "leak" claims a leak.

    \b
    memsnap capture -p PID --count 5 --interval 10s -o shop.snap
    memsnap findings shop-*.snap
    memsnap findings store:shop@-1h..now

    What `memsnap serve` has found on its own is in its store, with an id each (FILE names that are
    such words are written ./list):

    \b
    memsnap findings list [TARGET]
    memsnap findings mute ID... [--for 7d] [--reason TEXT]
    memsnap findings unmute ID...
    memsnap findings resolve ID... [--reason TEXT]
    """
    from memsnap.analysis.diff import diff
    from memsnap.analysis.finding import Cause
    from memsnap.analysis.findings import find
    from memsnap.errors import UsageError

    if given["as_json"] and given["as_markdown"]:
        raise UsageError("--json and --markdown exclude each other", hint="leave one of them out")
    compared = diff(options.load_all(sources, given), options.make_selection(given))
    found = find(compared)
    if given["as_json"]:
        from memsnap.report.document import json_text
        from memsnap.report.findings import findings_document

        options.show(json_text(findings_document(compared, found)))
    elif given["as_markdown"]:
        from memsnap.report.markdown import render_findings_markdown

        options.show(render_findings_markdown(compared, found))
    else:
        from memsnap.report.findings import render_findings

        options.show(render_findings(compared, found, ink=options.terminal()))
    leaks = any(finding.verdict is Cause.LEAK for finding in found)
    return FOUND if leaks and given["fail_on_leak"] else 0
