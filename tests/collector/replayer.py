"""Many targets in one process: answers like a Go service with a real profile, its counts changing.

    python replayer.py heap.pb.gz

prints its port.  Target `n` is at `/t/n/debug/pprof`.  Misbehaviour is asked for by name:
`/t/hang-n`, `drip`, `flood`, `reset`, `html`, `missing`; and `POST /t/n/become/hang` changes it.
"""

import asyncio
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from aiohttp import web

from memsnap.pprof.encode import compress, encode
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read

VARIANTS = 12


def variants(heap: Profile) -> list[Profile]:
    """Return the profile with counts that change from one to the next as those of a service."""
    numbers = np.random.default_rng(7)
    changed = []
    for turn in range(VARIANTS):
        values = heap.values.copy()
        busy = numbers.random(len(values)) < 0.3
        factor = np.where(busy, 1 + turn, 1)[:, None]
        changed.append(replace(heap, values=values * factor))
    return changed


class Replayer:
    def __init__(self, data: bytes) -> None:
        self.profiles = variants(read(data, name="the recorded heap"))
        self.visits: Counter[str] = Counter()
        self.behaviour: dict[str, str] = {}
        self.bodies: dict[int, bytes] = {}
        self.started_ns = time.time_ns()

    def behaves(self, target: str) -> str:
        return self.behaviour.get(target, target.partition("-")[0])

    async def heap(self, request: web.Request) -> web.StreamResponse:
        target = request.match_info["target"]
        match self.behaves(target):
            case "hang":
                await asyncio.sleep(3600)
            case "drip":
                return await self._stream(request, b"\x1f", 0.2)
            case "flood":
                return await self._stream(request, b"\0" * (1 << 20), 0)
            case "reset":
                assert request.transport is not None
                request.transport.abort()
            case "html":
                return web.Response(text="<html>Sign in</html>", content_type="text/html")
            case "missing":
                raise web.HTTPNotFound
        self.visits[target] += 1
        return web.Response(
            body=self._body(self.visits[target]), content_type="application/octet-stream"
        )

    def _body(self, visit: int) -> bytes:
        turn = visit % VARIANTS
        if turn not in self.bodies:
            self.bodies[turn] = encode(self.profiles[turn])
        # The time of a profile is its own; the message may be made of parts in any order.
        stamp = b"\x48" + _varint(time.time_ns())
        return compress(self.bodies[turn] + stamp)

    async def _stream(
        self, request: web.Request, piece: bytes, pause_s: float
    ) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(piece)
            await asyncio.sleep(pause_s)

    async def counters(self, request: web.Request) -> web.Response:
        visits = self.visits[request.match_info["target"]]
        stats = {
            "HeapAlloc": 50_000_000 + visits * 1_000_000,
            "Alloc": 50_000_000 + visits * 1_000_000,
            "TotalAlloc": 100_000_000 + visits * 9_000_000,
            "Mallocs": 10**6 + visits * 1000,
            "Frees": 10**5,
            "NumGC": 10 + visits,
            "NumForcedGC": visits,
            "LastGC": time.time_ns(),
            "NextGC": 100_000_000,
        }
        return web.json_response({"cmdline": ["replayed"], "memstats": stats})

    async def become(self, request: web.Request) -> web.Response:
        self.behaviour[request.match_info["target"]] = request.match_info["behaviour"]
        return web.Response()


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


async def main(data: bytes) -> None:
    replayer = Replayer(data)
    app = web.Application()
    app.router.add_get("/t/{target}/debug/pprof/heap", replayer.heap)
    app.router.add_get("/t/{target}/debug/vars", replayer.counters)
    app.router.add_post("/t/{target}/become/{behaviour}", replayer.become)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started us is gone
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes()))
