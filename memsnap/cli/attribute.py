"""`memsnap attribute`: add types to a capture that was taken where the executable was not."""

from typing import Any

import click

from memsnap.cli import options, stores
from memsnap.units import format_bytes


@click.command()
@options.source_argument("source")
@click.option("--exe", default="", metavar="FILE", help="The executable that ran.")
@click.option(
    "--exe-dir", default="", metavar="DIR", help="Folder of builds: found by build id, or by name."
)
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Where to write. Default: the same file."
)
@stores.store_options_beside_access
@options.access_options  # fmt: skip
def attribute(source: str, **given: Any) -> int:
    """Add the Go type of every allocation site to a capture.

    SOURCE is a .snap file or any heap profile of Go.  The executable may be stripped or PIE; it
    must be the very build that ran.

    \b
    memsnap attribute a.snap --exe ./service
    memsnap attribute heap.pb.gz --exe-dir /srv/builds -o heap.snap
    """
    from memsnap.api import is_target
    from memsnap.archive.references import is_reference
    from memsnap.capture.executables import TypeSource
    from memsnap.errors import UsageError
    from memsnap.storage.snapfile import to_bytes
    from memsnap.storage.typecache import TypeCache

    if bool(given["exe"]) == bool(given["exe_dir"]):
        raise UsageError("give either --exe FILE or --exe-dir DIR")
    output = given["output"] or source
    is_file = not is_target(source) and not is_reference(source)
    if not given["output"] and not (is_file and source.endswith(".snap")):
        raise UsageError(f"{source} is no .snap file to add to", hint="give -o FILE.snap")
    snapshot = options.load_one(source, given)
    with TypeSource(file=given["exe"], folder=given["exe_dir"], memory=TypeCache()) as types:
        typed = types.attribute(snapshot)
    options.write_out(output, to_bytes(typed))
    coverage = typed.capture.types
    if output != "-" and coverage:
        share = coverage.typed_live_bytes / coverage.live_bytes if coverage.live_bytes else 1.0
        click.echo(
            f"{output}  types for {share:.1%} of {format_bytes(coverage.live_bytes)} in use, "
            f"from {coverage.executable}"
        )
    return 0
