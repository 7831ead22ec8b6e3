"""What the daemon can be told, as frozen values: every table and key of the file, with defaults.

A field stands for the key of the same name with dashes; a unit at its end is written in the value
instead: `interval_s` is `interval = "30s"`, `max_bytes` is `max-size = "64MB"`.  Why one would
change a value is told in config.example.toml.
"""

from dataclasses import dataclass, field
from enum import Enum
from re import Pattern
from typing import Annotated, TypeVar

from memsnap.config import forms
from memsnap.config.forms import APART, FLAT, NOT_EMPTY, Outside, Pairs

T = TypeVar("T")

# How values are written in the file stands beside their type; see `forms`.
Seconds = Annotated[float, forms.duration]
SomeSeconds = Annotated[float, forms.positive_duration]
Deadline = Annotated[float, forms.deadline]
Bytes = Annotated[int, forms.size]
SomeBytes = Annotated[int, forms.positive_size]
Quantity = Annotated[float, forms.quantity]
Fraction = Annotated[float, forms.fraction]
Share = Annotated[float, forms.share]
Count = Annotated[int, forms.whole(least=0)]
Some = Annotated[int, forms.whole(least=1)]
WindowSize = Annotated[int, forms.whole(least=3, most=200)]
AtOnce = Annotated[int, forms.whole(least=1, most=10_000)]
Port = Annotated[int, forms.whole(least=1, most=65535)]
Name = Annotated[str, forms.name]
Variable = Annotated[str, forms.variable]
Regex = Annotated[Pattern[str], forms.regex]
Domain = Annotated[str, forms.domain]
PathPrefix = Annotated[str, forms.path_prefix]
HostName = Annotated[str, forms.host_name]
TokenHash = Annotated[str, forms.token_hash]
Url = Annotated[str, forms.url]
SecretUrl = Annotated[str, forms.secret_url]
StoreUrl = Annotated[str, forms.store_url]
Address = Annotated[str, Outside.TARGET]
Header = Annotated[str, Outside.HEADER]

# Tables with free keys, as pairs in the order of their names; templates in that of the file.
Labels = Annotated[tuple[tuple[str, str], ...], Pairs(name=forms.label_name, value=forms.text)]
Patterns = Annotated[
    tuple[tuple[str, Pattern[str]], ...], Pairs(name=forms.label_name, value=forms.regex)
]
Templates = Annotated[
    tuple[tuple[str, str], ...],
    Pairs(name=forms.label_name, value=forms.template, in_order_of_file=True),
]


class GcPolicy(Enum):
    """How a capture comes to stand behind a finished garbage collection."""

    FORCE = "force"  # the visit runs one
    AFTER_NATURAL = "after-natural"  # the visit waits until the runtime has run one by itself
    NEVER = "never"  # what the profile holds is taken


class Metric(Enum):
    """What a trigger watches."""

    HEAP = "heap"
    RSS = "rss"
    CGROUP_FRACTION = "cgroup-fraction"
    GOROUTINES = "goroutines"


class Severity(Enum):
    """The least severity of findings that matter; as `analysis.finding` has them."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AlertKind(Enum):
    """What a receiver of alerts understands."""

    JSON = "json"
    SLACK = "slack"
    ALERTMANAGER = "alertmanager"


class Scope(Enum):
    """What the bearer of a token may do; who may write may read."""

    READ = "read"
    WRITE = "write"


class LogFormat(Enum):
    """What a line of the log looks like."""

    TEXT = "text"
    JSON = "json"


class LogLevel(Enum):
    """The least severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DnsRecord(Enum):
    """Which records of a name hold targets."""

    A = "A"
    AAAA = "AAAA"
    SRV = "SRV"


class Scheme(Enum):
    """How targets speak whose discovery tells no more than host and port."""

    HTTP = "http"
    HTTPS = "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """[store]: where captures go; `url` may hold a password.

    `url_file` and `url_env` are read when the file is loaded, and `url` is then what they hold.
    `spool_max_bytes` bounds what is kept in `spool_dir` while the database is away.
    """

    url: StoreUrl = field(default="sqlite:///memsnap.db", repr=False)
    url_file: str = ""
    url_env: Variable = ""
    spool_dir: str = "memsnap-spool"
    spool_max_bytes: Bytes = 1 << 30
    migrate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """[retention]: ages up to which all, one an hour, one a day are kept; 0 is no such tier.

    `failures_for_s` is for the audit of captures that failed.  `max_bytes` bounds the whole store;
    0 is no bound.
    """

    all_for_s: Seconds = 48 * 3600.0
    hourly_for_s: Seconds = 30 * 86400.0
    daily_for_s: Seconds = 365 * 86400.0
    failures_for_s: Seconds = 30 * 86400.0
    max_bytes: Bytes = 10 << 30
    every_s: SomeSeconds = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """[collector]: how targets are visited, unless they say otherwise, and how many at once.

    An empty `name` or `host` is the machine's; `goroutines_every` 0 takes none.
    """

    name: str = ""
    host: str = ""
    interval_s: SomeSeconds = 60.0
    timeout_s: Deadline = 30.0
    concurrency: AtOnce = 16
    per_host: AtOnce = 4
    gc: GcPolicy = GcPolicy.FORCE
    goroutines_every: Count = 10
    max_bytes: SomeBytes = 64 << 20
    backoff_max_s: SomeSeconds = 600.0
    watch_every_s: SomeSeconds = 15.0
    lease_s: SomeSeconds = 60.0
    grace_s: Seconds = 20.0
    types: bool = True
    exe_dir: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSettings:
    """[[trigger]]: what is worth a pair of captures beside the schedule; None is no condition.

    `above`, `grows_by` and `at_least` are in the metric's unit: bytes, a fraction, a count.
    """

    name: Name
    metric: Metric
    above: Quantity | None = None
    grows_by: Quantity | None = None
    grows_fraction: Fraction | None = None
    at_least: Quantity = 0.0
    cool_down_s: Seconds = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSettings:
    """[judging]: how findings come of captures; `captures` are those of one window.

    `every_s` is for one target; `processor_share` bounds the whole, as a part of one processor.
    """

    enabled: bool = True
    captures: WindowSize = 20
    every_s: SomeSeconds = 120.0
    processor_share: Share = 0.2
    min_severity: Severity = Severity.LOW
    resolve_after: Some = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the daemon's own server listens: TCP, or a unix socket where `path` is set."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_listen(value: object) -> Listen | None:
    """Read `127.0.0.1:7070`, `:7070`, `[::1]:7070` or `unix:/run/memsnap.sock`; empty is None."""
    text = forms.text(value)
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Listen(path=text.removeprefix("unix:"))
    if not text:
        return None
    host, port = forms.host_and_port(text)
    return Listen(host=host, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """[http]: the daemon's own server; `listen` None where there shall be none.

    `public_url` is where people reach it, for links; empty where they do not.
    `hosts` are the names by which browsers may ask for it, beside addresses and localhost; none
    are all of them where there are tokens.  The last three say what is open to those who bring
    no token: everything on any address (but only to be read), health, and metrics.
    """

    listen: Annotated[Listen | None, read_listen] = Listen(host="127.0.0.1", port=7070)
    public_url: Url = ""
    cert: str = ""
    key: str = ""
    hosts: tuple[HostName, ...] = ()
    listen_without_token: bool = False
    health_without_token: bool = True
    metrics_without_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """[[token]]: who may ask the daemon's own server for what; `hash` is all it knows of one."""

    name: Name
    hash: TokenHash = field(repr=False)
    scope: Scope = Scope.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """[log]: what is written to standard error."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """How requests are let in; files and variables hold the secrets, and are read when needed.

    `headers` are of the form `Name: value`, and may be secrets themselves.
    """

    headers: tuple[Header, ...] = field(default=(), repr=False)
    user: str = ""
    password_file: str = ""
    password_env: Variable = ""
    token_file: str = ""
    token_env: Variable = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """[[alert]]: who is told of findings; exactly one of the three URLs, which may be secrets.

    All of `labels` must match: those of the target and `service`, `target`, `kind`, `verdict`.
    `per_hour` counts messages of this receiver; an Alertmanager groups and limits by itself.
    """

    name: Name
    kind: AlertKind
    url: SecretUrl = field(default="", repr=False)
    url_file: str = ""
    url_env: Variable = ""
    min_severity: Severity = Severity.HIGH
    min_confidence: Share = 0.7
    labels: Patterns = ()
    resolved: bool = True
    cool_down_s: Seconds = 3600.0
    per_hour: Some = 20
    timeout_s: Deadline = 10.0
    request: AccessSettings = AccessSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a target, or all of a discovery, says of its visits; None is as [collector] has it.

    `prefix` None is where pprof usually is.
    """

    interval_s: SomeSeconds | None = None
    timeout_s: Deadline | None = None
    gc: GcPolicy | None = None
    goroutines_every: Count | None = None
    max_bytes: SomeBytes | None = None
    prefix: PathPrefix | None = None
    access: Annotated[AccessSettings, FLAT] = AccessSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """[[target]]: one that is listed; `id` is what names it in the store, its address if empty."""

    address: Address = field(repr=False)
    id: str = ""
    name: str = ""
    labels: Labels = ()
    overrides: Annotated[Overrides, FLAT] = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSearch:
    """kind = "processes": Go programs of this machine that listen.

    `executable` must match the whole file name, `command` any part of the command line; None is
    any.
    """

    executable: Regex | None = None
    command: Regex | None = None
    every_s: SomeSeconds = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSearch:
    """kind = "file": lists of targets as Prometheus' file_sd has them; `files` may have globs."""

    files: Annotated[tuple[str, ...], NOT_EMPTY]
    every_s: SomeSeconds = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSearch:
    """kind = "http": such a list behind a URL, asked for with `request`."""

    url: Url
    every_s: SomeSeconds = 60.0
    request: AccessSettings = AccessSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSearch:
    """kind = "dns": the addresses of names; `port` is needed but for SRV.

    `server` is `host` or `host:port` of a name server, empty for the machine's own.
    """

    names: Annotated[tuple[Domain, ...], NOT_EMPTY]
    type: DnsRecord = DnsRecord.SRV
    port: Port = 0
    scheme: Scheme = Scheme.HTTP
    server: str = ""
    every_s: SomeSeconds = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSearch:
    """kind = "kubernetes": pods with the annotation memsnap.io/scrape.

    No `namespaces` are all of them, no `node` is every node; `node_env` is read when the file is
    loaded.  An empty `api` is the cluster that memsnap runs in, with its service account.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    node: str = ""
    node_env: Variable = ""
    api: Url = ""
    request: AccessSettings = AccessSettings()


Search = ProcessSearch | FileSearch | HttpSearch | DnsSearch | KubernetesSearch

SEARCHES: dict[str, type[Search]] = {
    "processes": ProcessSearch,
    "file": FileSearch,
    "http": HttpSearch,
    "dns": DnsSearch,
    "kubernetes": KubernetesSearch,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverSettings:
    """[[discover]]: targets that are found, and what is made of what was found.

    `name` names it in the store; left out, it is the kind.  First `relabel` sets labels from
    templates such as `{app}-{zone}`, in order, then a target stays if all of `keep` match its
    labels and none of `drop`.
    """

    search: Annotated[Search, APART]
    name: Name = ""
    labels: Labels = ()
    relabel: Templates = ()
    keep: Patterns = ()
    drop: Patterns = ()
    overrides: Annotated[Overrides, FLAT] = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file; `warnings` say what is allowed and hardly meant."""

    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    collector: CollectorSettings = CollectorSettings()
    judging: JudgingSettings = JudgingSettings()
    triggers: tuple[TriggerSettings, ...] = ()
    alerts: tuple[AlertSettings, ...] = ()
    http: HttpSettings = HttpSettings()
    tokens: tuple[TokenSettings, ...] = ()
    log: LogSettings = LogSettings()
    targets: tuple[TargetSettings, ...] = ()
    discovers: tuple[DiscoverSettings, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)


# Tables of the file that are settings; `memsnap --config` leaves them alone.
TABLES = (
    *("store", "retention", "collector", "judging", "trigger", "alert"),
    *("http", "token", "log", "target", "discover"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSettings:
    """How one target is visited, with nothing left open but where pprof is (`prefix`)."""

    interval_s: float
    timeout_s: float
    gc: GcPolicy
    goroutines_every: int
    max_bytes: int
    prefix: str | None
    access: AccessSettings


def visit_settings(collector: CollectorSettings, overrides: Overrides) -> VisitSettings:
    """Return what holds for a target: what it says itself, else what [collector] says."""

    return VisitSettings(
        interval_s=_either(overrides.interval_s, collector.interval_s),
        timeout_s=_either(overrides.timeout_s, collector.timeout_s),
        gc=_either(overrides.gc, collector.gc),
        goroutines_every=_either(overrides.goroutines_every, collector.goroutines_every),
        max_bytes=_either(overrides.max_bytes, collector.max_bytes),
        prefix=overrides.prefix,
        access=overrides.access,
    )


def _either(own: T | None, common: T) -> T:
    return common if own is None else own
