"""`memsnap pull`: a capture out of a store, as a file."""

import time
from typing import Any

import click

from memsnap.cli import options, stores
from memsnap.errors import UsageError
from memsnap.units import format_bytes


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "-o",
    "--output",
    default="",
    metavar="FILE",
    help="Where to write; '-' is standard output. Default: service and id, as shop-17.snap.",
)
@click.option("--max-size", type=options.size, default="256MB", show_default=True,
              help="Largest answer of a server.")  # fmt: skip
@stores.store_options
def pull(reference: str, output: str, **given: Any) -> int:
    """Write one capture of a store to a .snap file.

    REF is store:TARGET@-1h, store:TARGET@last, or an id: store:17, or just 17.

    \b
    memsnap pull 17 -o before.snap
    memsnap pull store:shop@2026-11-22T14:03 --server http://collector:7070
    """
    from memsnap.archive import lookup
    from memsnap.archive.archive import Archive
    from memsnap.archive.moments import to_datetime
    from memsnap.archive.references import SCHEME, Between, is_reference, parse_reference
    from memsnap.snapshot import Snapshot
    from memsnap.storage.records import SnapshotRecord
    from memsnap.storage.snapfile import to_bytes
    from memsnap.units import format_time

    if not is_reference(reference):
        reference = SCHEME + reference
    now_ns = time.time_ns()
    wanted = parse_reference(reference, now_ns=now_ns)
    if isinstance(wanted, Between):
        raise UsageError(
            f"{reference} may be several captures, and a file holds one",
            hint="memsnap list shows them; pull each by its id",
        )

    async def work(archive: Archive) -> tuple[SnapshotRecord, Snapshot]:
        (record,) = await lookup.resolve(archive, wanted, now_ns=now_ns)
        return record, await lookup.load(archive, record)

    record, snapshot = stores.ask(given, work)
    data = to_bytes(snapshot)
    path = output or options.file_name(snapshot.capture.service or "heap", str(record.id))
    options.write_out(path, data)
    if path != "-":
        when = format_time(to_datetime(record.slot_ns))
        options.show(f"{path}  #{record.id} of {when}  ({format_bytes(len(data))})")
    return 0
