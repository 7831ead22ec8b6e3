"""A post: one target that this collector visits, and what it remembers of it between visits."""

from dataclasses import dataclass, field

from memsnap.capture.probe import Located
from memsnap.collector.discovery.found import Found
from memsnap.collector.timetable import Pace
from memsnap.collector.triggers import Watch, gauges_of
from memsnap.config.settings import CollectorSettings
from memsnap.snapshot import Snapshot
from memsnap.storage.records import Lease

_UNEXPECTED_BACKOFF_S = 3600.0  # between looks at a Go process that need not have pprof


@dataclass(slots=True, eq=False)
class Post:
    """A target with its lease, and what the last visits have shown.

    `place` is where pprof was found, asked for again after a failure.  `followups_ns` are moments
    of captures beside the schedule, with their reasons.
    """

    found: Found
    target_id: int
    lease: Lease | None = None
    place: Located | None = None
    busy: bool = False
    failing: bool = False
    visits: int = 0
    num_gc: int | None = None
    watch: Watch = field(default_factory=Watch)
    followups: list[tuple[int, str]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What names the target in the store and in the log."""
        return self.found.seen.key

    def pace(self, settings: CollectorSettings) -> Pace:
        """Return how often the target is visited."""
        longest = settings.backoff_max_s
        if not self.found.expected:
            longest = max(longest, _UNEXPECTED_BACKOFF_S)
        return Pace(
            interval_ns=round(self.found.visit.interval_s * 1e9),
            backoff_max_ns=round(longest * 1e9),
        )

    def with_goroutines(self) -> bool:
        """Whether the visit that comes is one of those that take the goroutines along."""
        every = self.found.visit.goroutines_every
        return every > 0 and self.visits % every == 0

    def captured(self, snapshot: Snapshot, place: Located) -> None:
        """Remember what a visit has shown."""
        capture = snapshot.capture
        self.place, self.failing = place, False
        self.visits += 1
        stats = capture.mem_stats
        self.num_gc = stats.num_gc if stats else None
        self.watch = self.watch.captured(gauges_of(stats, capture.memory, capture.goroutines))

    def moved(self, found: Found) -> None:
        """Take over what a discovery says anew: another address, process or settings."""
        if found.target != self.found.target:
            self.place = self.num_gc = None
        self.found = found

    def take_followups(self, now_ns: int) -> tuple[str, ...]:
        """Return the reasons of captures beside the schedule whose time has come."""
        due = tuple(reason for at_ns, reason in self.followups if at_ns <= now_ns)
        self.followups = [(at_ns, reason) for at_ns, reason in self.followups if at_ns > now_ns]
        return due
