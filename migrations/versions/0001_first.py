"""The first schema: targets, builds, snapshots, failures, collectors, leases, findings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# The columns of `snapshots` with Go's counters and with the memory that the system sees.
_GO = (
    *("alloc", "total_alloc", "sys", "mallocs", "frees"),
    *("heap_alloc", "heap_sys", "heap_idle", "heap_inuse", "heap_released", "heap_objects"),
    *("stack_inuse", "stack_sys", "mspan_inuse", "mspan_sys", "mcache_inuse", "mcache_sys"),
    *("buck_hash_sys", "gc_sys", "other_sys", "next_gc", "last_gc_ns", "pause_total_ns"),
    *("num_gc", "num_forced_gc"),
)
_OS = (
    *("rss", "rss_anon", "rss_file", "pss", "swap", "virtual"),
    *("cgroup_current", "cgroup_limit"),
)


def upgrade() -> None:
    """Create everything."""
    _targets_and_builds()
    _processes_and_snapshots()
    _failures()
    _fleet()
    _findings()


def _targets_and_builds() -> None:
    op.create_table(
        "targets",
        _number(),
        *_texts("key", "address", "service", "source", "labels"),
        *_longs("first_seen_ns", "last_seen_ns"),
        _long("retired_ns", nullable=True),
        _primary("targets", "id"),
        _unique("targets", "key"),
    )
    op.create_table(
        "builds",
        _number(),
        _bytes("digest"),
        *_texts("go_version", "build_id", "go_build_id", "executable"),
        *_texts("module", "module_version", "vcs_revision"),
        _long("first_seen_ns"),
        _primary("builds", "id"),
        _unique("builds", "digest"),
    )
    op.create_table(
        "dictionaries",
        _reference("build_id"),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("part", "first_site", "sites")),
        _bytes("body"),
        _primary("dictionaries", "build_id", "part"),
        _foreign("dictionaries", "build_id", "builds"),
    )


def _processes_and_snapshots() -> None:
    op.create_table(
        "processes",
        _number(),
        _reference("target_id"),
        _reference("build_id"),
        sa.Column("pid", sa.Integer),
        _long("start_time_ns", nullable=True),
        *_texts("command"),
        _bytes("mappings"),
        *_longs("first_slot_ns", "last_slot_ns"),
        _primary("processes", "id"),
        _foreign("processes", "target_id", "targets"),
        _foreign("processes", "build_id", "builds"),
    )
    op.create_index("ix_processes_target_id", "processes", ["target_id"])
    op.create_table(
        "snapshots",
        *_longs("id", "slot_ns", "target_id", "process_id", "taken_ns", "stored_ns"),
        *_texts("reason"),
        _long("stored_bytes"),
        sa.Column("samples_count", sa.Integer, nullable=False),
        _long("sampling_rate"),
        _long("goroutines", nullable=True),
        *(sa.Column(name, sa.Boolean) for name in ("gc_forced", "gc_proven")),
        sa.Column("stats_source", sa.Text),
        *(_long(f"go_{name}", nullable=True) for name in _GO),
        sa.Column("go_gc_cpu_fraction", sa.Double),
        *(_long(f"os_{name}", nullable=True) for name in _OS),
        *(_bytes("details"), _bytes("samples")),
        *(sa.Column(name, sa.LargeBinary) for name in ("goroutine_profile", "leak_profile")),
        _primary("snapshots", "id", "slot_ns"),
        _unique("snapshots", "target_id", "slot_ns"),
        postgresql_partition_by="RANGE (slot_ns)",
    )
    op.create_index("ix_snapshots_process_id_slot_ns", "snapshots", ["process_id", "slot_ns"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("snapshot_ids")))
        # For rows of no day that has a partition.
        op.execute("CREATE TABLE snapshots_default PARTITION OF snapshots DEFAULT")


def _failures() -> None:
    op.create_table(
        "failures",
        _number(),
        _reference("target_id"),
        *_longs("slot_ns", "at_ns"),
        *_texts("cause", "message", "collector"),
        _primary("failures", "id"),
        _unique("failures", "target_id", "slot_ns"),
        _foreign("failures", "target_id", "targets"),
    )
    op.create_index("ix_failures_at_ns", "failures", ["at_ns"])


def _fleet() -> None:
    op.create_table(
        "collectors",
        *_texts("name"),
        *_longs("started_ns", "heartbeat_ns"),
        _primary("collectors", "name"),
    )
    op.create_table(
        "leases",
        _reference("target_id"),
        sa.Column("owner", sa.Text),
        *_longs("epoch", "expires_ns"),
        sa.Column("wanted_by", sa.Text),
        _primary("leases", "target_id"),
        _foreign("leases", "target_id", "targets"),
    )
    op.create_index("ix_leases_expires_ns", "leases", ["expires_ns"])


def _findings() -> None:
    op.create_table(
        "findings",
        _number(),
        _reference("target_id"),
        *_texts("fingerprint", "kind", "verdict", "state", "severity"),
        sa.Column("confidence", sa.Double, nullable=False),
        *_texts("function"),
        *_longs("first_ns", "since_ns", "last_ns"),
        _reference("since_build_id"),
        _long("process_id"),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("captures", "missed")),
        _long("resolved_ns", nullable=True),
        *_texts("resolved_by"),
        _long("muted_until_ns", nullable=True),
        *_texts("muted_by", "document"),
        _primary("findings", "id"),
        _unique("findings", "target_id", "fingerprint"),
        _foreign("findings", "target_id", "targets"),
        _foreign("findings", "since_build_id", "builds"),
    )
    op.create_index("ix_findings_state_target_id", "findings", ["state", "target_id"])
    op.create_table(
        "citations",
        _reference("finding_id"),
        _long("snapshot_id"),
        sa.Column("latest", sa.Boolean, nullable=False),
        _primary("citations", "finding_id", "snapshot_id"),
        _foreign("citations", "finding_id", "findings", ondelete="CASCADE"),
    )
    op.create_table(
        "notices",
        _reference("finding_id"),
        *_texts("receiver", "told"),
        _long("at_ns"),
        _primary("notices", "finding_id", "receiver"),
        _foreign("notices", "finding_id", "findings", ondelete="CASCADE"),
    )


def _number() -> sa.Column[int]:
    """Return an id that the database counts up: SQLite does so for INTEGER only."""
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False)


def _reference(name: str) -> sa.Column[int]:
    return sa.Column(
        name,
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        nullable=False,
        autoincrement=False,
    )


def _long(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, autoincrement=False)


def _longs(*names: str) -> list[sa.Column[int]]:
    return [_long(name) for name in names]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def _foreign(
    table: str, column: str, other: str, *, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=f"fk_{table}_{column}", ondelete=ondelete
    )
