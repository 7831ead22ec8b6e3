"""What Prometheus reads of the daemon."""

from prometheus_client.parser import text_string_to_metric_families

from memsnap.collector.metrics import Metrics
from memsnap.storage.records import Cause, SeenTarget

SHOP = SeenTarget(key="shop", address="http://shop:6060", service="shop", source="static")
HOSTILE = SeenTarget(key='a"\n}', address="http://x", service="\\", source="static")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.exposition().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_target_has_its_successes_and_failures() -> None:
    metrics = Metrics()
    metrics.succeeded(SHOP, 1000.0, 0.25)
    metrics.failure(SHOP, Cause.TIMEOUT)

    named = (("service", "shop"), ("target", "shop"))
    found = samples(metrics)
    assert found["memsnap_captures_total", named] == 1
    assert found["memsnap_target_last_success_timestamp_seconds", named] == 1000
    assert found["memsnap_capture_failures_total", (("cause", "timeout"), *named)] == 1


def test_a_retired_target_leaves_no_series() -> None:
    metrics = Metrics()
    metrics.succeeded(SHOP, 1000.0, 0.25)
    metrics.failure(SHOP, Cause.TIMEOUT)
    metrics.forget(SHOP)

    assert not [labels for _, labels in samples(metrics) if ("target", "shop") in labels]


def test_hostile_names_are_escaped() -> None:
    metrics = Metrics()
    metrics.succeeded(HOSTILE, 1.0, 1.0)

    assert samples(metrics)["memsnap_captures_total", (("service", "\\"), ("target", 'a"\n}'))] == 1


def test_the_daemon_shows_its_own_memory() -> None:
    assert samples(Metrics())["process_resident_memory_bytes", ()] > 1 << 20
