"""How the daemon is, for health checks, the service manager and people."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Counts of targets, of captures under way and waiting; `problems` is empty when all is well.

    Of the `targets` that are known, `held` are this collector's, and `failing` of those failed
    when they were last visited.
    """

    owner: str
    targets: int
    held: int
    running: int
    failing: int
    store_up: bool
    waiting: int
    ready: bool  # every discovery has spoken, and what it found is in the store
    stuck: bool  # the schedule does not go on
    problems: tuple[str, ...]

    def __str__(self) -> str:
        words = f"{self.held} of {self.targets} targets visited, {self.failing} failing"
        return "; ".join((words, *self.problems))
