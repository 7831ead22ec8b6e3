"""The database schema, as SQLAlchemy Core tables: one MetaData for SQLite, PostgreSQL and Alembic.

Times are integer nanoseconds since 1970 (UTC), sizes bytes.  What a snapshot holds of the runtime's
counters and of the process's memory are plain columns, to be queried with SQL; its samples are one
compressed blob of raw counts over the sites of its build (see `columns`, `dictionary`).
"""

from dataclasses import fields

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
)

from memsnap.snapshot import MemStats, ProcessMemory

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is an INTEGER; PostgreSQL needs 64 bits.
_Id = BigInteger().with_variant(Integer, "sqlite")

# Columns of `snapshots` that mirror the fields of MemStats and ProcessMemory, with these prefixes.
MEM_STATS = tuple(
    field.name
    for field in fields(MemStats)
    if field.name not in {"source", "gc_cpu_fraction", "by_size"}
)
PROCESS_MEMORY = tuple(field.name for field in fields(ProcessMemory))

targets = Table(
    "targets",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # what stays the same over restarts
    Column("address", Text, nullable=False),  # what is visited, without secrets
    Column("service", Text, nullable=False),
    Column("source", Text, nullable=False),  # the discovery that found it
    Column("labels", Text, nullable=False),  # JSON object of texts
    Column("first_seen_ns", BigInteger, nullable=False),
    Column("last_seen_ns", BigInteger, nullable=False),
    Column("retired_ns", BigInteger),
)

builds = Table(
    "builds",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("go_version", Text, nullable=False),
    Column("build_id", Text, nullable=False),  # GNU build id, hex
    Column("go_build_id", Text, nullable=False),
    Column("executable", Text, nullable=False),
    Column("module", Text, nullable=False),
    Column("module_version", Text, nullable=False),
    Column("vcs_revision", Text, nullable=False),
    Column("first_seen_ns", BigInteger, nullable=False),
)

# What the sites of a build are: strings, functions, locations, sites.  Append-only; the ids of a
# build are dense and start at 0, so that a snapshot is columns of small integers.
dictionaries = Table(
    "dictionaries",
    metadata,
    Column("build_id", ForeignKey("builds.id"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),  # 0, 1, 2, ...
    Column("first_site", Integer, nullable=False),
    Column("sites", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# One life of a process: from its start, or from where the counters began anew, to the last capture.
processes = Table(
    "processes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("target_id", ForeignKey("targets.id"), nullable=False, index=True),
    Column("build_id", ForeignKey("builds.id"), nullable=False),
    Column("pid", Integer),
    Column("start_time_ns", BigInteger),
    Column("command", Text, nullable=False),  # JSON array of texts
    Column("mappings", LargeBinary, nullable=False),
    Column("first_slot_ns", BigInteger, nullable=False),
    Column("last_slot_ns", BigInteger, nullable=False),
)

# Where PostgreSQL takes the ids of snapshots from; SQLite has no sequences, and one writer.
snapshot_ids = Sequence("snapshot_ids", metadata=metadata)

snapshots = Table(
    "snapshots",
    metadata,
    # PostgreSQL partitions by range of `slot_ns`, which every unique key has to contain then.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("slot_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("target_id", BigInteger, nullable=False),
    Column("process_id", BigInteger, nullable=False),
    Column("taken_ns", BigInteger, nullable=False),
    Column("stored_ns", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),  # schedule, trigger:NAME, import, asked for
    Column("stored_bytes", BigInteger, nullable=False),  # of all blobs below
    Column("samples_count", Integer, nullable=False),
    Column("sampling_rate", BigInteger, nullable=False),
    Column("goroutines", BigInteger),
    Column("gc_forced", Boolean),
    Column("gc_proven", Boolean),
    Column("stats_source", Text),
    *(Column(f"go_{name}", BigInteger) for name in MEM_STATS),
    Column("go_gc_cpu_fraction", Double),
    *(Column(f"os_{name}", BigInteger) for name in PROCESS_MEMORY),
    Column("details", LargeBinary, nullable=False),  # the rest of Capture, see `details`
    Column("samples", LargeBinary, nullable=False),
    Column("goroutine_profile", LargeBinary),
    Column("leak_profile", LargeBinary),
    UniqueConstraint("target_id", "slot_ns"),
    Index(None, "process_id", "slot_ns"),
    postgresql_partition_by="RANGE (slot_ns)",
)

# Captures that were due and did not come through: the audit.
failures = Table(
    "failures",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("target_id", ForeignKey("targets.id"), nullable=False),
    Column("slot_ns", BigInteger, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("collector", Text, nullable=False),
    UniqueConstraint("target_id", "slot_ns"),
    Index(None, "at_ns"),
)

collectors = Table(
    "collectors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_ns", BigInteger, nullable=False),
    Column("heartbeat_ns", BigInteger, nullable=False),
)

# Who visits a target.  `epoch` rises with every change of owner: what an owner of an older one
# brings is refused.  `wanted_by` is a collector with fewer targets that asks for this one.
leases = Table(
    "leases",
    metadata,
    Column("target_id", ForeignKey("targets.id"), primary_key=True, autoincrement=False),
    Column("owner", Text),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("wanted_by", Text),
    Index(None, "expires_ns"),
)

# One row for each cause that judging has ever told apart, brought up to date with every judging.
findings = Table(
    "findings",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("target_id", ForeignKey("targets.id"), nullable=False),
    Column("fingerprint", Text, nullable=False),  # the same over restarts and builds
    Column("kind", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("state", Text, nullable=False),  # new, open, resolved
    Column("severity", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("function", Text, nullable=False),  # without the numbers of closures
    Column("first_ns", BigInteger, nullable=False),  # slot of the first sighting ever
    Column("since_ns", BigInteger, nullable=False),  # of the first since it was last resolved
    Column("last_ns", BigInteger, nullable=False),  # of the last
    Column("since_build_id", ForeignKey("builds.id"), nullable=False),
    Column("process_id", BigInteger, nullable=False),  # the life that last showed it
    Column("captures", Integer, nullable=False),  # of its life that it took to be seen
    Column("missed", Integer, nullable=False),  # captures in a row that did not show it
    Column("resolved_ns", BigInteger),
    Column("resolved_by", Text, nullable=False),  # empty: nobody, it was gone
    Column("muted_until_ns", BigInteger),  # whatever the state; the largest number is for ever
    Column("muted_by", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON, as in reports
    UniqueConstraint("target_id", "fingerprint"),
    Index(None, "state", "target_id"),
)

# Captures that a finding cites; retention keeps them.  Those of the last judging (`latest`) are
# replaced by those of the next; those that it was first seen in stay.
citations = Table(
    "citations",
    metadata,
    Column("finding_id", ForeignKey("findings.id", ondelete="CASCADE"), primary_key=True),
    Column("snapshot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("latest", Boolean, nullable=False),
)

# What each receiver of alerts has been told last of a finding: what a restart must not repeat.
notices = Table(
    "notices",
    metadata,
    Column("finding_id", ForeignKey("findings.id", ondelete="CASCADE"), primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("told", Text, nullable=False),  # open, resolved
    Column("at_ns", BigInteger, nullable=False),
)
