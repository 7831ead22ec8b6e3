"""When memory does something worth a capture beside the schedule: pure rules over gauges.

A rule watches one gauge of one target.  It fires where the gauge comes to stand above a bound, or
has grown by an amount or a fraction since the last capture; then not again before its cool-down is
over, and an absolute bound not before the gauge was below it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from memsnap.config.settings import Metric, TriggerSettings
from memsnap.snapshot import MemStats, ProcessMemory

Gauges = Mapping[Metric, float]


def gauges_of(
    stats: MemStats | None, memory: ProcessMemory | None, goroutines: int | None
) -> dict[Metric, float]:
    """Return the gauges that are known: HeapAlloc, RSS, share of the cgroup's limit, goroutines."""
    memory = memory or ProcessMemory()
    known = {
        Metric.HEAP: stats.heap_alloc if stats else None,
        Metric.RSS: memory.rss,
        Metric.CGROUP_FRACTION: _fraction(memory),
        Metric.GOROUTINES: goroutines,
    }
    return {gauge: value for gauge, value in known.items() if value is not None}


def _fraction(memory: ProcessMemory) -> float | None:
    if not memory.cgroup_limit or memory.cgroup_current is None:
        return None
    return memory.cgroup_current / memory.cgroup_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fired:
    at_ns: int
    above: bool  # and still so, as far as is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the rules know of one target: a value, replaced by the next with every look."""

    base: Gauges = field(default_factory=dict)  # at the last capture
    fired: Mapping[str, _Fired] = field(default_factory=dict)

    def captured(self, gauges: Gauges) -> "Watch":
        """Return the watch after a capture: growth counts from there."""
        return replace(self, base={**self.base, **gauges})

    def look(
        self, rules: Iterable[TriggerSettings], gauges: Gauges, now_ns: int
    ) -> "tuple[Watch, tuple[TriggerSettings, ...]]":
        """Return the watch after a look at `gauges`, and the rules that fire."""
        fired, firing = dict(self.fired), []
        for rule in rules:
            value = gauges.get(rule.metric)
            if value is None:
                continue
            last = fired.get(rule.name)
            above = rule.above is not None and value > rule.above
            crossed = above and not (last and last.above)
            cool = last is None or now_ns - last.at_ns >= rule.cool_down_s * 1e9
            if cool and (crossed or _grew(rule, self.base.get(rule.metric), value)):
                firing.append(rule)
                fired[rule.name] = _Fired(at_ns=now_ns, above=above)
            elif last and last.above and not above:
                fired[rule.name] = replace(last, above=False)
        return replace(self, fired=fired), tuple(firing)


def _grew(rule: TriggerSettings, base: float | None, value: float) -> bool:
    if base is None or value < rule.at_least:
        return False
    growth = value - base
    by = rule.grows_by is not None and growth >= rule.grows_by
    fraction = rule.grows_fraction is not None and base > 0 and growth >= rule.grows_fraction * base
    return by or fraction
