"""What stores are filled with: targets and times that a test can name."""

from memsnap.storage.records import Labels, SeenTarget

START_NS = 1_795_356_000_000_000_000
MINUTE_NS = 60 * 10**9


def at(minutes: float) -> int:
    """Return a moment of the test's day, in ns since 1970."""
    return START_NS + round(minutes * MINUTE_NS)


def seen(
    key: str,
    *,
    address: str = "",
    service: str = "",
    source: str = "static",
    labels: Labels = (),
) -> SeenTarget:
    """Return a target as a discovery finds it."""
    return SeenTarget(
        key=key,
        address=address or f"http://{key}:6060",
        service=service or f"service-{key}",
        source=source,
        labels=labels,
    )
