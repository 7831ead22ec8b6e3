"""What the server refuses, beside what makes no sense or is not there."""

from memsnap.errors import MemsnapError


class NoToken(MemsnapError):
    """The request brings no token that is known."""


class Refused(MemsnapError):
    """The request may not do this: its token only reads, or another site has made it."""


class Conflict(MemsnapError):
    """What is asked for cannot be done now, since something else is under way."""


class Busy(MemsnapError):
    """There is too much to do; the same request may succeed in a moment."""


class VisitFailed(MemsnapError):
    """A target that was to be captured did not give its profile."""


class TooLarge(MemsnapError):
    """The request brings more than anything here reads."""
