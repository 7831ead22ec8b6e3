"""`memsnap import`: captures from files into a store."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options, stores
from memsnap.errors import FileError, FormatError, MemsnapError, UsageError

if TYPE_CHECKING:
    from memsnap.archive.importing import Imported, Wanted


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=str), metavar="FILE...")
@click.option(
    "--target",
    "key",
    default="",
    metavar="KEY",
    help="The target that they belong to. Default: import:SERVICE, one for each service.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE",
              help="Label of that target; may be repeated.")  # fmt: skip
@click.option("--max-size", type=options.size, default="256MB", show_default=True,
              help="Largest file to read, also after decompression.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON (memsnap.import/1).")
@stores.STORE
def import_command(files: tuple[str, ...], **given: Any) -> int:
    """Put captures from files into a store, each at the moment that it was taken.

    FILE is a .snap file or any heap profile that says its time.  What is in the store already
    stays as it is, so that a second run does no harm; after a bad file the others go on.

    \b
    memsnap import *.snap
    memsnap import old/*.pb.gz --target shop-before --label env=prod --store sqlite:///old.db
    """
    import asyncio

    from memsnap.archive.importing import Wanted

    wanted = Wanted(key=given["key"].strip(), labels=stores.parse_labels(given["labels"]))
    results = asyncio.run(_import(files, wanted, given))
    failed = [name for name, result in results if result is None]
    if given["as_json"]:
        _print_json(results)
    else:
        added = sum(result is not None and result.added for _, result in results)
        there = len(results) - added - len(failed)
        options.show(f"{added} added, {there} there before, {len(failed)} failed")
    return 1 if failed else 0


async def _import(
    files: Sequence[str], wanted: "Wanted", given: dict[str, Any]
) -> "list[tuple[str, Imported | None]]":
    """Return what became of each file, None where it could not be imported."""
    import asyncio

    from memsnap.archive.importing import Importer
    from memsnap.archive.places import StorePlace
    from memsnap.storage import migrate, snapfile
    from memsnap.storage.database import Database

    place = stores.place(given)
    if not isinstance(place, StorePlace):
        raise UsageError(
            "captures are imported into a store, and a server is named", hint="--store URL"
        )
    results: list[tuple[str, Imported | None]] = []
    async with await Database.open(place.url) as db:
        await migrate.check(db, create=True)
        importer = Importer(db, wanted, time.time_ns())
        for number, name in enumerate(files, 1):
            try:
                snapshot = await asyncio.to_thread(
                    snapfile.load, Path(name), max_bytes=given["max_size"]
                )
                result = await importer.add(snapshot)
            except (FileError, FormatError, UsageError) as error:
                _tell_failure(error)
                results.append((name, None))
                continue
            results.append((name, result))
            if not given["as_json"]:
                _tell(f"{number}/{len(files)}", name, result)
    return results


def _tell(progress: str, name: str, result: "Imported") -> None:
    from memsnap.report.ink import clean

    how = "" if result.added else "  there before"
    options.show(clean(f"{progress}  {name}  #{result.snapshot_id}  {result.target}{how}"))


def _tell_failure(error: MemsnapError) -> None:
    options.say(f"memsnap: {error.message}")
    if error.hint:
        options.say(f"  try: {error.hint}")


def _print_json(results: "list[tuple[str, Imported | None]]") -> None:
    from memsnap.report.document import json_text

    unknown = {"snapshot_id": None, "target": None, "added": False}
    rows = [
        {"file": name, **(asdict(result) if result else unknown), "failed": result is None}
        for name, result in results
    ]
    options.show(json_text({"schema": "memsnap.import/1", "files": rows}))
