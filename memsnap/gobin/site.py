"""What is known of one allocation site."""

from dataclasses import dataclass
from enum import Enum

from memsnap.gobin.kinds import AllocKind


class Certainty(Enum):
    """How an answer was found; the first four are trustworthy, the others are to be marked."""

    CONSTANT = "constant"  # the type is a constant of the code
    CALLER_CHAIN = "caller chain"  # it came through the sample's own callers
    FORWARD = "forward"  # what the code does with the new block says it
    FIXED = "fixed"  # the allocation function makes nothing else
    INFERRED = "inferred"  # the only candidate found
    ONE_OF = "one of"  # see `candidates`
    SHAPE = "shape"  # size and pointers are known, not the type
    UNKNOWN = "unknown"

    @property
    def trustworthy(self) -> bool:
        """Whether the answer may be shown without a mark."""
        return self in (
            Certainty.CONSTANT,
            Certainty.CALLER_CHAIN,
            Certainty.FORWARD,
            Certainty.FIXED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The type of what one allocation site allocates.

    `type_name` is as Go prints it with package names, `full_name` with import paths; both are
    empty where nothing is known.  `part` names a piece of a map ("header", "groups", ...).
    `candidates` are short names.  `type_address` is the descriptor of the object, element, map
    or channel type, 0 if there is none.  `via` is the library call behind reflection with the
    types that it was given: "json.Unmarshal(*main.Document)".
    """

    kind: AllocKind
    certainty: Certainty
    type_name: str = ""
    full_name: str = ""
    part: str = ""
    candidates: tuple[str, ...] = ()
    type_address: int = 0
    via: str = ""


def unknown(kind: AllocKind = AllocKind.UNKNOWN) -> Site:
    """Return the site of which no type is known."""
    return Site(kind=kind, certainty=Certainty.UNKNOWN)


def fixed(kind: AllocKind, name: str) -> Site:
    """Return the site of an allocation function that makes one type only."""
    return Site(kind=kind, certainty=Certainty.FIXED, type_name=name, full_name=name)
