"""`memsnap findings list|mute|unmute|resolve`: what the daemon found, and what became of it.

The words, and what they do, are those of `/api/v1/findings` and of the page.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options, stores

if TYPE_CHECKING:
    from memsnap.archive.archive import FindingArchive
    from memsnap.archive.values import KeptFinding

_ROWS = 50
_MOST = 1000
_STATES = ("new", "open", "muted", "resolved")
_UNSETTLED = ("new", "open", "muted")

_IDS = click.argument("ids", nargs=-1, required=True, type=click.IntRange(1), metavar="ID...")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why, for those who ask later.")
_BY = click.option(
    "--by",
    default="",
    metavar="NAME",
    help="Who says so, in a store. Default: you; a server knows by the token.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON (memsnap.list/1).")


@click.command("list")
@click.argument("target", required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="Only findings in this state; may be repeated. Default: all but resolved.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, _MOST - 1),
    default=_ROWS,
    show_default=True,
    help="Rows to print.",
)
@_JSON
@stores.store_options
def list_command(target: str | None, **given: Any) -> int:
    """List the findings of a store, or those of one TARGET, by their ids.

    TARGET is a key, a service, an address, or t:3 by its id.

    \b
    memsnap findings list
    memsnap findings list shop --state resolved --server http://collector:7070
    """
    from memsnap.archive.references import target_name
    from memsnap.archive.values import FindingQuery
    from memsnap.storage.sightings import State

    states = tuple(State(each) for each in given["states"] or _UNSETTLED)

    async def work(archive: "FindingArchive") -> "list[KeptFinding]":
        one = None if target is None else await archive.find_target(target_name(target))
        wanted = FindingQuery(
            target_id=one.id if one else None, states=states, limit=given["limit"] + 1
        )
        return await archive.findings(wanted)

    found = stores.ask_findings(given, work, read_only=True)
    rows, more = found[: given["limit"]], len(found) > given["limit"]
    if given["as_json"]:
        return _print_json(rows, more=more)
    from memsnap.cli.list_rows import finding_lines

    lines = list(finding_lines(rows, time.time_ns())) if rows else ["No findings."]
    options.show("\n".join([*lines, *(["  and more: -n lists them"] if more else [])]))
    return 0


@click.command()
@_IDS
@click.option(
    "--for", "time_s", type=options.duration, metavar="7d", help="How long. Default: until unmute."
)
@_REASON
@_BY
@_JSON
@stores.store_options
def mute(ids: tuple[int, ...], **given: Any) -> int:
    """Let nobody be told of findings; they go on being judged.

    \b
    memsnap findings mute 3 --for 7d --reason 'fixed in v1.4'
    memsnap findings mute 3 4 5 --server http://collector:7070
    """
    until_ns = None
    if given["time_s"] is not None:
        until_ns = time.time_ns() + round(given["time_s"] * 1e9)
    by = given["by"] or _user()
    return _settle(
        ids,
        given,
        lambda archive, number: archive.mute(
            number, until_ns=until_ns, reason=given["reason"], by=by
        ),
    )


@click.command()
@_IDS
@_JSON
@stores.store_options
def unmute(ids: tuple[int, ...], **given: Any) -> int:
    """End the mute of findings.

    \b
    memsnap findings unmute 3
    """
    return _settle(ids, given, lambda archive, number: archive.unmute(number))


@click.command()
@_IDS
@_REASON
@_BY
@_JSON
@stores.store_options
def resolve(ids: tuple[int, ...], **given: Any) -> int:
    """Say that findings are done with.

    Each comes back, as a new one, if another life of its process shows it again: what the running
    one holds stays held, whatever was done about it.

    \b
    memsnap findings resolve 3 --reason 'fixed in v1.4'
    """
    by = given["by"] or _user()
    return _settle(
        ids,
        given,
        lambda archive, number: archive.resolve(number, reason=given["reason"], by=by),
    )


def _settle(
    ids: tuple[int, ...],
    given: dict[str, Any],
    one: "Callable[[FindingArchive, int], Awaitable[KeptFinding]]",
) -> int:
    """Settle findings one after the other; the first that is not there ends it."""

    async def work(archive: "FindingArchive") -> "list[KeptFinding]":
        return [await one(archive, number) for number in dict.fromkeys(ids)]

    settled = stores.ask_findings(given, work, read_only=False)
    if given["as_json"]:
        return _print_json(settled, more=False)
    from memsnap.cli.list_rows import settled_line

    options.show("\n".join(settled_line(each) for each in settled))
    return 0


def _print_json(found: "list[KeptFinding]", *, more: bool) -> int:
    from memsnap.cli.list_rows import kept_document
    from memsnap.report.document import json_text

    documents = [kept_document(each) for each in found]
    options.show(json_text({"schema": "memsnap.list/1", "more": more, "findings": documents}))
    return 0


def _user() -> str:
    """Return the name of who runs this, as the system knows it."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
