"""`memsnap verify`: the runtime's exact counters before and after, each behind a forced GC."""

from typing import Any

import click

from memsnap.cli import options

EXCEEDED = 3
"""The exit code where Alloc grew by more than `--max-growth`."""


@click.command()
@options.source_option("--before", required=True, help="Capture before the run.")
@options.source_option("--clean", help="Capture after a run that should keep nothing.")
@options.source_option("--after", required=True, help="Capture after the suspect run.")
@click.option("--max-growth", type=options.size, metavar="SIZE", help="Exit with 3 above that.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@options.access_options  # fmt: skip
def verify(before: str, clean: str | None, after: str, **given: Any) -> int:
    """Compare MemStats at two or three moments, each behind a forced GC.

    Alloc behind a GC is the live heap to the byte: what it grows by over a run that should keep
    nothing is kept.  The findings of the same captures say where.

    \b
    memsnap verify --before a.snap --after b.snap
    memsnap verify --before a.snap --clean b.snap --after c.snap --max-growth 1MB
    """
    from memsnap.analysis.diff import diff
    from memsnap.analysis.findings import find
    from memsnap.analysis.verification import verify as check
    from memsnap.errors import UsageError
    from memsnap.report.verify import render_verification, verification_document

    sources = {"before": before, "after clean": clean, "after": after}
    named = {label: source for label, source in sources.items() if source is not None}
    labels = list(named)
    compared = diff(options.load_all(tuple(named.values()), given))
    checked = check(compared.snapshots)
    if given["as_json"]:
        from memsnap.report.document import json_text

        document = verification_document(checked, labels, compared, find(compared))
        options.show(json_text(document))
    else:
        options.show(render_verification(checked, labels, compared, ink=options.terminal()))
    if given["max_growth"] is None:
        return 0
    if checked.growth is None:
        raise UsageError(
            "--max-growth cannot be checked: not all captures carry MemStats behind a proven GC",
            hint="take the captures with memsnap capture",
        )
    return EXCEEDED if checked.growth > given["max_growth"] else 0
