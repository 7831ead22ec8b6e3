"""TriggerSettingss that take captures beside the schedule."""

from memsnap.collector.triggers import Watch, gauges_of
from memsnap.config.settings import Metric, TriggerSettings
from memsnap.snapshot import MemStats, ProcessMemory

SECOND = 1_000_000_000
ABOVE = TriggerSettings(name="big", metric=Metric.HEAP, above=100.0, cool_down_s=60)
GROWS = TriggerSettings(
    name="grows", metric=Metric.RSS, grows_fraction=0.5, at_least=50.0, cool_down_s=60
)


def names(watch: Watch, rule: TriggerSettings, values: list[tuple[int, float]]) -> list[int]:
    """Return the seconds at which `rule` fires over (second, value)."""
    seconds = []
    for second, value in values:
        watch, firing = watch.look([rule], {rule.metric: value}, second * SECOND)
        if firing:
            seconds.append(second)
    return seconds


def test_a_bound_fires_once_where_it_is_crossed() -> None:
    assert names(Watch(), ABOVE, [(0, 90), (10, 101), (20, 120), (90, 130)]) == [10]


def test_a_bound_fires_again_after_the_gauge_was_below_it_and_cooled_down() -> None:
    values = [(0, 101.0), (10, 90.0), (20, 101.0), (30, 90.0), (70, 101.0)]
    assert names(Watch(), ABOVE, values) == [0, 70]


def test_growth_counts_from_the_last_capture() -> None:
    watch = Watch().captured({Metric.RSS: 100.0})

    assert names(watch, GROWS, [(0, 140), (1, 151)]) == [1]
    assert names(watch.captured({Metric.RSS: 151.0}), GROWS, [(2, 160)]) == []


def test_growth_of_little_is_no_event() -> None:
    assert names(Watch().captured({Metric.RSS: 10.0}), GROWS, [(0, 40)]) == []


def test_growth_by_an_amount_fires_at_the_amount() -> None:
    rule = TriggerSettings(name="by", metric=Metric.GOROUTINES, grows_by=100, cool_down_s=0)
    watch = Watch().captured({Metric.GOROUTINES: 10})

    assert names(watch, rule, [(0, 109), (1, 110)]) == [1]


def test_without_a_capture_there_is_nothing_to_grow_from() -> None:
    assert names(Watch(), GROWS, [(0, 10**12)]) == []


def test_an_unknown_gauge_fires_nothing() -> None:
    _, firing = Watch().look([ABOVE], {Metric.RSS: 10**12}, 0)

    assert firing == ()


def test_gauges_are_what_a_capture_knows() -> None:
    memory = ProcessMemory(rss=7, cgroup_current=30, cgroup_limit=120)

    assert gauges_of(MemStats(source="expvar", heap_alloc=5), memory, 3) == {
        Metric.HEAP: 5,
        Metric.RSS: 7,
        Metric.CGROUP_FRACTION: 0.25,
        Metric.GOROUTINES: 3,
    }
    assert gauges_of(None, None, None) == {}
