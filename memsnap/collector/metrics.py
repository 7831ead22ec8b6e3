"""What the daemon says of itself, as Prometheus metrics; docs/operations.md explains each.

Everything lives in one registry per daemon, so that tests may run several in one process.
"""

import contextlib
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from memsnap.storage.records import Cause, SeenTarget
from memsnap.version import __version__

_TARGET = ("target", "service")
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """The daemon's counters and gauges; methods keep the labels of a target together."""

    def __init__(self) -> None:
        # They double the size of a scrape, for nothing that is used.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def gauge(name: str, words: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(f"memsnap_{name}", words, labels, registry=registry)

        def counter(name: str, words: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"memsnap_{name}", words, labels, registry=registry)

        gauge("build_info", "1, with the version of memsnap.", ["version"]).labels(__version__).set(
            1
        )
        self.targets = gauge("targets", "Targets known, by discovery.", ["source"])
        self.discovery_failures = counter(
            "discovery_failures_total", "Refreshes of a discovery that failed.", ["source"]
        )
        self.scheduled = counter("captures_scheduled_total", "Slots that came due.")
        self.captured = counter("captures_total", "Captures that succeeded.", _TARGET)
        self.failed = counter(
            "capture_failures_total", "Captures that failed.", (*_TARGET, "cause")
        )
        self.last_success = gauge(
            "target_last_success_timestamp_seconds", "When a capture last succeeded.", _TARGET
        )
        self.duration = gauge(
            "target_capture_duration_seconds", "Duration of the last capture.", _TARGET
        )
        self.heap_bytes = gauge(
            "target_heap_live_bytes", "HeapAlloc at the last capture, behind its GC.", _TARGET
        )
        self.running = gauge("captures_running", "Captures under way.")
        self.waiting = gauge("captures_waiting", "Captures that wait for their turn.")
        self.triggered = counter("triggers_total", "Triggers that fired.", ["trigger"])
        self.store_up = gauge("store_up", "1 while the store answers, else 0.")
        self.store_bytes = gauge("store_bytes", "Size of the store.")
        self.store_budget_bytes = gauge(
            "store_budget_bytes", "Size that retention keeps the store below; 0 is none."
        )
        self.save_seconds = Histogram(
            "memsnap_store_save_seconds",
            "Time to store one capture.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.pruned = counter(
            "pruned_snapshots_total", "Snapshots that retention removed.", ["reason"]
        )
        self.spooled = gauge("spool_files", "Captures on disk that wait for the store.")
        self.spool_bytes = gauge("spool_bytes", "Size of the captures that wait for the store.")
        self.spool_dropped = counter(
            "spool_dropped_total", "Captures lost because the spool was full."
        )
        self.spool_set_aside = counter(
            "spool_set_aside_total", "Captures on disk that never can be stored.", ["why"]
        )
        self.audit_waiting = gauge("audit_waiting", "Lines of the audit that wait for the store.")
        self.audit_lost = counter("audit_lost_total", "Lines of the audit lost: too many waited.")
        self.leases = gauge("leases_held", "Targets that this collector visits.")
        self.leases_lost = counter("leases_lost_total", "Targets that went to other collectors.")
        self.collectors = gauge("collectors", "Collectors alive on this store.")
        self.findings = gauge(
            "findings",
            "Findings of a target that are not resolved.",
            (*_TARGET, "state", "severity", "kind"),
        )
        self._counted: set[tuple[str, ...]] = set()
        self.judged = counter(
            "judgements_total",
            "Windows of captures, judged or skipped for not growing.",
            ["result"],
        )
        self.judging_seconds = Histogram(
            "memsnap_judging_seconds",
            "Time to judge one target.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.alerts_sent = counter(
            "alerts_sent_total", "Messages that a receiver has taken.", ["receiver"]
        )
        self.alerts_failed = counter(
            "alerts_failed_total",
            "Messages that did not get through; they are repeated.",
            ["receiver"],
        )
        self.reloads = counter("config_reloads_total", "Reloads of the configuration.", ["result"])

    def succeeded(self, target: SeenTarget, at_s: float, elapsed_s: float) -> None:
        """Count a capture; `at_s` is in seconds since 1970."""
        names = (target.key, target.service)
        self.captured.labels(*names).inc()
        self.last_success.labels(*names).set(at_s)
        self.duration.labels(*names).set(elapsed_s)

    def failure(self, target: SeenTarget, cause: Cause) -> None:
        """Count a capture that failed."""
        self.failed.labels(target.key, target.service, cause.value).inc()

    def forget(self, target: SeenTarget) -> None:
        """Drop the series of a target that is gone."""
        names = {"target": target.key, "service": target.service}
        for family in (
            self.captured,
            self.failed,
            self.last_success,
            self.duration,
            self.heap_bytes,
            self.findings,
        ):
            family.remove_by_labels(names)

    def forget_findings(self, target: SeenTarget) -> None:
        """Drop the findings of a target that another collector visits now."""
        self.findings.remove_by_labels({"target": target.key, "service": target.service})

    def count_findings(
        self,
        targets: Mapping[int, SeenTarget],
        counts: Mapping[tuple[int, str, str, str], int],
    ) -> None:
        """Set how many findings there are, by target id, state, severity and kind; no others."""
        rows = {}
        for (number, *names), count in counts.items():
            target = targets[number]
            rows[(target.key, target.service, *names)] = count
        for row in self._counted - rows.keys():
            with contextlib.suppress(KeyError):  # its target may have been forgotten since
                self.findings.remove(*row)
        for row, count in rows.items():
            self.findings.labels(*row).set(count)
        self._counted = set(rows)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format; takes 80 ms at 500 targets."""
        return generate_latest(self.registry)
