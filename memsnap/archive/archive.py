"""The seam between those who ask for captures and where these are: a store, or a daemon."""

from typing import Protocol

from memsnap.archive.values import (
    FailureQuery,
    FindingQuery,
    KeptFinding,
    Series,
    SeriesQuery,
    TargetQuery,
)
from memsnap.snapshot import Snapshot
from memsnap.storage.records import FailureRecord, SnapshotFilter, SnapshotRecord, TargetRecord


class Archive(Protocol):
    """Captures to be read; both kinds give the same answers and raise the same UsageErrors.

    What is wrong with the place itself is a StoreError of the one and a ServerError of the other.
    """

    @property
    def name(self) -> str:
        """The store or server, without secrets, for messages."""
        ...

    async def targets(self, wanted: TargetQuery) -> list[TargetRecord]:
        """Return targets by service and key."""
        ...

    async def find_target(self, text: str) -> TargetRecord:
        """Return the target with this id, key, service or address; raises NotFound.

        Its hint has the nearest names where there is none, and the candidates where several are.
        """
        ...

    async def snapshots(self, wanted: SnapshotFilter) -> list[SnapshotRecord]:
        """Return snapshots without their profiles, by slot."""
        ...

    async def load(self, snapshot_id: int) -> Snapshot:
        """Return a whole snapshot; raises NotFound, and FormatError where it is damaged."""
        ...

    async def series(self, target_id: int, wanted: SeriesQuery) -> Series:
        """Return how a target went over time.

        Raises NotFound for the target, UsageError for what nothing matches and for too many
        captures.
        """
        ...

    async def failures(self, wanted: FailureQuery) -> list[FailureRecord]:
        """Return lines of the audit, the newest slots first."""
        ...


class FindingArchive(Protocol):
    """Findings to be read and settled, in the same places; errors are those of `Archive`."""

    @property
    def name(self) -> str:
        """The store or server, without secrets, for messages."""
        ...

    async def find_target(self, text: str) -> TargetRecord:
        """Return the target with this id, key, service or address; raises NotFound."""
        ...

    async def findings(self, wanted: FindingQuery) -> list[KeptFinding]:
        """Return findings, those seen last first."""
        ...

    async def mute(
        self, finding_id: int, *, until_ns: int | None, reason: str, by: str
    ) -> KeptFinding:
        """Let nobody be told of a finding until a moment, or for ever; raises NotFound.

        A server takes its own word for who we are: the name of the token.
        """
        ...

    async def unmute(self, finding_id: int) -> KeptFinding:
        """End the mute of a finding; raises NotFound."""
        ...

    async def resolve(self, finding_id: int, *, reason: str, by: str) -> KeptFinding:
        """Say that a finding is done with; raises NotFound."""
        ...
