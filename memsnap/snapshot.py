"""A snapshot: what one capture of one target yields, as frozen values.

The profile is the heap profile as the target sent it; everything else says where, when and how
it was taken.  `None` means unknown throughout: the target did not tell.  This module knows no
files and no network: `storage.snapfile` reads and writes snapshots, `capture` takes them.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from memsnap.pprof.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """Exact counters of one of Go's size classes, cumulative (runtime.MemStats.BySize)."""

    size: int
    mallocs: int
    frees: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemStats:
    """The runtime's own exact counters (Go's runtime.MemStats), in bytes unless said otherwise.

    `source` says where they come from: `expvar` (all fields and `by_size`), `debug=1` (the
    trailer of the text profile) or `metrics` (Prometheus' go_memstats_*).
    `heap_alloc` counts garbage that is not collected yet: right after a GC it is the live heap.
    """

    source: str
    alloc: int | None = None
    total_alloc: int | None = None
    sys: int | None = None
    mallocs: int | None = None  # objects
    frees: int | None = None  # objects
    heap_alloc: int | None = None
    heap_sys: int | None = None
    heap_idle: int | None = None
    heap_inuse: int | None = None
    heap_released: int | None = None
    heap_objects: int | None = None  # objects
    stack_inuse: int | None = None
    stack_sys: int | None = None
    mspan_inuse: int | None = None
    mspan_sys: int | None = None
    mcache_inuse: int | None = None
    mcache_sys: int | None = None
    buck_hash_sys: int | None = None
    gc_sys: int | None = None
    other_sys: int | None = None
    next_gc: int | None = None
    last_gc_ns: int | None = None  # wall clock of the target, ns since 1970
    pause_total_ns: int | None = None
    num_gc: int | None = None  # cycles
    num_forced_gc: int | None = None  # cycles
    gc_cpu_fraction: float | None = None
    by_size: tuple[SizeClass, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GcProof:
    """Whether the heap profile is as of a GC cycle that ended during the visit.

    `forced`: the capture asked for a GC (`gc=1`).  `proven`: the runtime's own counters show
    that a cycle finished between the start of the visit and the profile.  `reason` says in
    words what the proof, or its absence, rests on.
    """

    forced: bool
    proven: bool
    reason: str
    num_gc_before: int | None = None
    num_gc_after: int | None = None
    last_gc_ns: int | None = None
    heap_alloc_before: int | None = None  # bytes, garbage included


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMemory:
    """What the operating system says of the process, in bytes (proc(5), cgroup v1 and v2)."""

    rss: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    pss: int | None = None
    swap: int | None = None
    virtual: int | None = None
    cgroup_current: int | None = None
    cgroup_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The process and the build behind a capture."""

    pid: int | None = None
    start_time_ns: int | None = None  # ns since 1970
    command: tuple[str, ...] = ()
    executable: str = ""
    build_id: str = ""  # GNU build id, hex
    go_build_id: str = ""
    go_version: str = ""  # "go1.27.3"
    module: str = ""  # main module path
    module_version: str = ""
    vcs_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """Where the types of the heap profile's labels come from, and how much they cover.

    `checked_locations` of the profile were looked up in the executable, `matched_locations` are
    called the same there.
    """

    executable: str
    build_id: str = ""
    checked_locations: int
    matched_locations: int
    live_bytes: int
    typed_live_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Everything about a capture but the profiles.

    `target` is what was visited, without credentials: `pid:4711`, `http://host:6060/debug/pprof`,
    `unix:/run/app.sock`.  `service` is a short name for people and file names.  `taken_ns` is
    the target's own clock at the heap profile.
    """

    target: str = ""
    service: str = ""
    taken_ns: int = 0  # ns since 1970; 0 unknown
    elapsed_s: float | None = None
    memsnap_version: str = ""
    gc: GcProof | None = None
    mem_stats: MemStats | None = None
    memory: ProcessMemory | None = None
    process: Process = field(default_factory=Process)
    goroutines: int | None = None  # count
    types: Types | None = None
    notes: tuple[str, ...] = ()  # one sentence each: what could not be had, and why

    @property
    def taken(self) -> datetime | None:
        """The moment of the heap profile as an aware time in UTC."""
        return datetime.fromtimestamp(self.taken_ns / 1e9, tz=UTC) if self.taken_ns else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """One capture: the heap profile, its circumstances, and the goroutines of the same visit.

    `goroutine_profile` and `leak_profile` (Go >= 1.27, goroutines that nothing can wake) are
    uncompressed profile.proto bytes, parsed when somebody asks.  `name` is the file or target
    that the snapshot was read from, for messages.
    """

    name: str
    heap: Profile
    capture: Capture
    goroutine_profile: bytes | None = field(default=None, repr=False)
    leak_profile: bytes | None = field(default=None, repr=False)
