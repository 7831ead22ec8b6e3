"""What goes wrong with an archive, and how it is told over HTTP (RFC 9457, problem details)."""

from dataclasses import dataclass

from memsnap.errors import MemsnapError, UsageError

PROBLEM_TYPE = "urn:memsnap:problem:"
USAGE, NOT_FOUND = "usage", "not-found"


class NotFound(UsageError):
    """There is no target, snapshot or capture of this name."""


class ServerError(MemsnapError):
    """A daemon cannot be reached, refuses, or is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document; `type` is PROBLEM_TYPE and a word, `hint` says what to try next."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    hint: str = ""

    def as_error(self) -> MemsnapError | None:
        """Return the error that a server meant, None where it is the server's own matter."""
        kinds: dict[str, type[UsageError]] = {USAGE: UsageError, NOT_FOUND: NotFound}
        kind = kinds.get(self.type.removeprefix(PROBLEM_TYPE))
        return kind(self.detail, hint=self.hint) if kind and self.detail else None
