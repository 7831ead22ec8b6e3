"""`memsnap inspect`: what an executable tells about its types and allocation sites."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options
from memsnap.errors import UsageError

if TYPE_CHECKING:
    from memsnap.gobin.executable import Executable
    from memsnap.gobin.listing import Progress
    from memsnap.gobin.typelist import ListedType

_ROWS = 20
_EVERYTHING = "*"


@click.command()
@options.source_argument("binary", required=False)
@click.option(
    "--sites",
    is_flag=True,
    help="List the allocation sites, one JSON object a line; with --json one document.",
)
@click.option(
    "--types",
    "pattern",
    is_flag=False,
    flag_value=_EVERYTHING,
    metavar="[PATTERN]",
    help="List the types that PATTERN names ('*http.Request', 'main.*'), with size, fields and"
    " padding; without it the structs whose fields could be ordered better.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(0),
    help=f"Types to print. Default: {_ROWS}; all of them as JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/inspect.md).")  # fmt: skip
def inspect(binary: str | None, **given: Any) -> int:
    """Say what memsnap reads of a Go executable: build, types, allocation sites.

    BINARY is a file, or `pid:4711` for what that process runs.  It may be stripped; nothing of it
    is run.

    \b
    memsnap inspect ./service
    memsnap inspect pid:4711 --types 'main.*'
    memsnap inspect ./service --sites | jq -r 'select(.type == "[]byte") | .function'
    """
    pattern = given["pattern"]
    if binary is None and pattern is not None:
        binary, pattern = pattern, _EVERYTHING  # `--types ./service`: the file is no pattern
    if binary is None or (binary == _EVERYTHING and pattern == _EVERYTHING):
        raise click.UsageError("Missing argument 'BINARY'.")
    if given["sites"] and pattern is not None:
        raise UsageError("--sites and --types are two lists", hint="ask for one at a time")

    with _opened(binary) as executable:
        if given["sites"]:
            _show_sites(executable, as_json=given["as_json"])
        elif pattern is not None:
            wanted = "" if pattern == _EVERYTHING else pattern
            _show_types(executable, wanted, given["limit"], as_json=given["as_json"])
        else:
            _show_summary(executable, as_json=given["as_json"])
    return 0


def _opened(binary: str) -> "Executable":
    """Return the executable that a path or `pid:N` means."""
    from memsnap import api
    from memsnap.gobin.executable import Executable

    if not api.is_target(binary):
        return Executable.open(binary)
    from memsnap.capture.process import start_time
    from memsnap.capture.target import PidTarget, parse_target

    target = parse_target(binary)
    if not isinstance(target, PidTarget):
        raise UsageError(
            f"{target} is no file, and executables are not fetched",
            hint="copy the service's executable here, or give pid:N on its host",
        )
    start_time(target.pid)  # says so where there is no such process
    # Opened by this link the file is the one that runs, even if it was replaced or removed.
    return Executable.open(f"/proc/{target.pid}/exe", name=str(target))


def _show_summary(executable: "Executable", *, as_json: bool) -> None:
    from memsnap.gobin.inspection import inspect as count

    with _progress(is_streaming=False) as progress:
        found = count(executable, progress=progress)
    if as_json:
        from memsnap.report.document import json_text
        from memsnap.report.inspect_document import inspection_document

        options.show(json_text(inspection_document(found)))
    else:
        from memsnap.report.inspect import render_inspection

        options.show(render_inspection(found, ink=options.terminal()))


def _show_sites(executable: "Executable", *, as_json: bool) -> None:
    from memsnap.gobin.inspection import file_facts
    from memsnap.gobin.listing import list_sites
    from memsnap.report.inspect_document import site_lines, sites_document

    with _progress(is_streaming=True) as progress:
        sites = list_sites(executable, progress=progress)
        if as_json:
            from memsnap.report.document import json_text

            options.show(json_text(sites_document(file_facts(executable), sites)))
        else:
            options.show(site_lines(sites))


def _show_types(
    executable: "Executable", pattern: str, limit: int | None, *, as_json: bool
) -> None:
    from memsnap.gobin.inspection import file_facts
    from memsnap.report.inspect import by_gain, render_gains, render_layouts

    found = _matching(executable, pattern)
    if as_json:
        from memsnap.report.document import json_text
        from memsnap.report.inspect_document import types_document

        ordered = sorted(found, key=_by_name) if pattern else by_gain(found)
        file = file_facts(executable)
        options.show(json_text(types_document(file, ordered[:limit], pattern=pattern)))
        return
    rows, ink = _ROWS if limit is None else limit, options.terminal()
    if pattern:
        options.show(render_layouts(sorted(found, key=_by_name), limit=rows, ink=ink))
    else:
        options.show(render_gains(found, limit=rows, ink=ink))


def _by_name(listed: "ListedType") -> tuple[str, int]:
    return listed.full_name, listed.size


def _matching(executable: "Executable", pattern: str) -> "list[ListedType]":
    """Return the types that a pattern names; all without one."""
    from memsnap.gobin.typelist import list_types

    if not pattern:
        return list(list_types(executable))
    from memsnap.analysis.names import nearest, type_filter

    matches = type_filter(pattern)
    # With a path only full names will do: packages of different paths may have one name.
    by_path = "/" in pattern
    every, found = [], []
    for listed in list_types(executable):
        names = [listed.full_name] if by_path else [listed.name, listed.full_name]
        every.append(listed.full_name if by_path else listed.name)
        if any(map(matches.wants, names)) and not any(map(matches.bars, names)):
            found.append(listed)
    if not found:
        close = nearest(pattern, sorted(set(every)))
        raise UsageError(
            f"no type of {executable.name} matches {pattern!r}",
            hint=f"did you mean {', '.join(close)}?" if close else "--types alone lists all",
        )
    return found


@contextmanager
def _progress(*, is_streaming: bool) -> "Iterator[Progress | None]":
    """Show a bar on a terminal while sites are resolved, unless they are printed there."""
    if not sys.stderr.isatty() or (is_streaming and sys.stdout.isatty()):
        yield None
        return
    with click.progressbar(length=1, label="allocation sites", width=24, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield show
