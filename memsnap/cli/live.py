"""What `watch` and `gate` share: visiting a live process, with types, and keeping the captures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options
from memsnap.errors import FileError, UsageError

if TYPE_CHECKING:
    from memsnap.capture.executables import TypeSource
    from memsnap.capture.target import Target
    from memsnap.snapshot import Snapshot


def target_options(command: options.F) -> options.F:
    """Add TARGET and -p PID, and how to find pprof and the executable behind them."""
    added = [
        click.argument("target", required=False),
        click.option("-p", "--pid", type=click.IntRange(1), help="Process on this machine."),
        click.option("--prefix", metavar="PATH", help="Where pprof is, if not at /debug/pprof."),
        click.option("--exe", default="", metavar="FILE", help="The executable, for types."),
        click.option("--keep", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
                     help="Keep the captures in this folder."),
    ]  # fmt: skip
    for option in reversed(added):
        command = option(command)
    return command


def target_of(given: dict[str, Any], command: str) -> "Target":
    """Return the one target that the options name.

    Raises UsageError where there is none, or two.
    """
    from memsnap.capture.target import PidTarget, parse_target

    if (given["pid"] is None) == (given["target"] is None):
        raise UsageError("give either a target or -p PID", hint=f"memsnap {command} -p 4711")
    if given["pid"] is not None:
        return PidTarget(pid=given["pid"])
    return parse_target(given["target"])


@contextmanager
def types(given: dict[str, Any]) -> "Iterator[TypeSource]":
    """Return where the Go types of live captures come from, open for the time of the block."""
    from memsnap.capture.executables import TypeSource
    from memsnap.storage.typecache import TypeCache

    with TypeSource(file=given["exe"], memory=TypeCache()) as source:
        yield source


def keep(snapshot: "Snapshot", folder: Path | None, name: str) -> "Snapshot":
    """Write a capture into `folder`, if there is one, and return it under its new name."""
    if folder is None:
        return replace(snapshot, name=name)
    from memsnap.storage.snapfile import save

    path = folder / f"{name}.snap"
    save(snapshot, path)
    return replace(snapshot, name=str(path))


def make_folder(folder: Path | None) -> None:
    """Make the folder of `--keep`; raises FileError where that cannot be done."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"cannot make {folder}: {reason}", hint="choose another --keep") from error
