"""Tracebacks beside a goroutine profile: in the same message, where other tools pass over them.

A goroutine profile is a profile.proto message like any other; memsnap adds its field 1000, as it
does to a `.snap` (docs/snap-format.md).  Whoever keeps the profile keeps the tracebacks with it.
"""

import msgspec

from memsnap.errors import FormatError
from memsnap.pprof import wire
from memsnap.pprof.encode import delimited
from memsnap.pprof.profile import EXTENSION_FIELD, Profile
from memsnap.pprof.tracebacks import Traceback

_JSON = 1
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Written(msgspec.Struct, kw_only=True):
    stacks: tuple[Traceback, ...] = ()


def with_tracebacks(profile: bytes, tracebacks: tuple[Traceback, ...]) -> bytes:
    """Return an uncompressed goroutine profile with `tracebacks` in its field 1000."""
    content = msgspec.json.encode(_Written(stacks=tracebacks))
    return profile + delimited(EXTENSION_FIELD, delimited(_JSON, content))


def tracebacks_of(profile: Profile, *, name: str) -> tuple[Traceback, ...] | None:
    """Return the tracebacks of the same visit, None where the profile carries none.

    Raises FormatError, naming `name`, where they cannot be read.
    """
    try:
        fields = wire.frames(profile.extension, frozenset({_JSON}))
        spans = fields.get(_JSON << 3 | wire.LENGTH_DELIMITED)
        if spans is None or not len(spans):
            return None
        content = profile.extension[int(spans.start[-1]) : int(spans.end[-1])]
        return msgspec.json.decode(content, type=_Written).stacks
    except (wire.WireError, *_UNREADABLE) as error:
        raise FormatError(
            f"{name}: what memsnap keeps of the goroutines' go statements is corrupt: {error}",
            hint="take the capture again",
        ) from error
