"""Recordings of real services, packed; the corpus' own code lives beside the benchmarks."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

if TYPE_CHECKING:
    from corpus_score import Score
    from corpus_store import Recording

PACKS = Path(__file__).parent


@pytest.fixture(scope="session")
def recorded() -> Iterator[list["Recording"]]:
    """All recordings of 5 captures 10 s apart, on three releases of Go."""
    from corpus_store import PACKED, opened

    with opened(*sorted(PACKS.glob(f"go*{PACKED}"))) as found:
        yield found


@pytest.fixture(scope="session")
def recorded_long() -> Iterator[list["Recording"]]:
    """All recordings of 20 captures 60 s apart."""
    from corpus_store import PACKED, opened

    with opened(*sorted(PACKS.glob(f"long*{PACKED}"))) as found:
        yield found


@pytest.fixture(scope="session")
def scored_field() -> dict[str, list["Score"]]:
    """What memsnap says of the services in tests/field: of `running` ones, and from their `start`.

    5 captures 10 s apart, each service on one of three releases of Go.
    """
    from corpus_score import scores
    from corpus_store import PACKED, opened

    from memsnap.api import findings

    found = {}
    for when, name in (("running", "field"), ("start", "field-start")):
        with opened(PACKS / f"{name}{PACKED}") as recordings:
            found[when] = list(scores(recordings, findings, None))
    return found


@pytest.fixture(scope="session")
def scored(recorded: list["Recording"]) -> list["Score"]:
    """What memsnap says of each recording; without pprof's view of it."""
    from corpus_score import scores

    from memsnap.api import findings

    return list(scores(recorded, findings, None))
