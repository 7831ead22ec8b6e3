"""`store:shop@-1h` and `store:17`: captures of an archive, wherever a file may be given.

Pure and light: the command line asks here whether an argument is one.
"""

import re
from dataclasses import dataclass

from memsnap.archive.moments import End, Moment, parse_moment
from memsnap.errors import UsageError

SCHEME = "store:"
HINT = "write store:TARGET@-1h, store:TARGET@last, store:TARGET@-1h..now, or store:17 by its id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ById:
    """A snapshot by its number."""

    text: str
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The capture of a target that is nearest to a moment."""

    text: str
    target: str
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """All captures of a target from one moment to another, both included."""

    text: str
    target: str
    since: Moment
    until: Moment


Reference = ById | Nearest | Between


def is_reference(source: str) -> bool:
    """Whether `source` is a reference rather than a file or a live target."""
    return source.lower().startswith(SCHEME)


def parse_reference(source: str, *, now_ns: int) -> Reference:
    """Return what `store:...` means.

    What stands behind the last `@` is the moment.  Raises UsageError.
    """
    if not is_reference(source):
        raise UsageError(f"{source!r} is no capture of a store", hint=HINT)
    body = source[len(SCHEME) :].strip()
    if re.fullmatch(r"#?[0-9]{1,18}", body):
        return ById(text=source, id=int(body.removeprefix("#")))
    target, separator, when = body.rpartition("@")
    if not separator:
        target, when = body, End.LAST.value
    if not target or not when:
        raise UsageError(f"{source!r} names no {'moment' if target else 'target'}", hint=HINT)
    target = target_name(target)
    first, dots, last = when.partition("..")
    if not dots:
        return Nearest(text=source, target=target, at=parse_moment(when, now_ns=now_ns))
    return Between(
        text=source,
        target=target,
        since=parse_moment(first or "first", now_ns=now_ns),
        until=parse_moment(last or "last", now_ns=now_ns),
    )


def target_name(text: str) -> str:
    """Return what `find_target` takes: `t:3` is the target with the id 3."""
    numbered = re.fullmatch(r"t:([0-9]{1,18})", text.strip())
    return numbered[1] if numbered else text.strip()
