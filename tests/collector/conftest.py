"""What tests of the daemon share: a real profile, and a server that replays it as many targets."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from daemons import replaying
from services import Service, save_heap


@pytest.fixture(scope="session")
def heap(
    service: Callable[..., AbstractContextManager[Service]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A real heap profile."""
    with service("map_growth") as growing:
        growing.step(2000)
        return save_heap(growing, tmp_path_factory.mktemp("replayed") / "heap.pb.gz")


@pytest.fixture
def replayed(heap: Path) -> Iterator[str]:
    """The address of many targets in one process."""
    with replaying(heap) as address:
        yield address
