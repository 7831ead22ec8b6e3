"""An archive for callers that know no event loop: scripts, notebooks, the command line."""

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from memsnap.archive import lookup
from memsnap.archive.places import Place, opened
from memsnap.archive.references import parse_reference
from memsnap.snapshot import Snapshot

T = TypeVar("T")


def load_stored(reference: str, place: Place) -> list[Snapshot]:
    """Return the captures that a reference means, the oldest first; see `lookup.resolve`."""
    now_ns = time.time_ns()
    wanted = parse_reference(reference, now_ns=now_ns)

    async def ask() -> list[Snapshot]:
        async with opened(place) as archive:
            records = await lookup.resolve(archive, wanted, now_ns=now_ns)
            return [await lookup.load(archive, record) for record in records]

    return run(ask())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine, also where an event loop runs, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, work).result()
