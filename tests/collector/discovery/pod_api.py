"""A Kubernetes API for pods, as documented: lists in pages, watches from a resource version on."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web


def pod(name, *, port="6060", namespace="shop", ip="10.0.0.1", **changes):
    """Return a pod that runs and asks to be captured; `changes` replace annotations and more."""
    annotations = {"memsnap.io/scrape": "true"} | ({"memsnap.io/port": port} if port else {})
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": annotations | changes.get("annotations", {}),
            "labels": changes.get("labels", {"app": "shop"}),
            **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if changes.get("ending") else {}),
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
        },
        "spec": {
            "nodeName": changes.get("node", "worker-1"),
            "containers": [{"name": "main", "ports": changes.get("ports")}],
        },
        "status": {"phase": changes.get("phase", "Running"), "podIP": ip},
    }


@dataclass(slots=True)
class PodApi:
    """Pods with their history; `oldest` is the first version that a watch may begin at."""

    pods: dict[tuple[str, str], dict] = field(default_factory=dict)
    version: int = 100
    history: list[tuple[int, str, dict]] = field(default_factory=list)
    oldest: int = 0
    page: int = 2
    token: str = "token-1"
    status: int = 200
    forbidden: str = ""  # a namespace
    requests: list[web.Request] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def put(self, one: dict) -> None:
        """Add or change a pod."""
        name = (one["metadata"]["namespace"], one["metadata"]["name"])
        self._record("MODIFIED" if name in self.pods else "ADDED", one)
        self.pods[name] = one

    def delete(self, namespace: str, name: str) -> None:
        """Delete a pod."""
        self._record("DELETED", self.pods.pop((namespace, name)))

    def forget_history(self) -> None:
        """Make every version but the present one too old, and end the watches."""
        self.oldest = self.version
        self.end_watches()

    def end_watches(self) -> None:
        """End every watch that is open."""
        self.cut.set()
        self.cut = asyncio.Event()

    def paths(self) -> list[str]:
        return [request.path_qs for request in self.requests]

    def _record(self, kind: str, one: dict) -> None:
        self.version += 1
        one["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((self.version, kind, json.loads(json.dumps(one))))
        self.changed.set()
        self.changed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.status != 200:
            return _failure(self.status, "not today")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _failure(401, "Unauthorized")
        namespace = request.match_info.get("namespace", "")
        if self.forbidden and self.forbidden == namespace:
            return _failure(403, "not yours")
        if request.query.get("watch"):
            return await self._watch(request, namespace)
        return self._list(request, namespace)

    def _list(self, request: web.Request, namespace: str) -> web.Response:
        start = int(request.query.get("continue", "0"))
        pods = [one for (where, _), one in sorted(self.pods.items()) if namespace in ("", where)]
        more = {"continue": str(start + self.page)} if start + self.page < len(pods) else {}
        metadata = {"resourceVersion": str(self.version), **more}
        items = pods[start : start + self.page] or None
        return web.json_response({"kind": "PodList", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, namespace: str) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        if seen < self.oldest:
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            await response.write(_line("ERROR", status))
            return response
        cut = self.cut
        while not cut.is_set():
            changed = self.changed
            for version, kind, one in self.history:
                if version > seen and namespace in ("", one["metadata"]["namespace"]):
                    line = _line(kind, one)
                    await response.write(line[:50])  # in pieces, as networks have it
                    await response.write(line[50:])
            seen = self.version
            mark = {"kind": "Pod", "metadata": {"resourceVersion": str(seen)}}
            await response.write(_line("BOOKMARK", mark))
            waits = [asyncio.create_task(event.wait()) for event in (changed, cut)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return response


def _line(kind: str, one: dict) -> bytes:
    return json.dumps({"type": kind, "object": one}).encode() + b"\n"


def _failure(code: int, message: str) -> web.Response:
    document = {"kind": "Status", "status": "Failure", "message": message, "code": code}
    return web.json_response(document, status=code)


@contextlib.asynccontextmanager
async def pod_api(*pods: dict, ssl_context=None) -> AsyncIterator[PodApi]:
    """Run an API with these pods on loopback."""
    api = PodApi()
    for one in pods:
        api.put(one)
    application = web.Application()
    application.router.add_get("/api/v1/pods", api.handle)
    application.router.add_get("/api/v1/namespaces/{namespace}/pods", api.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
    scheme = "https" if ssl_context else "http"
    api.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api.end_watches()
        await runner.cleanup()
