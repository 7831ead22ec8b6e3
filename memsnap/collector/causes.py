"""Why a visit failed: from the error to the cause that the audit and the metrics count."""

from memsnap.capture.failures import ProcessGone, StatusRefused, TimedOut, TooLarge
from memsnap.errors import FileError, FormatError, MemsnapError, TargetError, UsageError
from memsnap.storage.records import Cause

# The first class that fits decides.
_CAUSES: tuple[tuple[type[BaseException], Cause], ...] = (
    (TimedOut, Cause.TIMEOUT),
    (TooLarge, Cause.TOO_LARGE),
    (StatusRefused, Cause.REFUSED),
    (ProcessGone, Cause.GONE),
    (FormatError, Cause.NOT_A_HEAP_PROFILE),
    (TargetError, Cause.UNREACHABLE),
    (FileError, Cause.CONFIGURATION),
    (UsageError, Cause.CONFIGURATION),
)


def cause_of(error: BaseException) -> tuple[Cause, str]:
    """Return why a visit failed, and a sentence for people."""
    cause = next((cause for kind, cause in _CAUSES if isinstance(error, kind)), Cause.INTERNAL)
    if isinstance(error, MemsnapError):
        return cause, error.message
    return cause, f"{type(error).__name__}: {error}".rstrip(": ")
