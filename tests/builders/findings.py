"""Findings as the store gives them, of a made-up service."""

from memsnap.storage.records import SeenTarget
from memsnap.storage.sightings import Course, FindingRecord, State

START_NS = 1_795_356_000_000_000_000
SHOP = SeenTarget(
    key="shop-1",
    address="http://shop:6060",
    service="shop",
    source="static",
    labels=(("env", "prod"),),
)


def at(minutes: float) -> int:
    """Return a moment of the test's day, in ns since 1970."""
    return START_NS + round(minutes * 60e9)


def finding(
    number: int,
    *,
    state: State = State.OPEN,
    severity: str = "high",
    confidence: float = 0.975,
    title: str = "main.put leaks: 39 MB more",
    target: SeenTarget = SHOP,
) -> FindingRecord:
    """Return a leak of `main.put` that is open since minute 0."""
    over = state is State.RESOLVED
    return FindingRecord(
        id=number,
        target_id=7,
        seen=target,
        fingerprint="growth:main.put:[]uint8",
        kind="growth",
        verdict="leak",
        severity=severity,
        confidence=confidence,
        function="main.put",
        course=Course(
            state=state,
            first_ns=at(0),
            since_ns=at(0),
            last_ns=at(5),
            process_id=3,
            captures=5,
            resolved_ns=at(9) if over else None,
        ),
        since_build="c0ffee",
        muted_until_ns=None,
        muted_by="",
        document={
            "title": title,
            "text": f"{title}. It was <counted> & sampled.",
            "advice": "Delete what is not used.",
            "file": "/srv/shop/put.go",
            "line": 31,
            "growth": {"bytes": 1 << 20, "bytes_per_s": 1024.0},
        },
    )
