"""`memsnap export`: one capture in the formats of other tools."""

import sys
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options, stores
from memsnap.errors import UsageError

if TYPE_CHECKING:
    from memsnap.analysis.live import Live

_FORMATS = {
    "pprof": (".pb.gz", ".pprof", ".prof"),
    "folded": (".folded", ".txt"),
    "csv": (".csv",),
    "json": (".json",),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather"),
}
"""Each format, and the endings of file names that mean it."""

_BINARY = ("pprof", "parquet", "arrow")
_SAMPLES = click.Choice(["inuse_space", "inuse_objects", "alloc_space", "alloc_objects"])


@click.command()
@options.source_argument("source")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    help="Format to write. Default: what the name of FILE says.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    help="Where to write, whole or not at all; '-', the default, is standard output.",
)
@click.option(
    "--sample",
    type=_SAMPLES,
    help="What folded stacks count. Default: inuse_space.",
)
@options.filter_options
@stores.store_options_beside_access
@options.access_options  # fmt: skip
def export(source: str, **given: Any) -> int:
    """Convert one capture: a pprof profile, folded stacks, or a table of its sites.

    Parquet and Arrow need pyarrow: pip install 'memsnap[arrow]'.

    \b
    memsnap export a.snap --format folded | flamegraph.pl > heap.svg
    memsnap export a.snap -o sites.csv
    memsnap export pid:4711 -o sites.parquet
    """
    output = given["output"]
    form = given["form"] or _format_of(output)
    if given["sample"] and form != "folded":
        raise UsageError(
            f"--sample picks the number behind folded stacks; {form} has them all",
            hint="leave --sample out, or take --format folded",
        )
    if output == "-" and form in _BINARY and sys.stdout.isatty():
        raise UsageError(
            f"{form} is binary, and standard output is a terminal", hint="give -o FILE, or a pipe"
        )
    from memsnap.analysis.live import live

    snapshot = options.load_one(source, given)
    data = _written(live(snapshot, options.make_selection(given)), form, given["sample"])
    options.write_out(output, data)
    return 0


def _format_of(output: str) -> str:
    """Return the format that the file's name says."""
    for form, endings in _FORMATS.items():
        if output.lower().endswith(endings):
            return form
    told = "no format is given" if output == "-" else f"{output} does not say which format to write"
    raise UsageError(told, hint=f"--format {'|'.join(_FORMATS)}")


def _written(live: "Live", form: str, sample: str | None) -> bytes:
    """Return the capture in one of the formats."""
    from memsnap.report import export, frames

    if form == "folded":
        lines = export.folded(live, export.Value(sample or "inuse_space"))
        return "".join(f"{line}\n" for line in lines).encode()
    if form == "json":
        from memsnap.report.document import json_text
        from memsnap.report.live import top_document

        return ("".join(json_text(top_document(live))) + "\n").encode()
    if form == "csv":
        return frames.to_csv(live).encode()
    write = {"pprof": export.live_pprof, "parquet": frames.to_parquet, "arrow": frames.to_arrow}
    return write[form](live)
