"""Options that several commands share, and what they mean in memsnap's own values."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from memsnap import units
from memsnap.archive.references import is_reference
from memsnap.errors import FileError, UsageError

if TYPE_CHECKING:
    from memsnap.analysis.select import Selection
    from memsnap.capture.access import Access
    from memsnap.report.ink import Ink
    from memsnap.snapshot import Snapshot

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def size(text: str) -> int:
    """Return integer bytes: 512, 64kB, 5MB, 1.5GiB (1 kB = 1024)."""
    return _parsed(units.parse_bytes, text)


def duration(text: str) -> float:
    """Return seconds: 10s, 1m30s, 250ms."""
    return _parsed(units.parse_duration, text)


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except UsageError as error:
        raise click.BadParameter(f"{error.message}; {error.hint}") from error


def source_argument(name: str, **settings: Any) -> Callable[[F], F]:
    """Return an argument that takes files (completed by the shell), URLs, `pid:N`, `store:N`."""
    return click.argument(name, type=click.Path(path_type=str), **settings)


def source_option(name: str, **settings: Any) -> Callable[[F], F]:
    """Return an option that takes one file (completed by the shell), URL or `pid:N`."""
    return click.option(name, type=click.Path(path_type=str), metavar="FILE", **settings)


_ACCESS = [
    click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'",
                 help="Header to send to the target; may be repeated."),
    click.option("--user", default="", metavar="NAME", help="User name for basic auth."),
    click.option("--password-file", default="", metavar="FILE", help="File with its password."),
    click.option("--password-env", default="", metavar="VAR", help="Variable with its password."),
    click.option("--token-file", default="", metavar="FILE", help="File with a bearer token."),
    click.option("--token-env", default="", metavar="VAR", help="Variable with a bearer token."),
    click.option("--ca", default="", metavar="FILE", help="CA certificates to trust, PEM."),
    click.option("--cert", default="", metavar="FILE", help="Client certificate, PEM."),
    click.option("--key", default="", metavar="FILE", help="Its key, PEM."),
    click.option("--insecure", is_flag=True, help="Do not check the server's certificate."),
    click.option("--timeout", type=duration, default="30s", show_default=True,
                 help="Deadline of each request, to the last byte."),
    click.option("--max-size", type=size, default="256MB", show_default=True,
                 help="Largest answer or file to read, also after decompression."),
]  # fmt: skip


def complete_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the types in the captures on the command line that begin with `incomplete`."""
    # With the value of --focus missing, click has no arguments parsed: take the words themselves.
    words = os.environ.get("COMP_WORDS", "").split()
    files = [Path(word) for word in words if Path(word).is_file()]
    if not files:
        return []
    from memsnap.errors import MemsnapError
    from memsnap.pprof.heap import string_label
    from memsnap.storage.snapfile import load

    try:
        heap = load(files[-1]).heap
    except MemsnapError:
        return []
    used = {heap.strings[at] for at in set(string_label(heap, "type").tolist()) if at >= 0}
    pointer = "*" if incomplete.startswith("*") else ""
    names = sorted(name for name in used if name.startswith(incomplete.removeprefix("*")))
    return [pointer + name for name in names]


_FILTERS = [
    click.option("--focus", default="", metavar="TYPE", shell_complete=complete_types,
                 help="Only objects of this Go type: '*http.Request', '[]byte', 'map[string]*T'; "
                 "with the import path, 'net/http.Request', if several are named alike."),
    click.option("--in", "function", default="", metavar="FUNC",
                 help="Only stacks through this function: 'main.handle', '(*Server).handle'."),
    click.option("--package", default="", metavar="PATH", help="Only stacks through this package."),
    click.option("--file", default="", metavar="PATH", help="Only stacks through this file."),
    click.option("--min-bytes", type=size, default="0", metavar="SIZE",
                 help="Leave out rows that changed (or hold) less."),
]  # fmt: skip


def access_options(command: F) -> F:
    """Add the options for reaching a target; the command gets them as `**access`."""
    return _with(command, _ACCESS)


def filter_options(command: F) -> F:
    """Add the options that select rows."""
    return _with(command, _FILTERS)


def _with(command: F, options: Sequence[Callable[..., Any]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def make_access(given: dict[str, Any]) -> "Access":
    """Return the Access that the options of `access_options` describe."""
    from dataclasses import replace

    from memsnap.capture.access import SecretSource, make_access

    access = make_access(
        headers=given["headers"],
        user=given["user"],
        password=SecretSource(file=given["password_file"], variable=given["password_env"]),
        bearer=SecretSource(file=given["token_file"], variable=given["token_env"]),
        ca_file=given["ca"],
        client_certificate=given["cert"],
        client_key=given["key"],
        insecure=given["insecure"],
    )
    return replace(access, timeout_s=given["timeout"], max_bytes=given["max_size"])


def make_selection(given: dict[str, Any]) -> "Selection":
    """Return the Selection that the options of `filter_options` describe."""
    from memsnap.analysis.select import Selection

    names = ("focus", "function", "package", "file", "min_bytes")
    return Selection(**{name: given[name] for name in names})


def load_all(sources: tuple[str, ...], given: dict[str, Any]) -> "list[Snapshot]":
    """Return the snapshots of all sources, more than one for a range of a store.

    Live ones are visited with the access options; where references look, the options of
    `stores` say.
    """
    from memsnap import api

    live = any(api.is_target(source) for source in sources)
    access = make_access(given) if live else None
    stored = iter(_stored(sources, given))
    return [
        snapshot
        for source in sources
        for snapshot in (
            next(stored)
            if is_reference(source)
            else [api.load(source, access=access, max_bytes=given["max_size"])]
        )
    ]


def load_one(source: str, given: dict[str, Any]) -> "Snapshot":
    """Return the one snapshot of a source; raises UsageError for a range of several."""
    found = load_all((source,), given)
    if len(found) > 1:
        raise UsageError(
            f"{source} are {len(found)} captures, and this command takes one",
            hint="memsnap diff takes them all; memsnap list shows their ids",
        )
    return found[0]


def _stored(sources: tuple[str, ...], given: dict[str, Any]) -> "list[list[Snapshot]]":
    """Return the captures of all references, which one look at the store finds."""
    references = [source for source in sources if is_reference(source)]
    if not references:
        return []
    from memsnap.cli.stores import load_references

    return load_references(references, given)


def again(given: dict[str, Any]) -> str:
    """Return the options that name the store or server, for commands that a report suggests."""
    from shlex import quote

    named = [(name, given.get(name)) for name in ("store", "server")]
    return "".join(f" --{name} {quote(value)}" for name, value in named if value)


def terminal() -> "Ink":
    """Return how to write to standard output: its width and colours, plain when piped.

    `NO_COLOR` turns colours off, `FORCE_COLOR` on, `COLUMNS` sets the width.
    """
    from memsnap.report.ink import Ink

    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    is_terminal = sys.stdout.isatty()
    colour = forces_colour() or (is_terminal and not plain)
    width = shutil.get_terminal_size((120, 24)).columns
    return Ink(width=width, colour=colour, cut=is_terminal)


def forces_colour() -> bool:
    """Whether colours are wanted even where standard output is no terminal."""
    return bool(os.environ.get("FORCE_COLOR")) and not os.environ.get("NO_COLOR")


def say(text: str) -> None:
    """Tell the user, not the pipe: write one line to standard error.

    Names from profiles and answers of targets may be part of it, and must not drive a terminal.
    """
    from memsnap.report.ink import clean

    click.echo(clean(text), err=True)


def show(report: str | Iterator[str]) -> None:
    """Write a report to standard output, whole or piece by piece.

    A reader that leaves early (`head`) has seen enough, and the exit code stays what it would
    have been.  Raises FileError where it cannot be written, as on a full disk.
    """
    pieces = iter([report]) if isinstance(report, str) else report

    def write() -> None:
        for piece in pieces:
            click.echo(piece, nl=False)
        click.echo()

    _to_standard_output(write)


def leave_standard_output() -> None:
    """Write nothing more to standard output, so that its failure is not reported twice."""
    try:
        number = sys.stdout.fileno()
    except OSError:
        return  # it is no file, but a buffer of a caller
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), number)


def write_out(path: str, data: bytes) -> None:
    """Write `data` to a file, whole or not at all, or to standard output for `-`."""
    if path == "-":
        _to_standard_output(lambda: _write_bytes(data))
        return
    from memsnap.storage.snapfile import write_atomically

    write_atomically(Path(path), data)


def file_name(*parts: str) -> str:
    """Return a name for a `.snap`, of letters that no shell minds."""
    import re

    return "-".join(re.sub(r"[^\w.]+", "_", part) for part in parts if part) + ".snap"


def _write_bytes(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _to_standard_output(write: Callable[[], None]) -> None:
    try:
        write()
    except BrokenPipeError:
        leave_standard_output()
    except OSError as error:
        leave_standard_output()
        reason = (error.strerror or str(error)).lower()
        raise FileError(
            f"cannot write to standard output: {reason}", hint="send it to another place"
        ) from error
