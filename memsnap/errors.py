"""The exceptions that memsnap raises on purpose; the command line turns each into one line.

Every class carries the process exit code that it leads to (0 fine, 1 failed, 2 usage,
3 findings over a threshold).  Anything that is not a `MemsnapError` is a bug.
"""


class MemsnapError(Exception):
    """Something expected went wrong.

    `message` is one sentence that names the target or file; `hint`, where there is one, says
    what to try next.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MemsnapError):
    """The request itself makes no sense: an unknown column, a bad duration, an empty focus."""

    exit_code = 2


class FormatError(MemsnapError):
    """The bytes are not what they should be: truncated, foreign, hostile or from the future."""


class TargetError(MemsnapError):
    """A target could not be found, reached, or did not answer as a Go pprof endpoint."""


class FileError(MemsnapError):
    """A file could not be read or written."""
