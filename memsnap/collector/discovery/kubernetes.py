"""Pods of a Kubernetes cluster: listed once, then watched, for as long as the API lets us.

The protocol is that of "Efficient detection of changes" in the API concepts: a list in pages gives
a resource version, from which a watch tells every change; where that version is too old (410
Gone), the list is taken again.  Plain aiohttp, for a client library weighs 23 to 66 MB of memory.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from memsnap.collector.discovery.candidates import Candidate, admit
from memsnap.collector.discovery.found import Publish, Update
from memsnap.collector.discovery.kubeapi import Gone, KubeApi, cluster
from memsnap.collector.discovery.pods import Pod, candidates_of, problem_of
from memsnap.config.settings import CollectorSettings, DiscoverSettings, KubernetesSearch
from memsnap.errors import MemsnapError

_GATHER_S = 0.25  # changes come in bursts; so long they are put together
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


@dataclass(slots=True)
class _Place:
    """What is known of one namespace, or of all together.

    `version` is how far the changes are known, empty where a list is due; `pods` is None before
    the first one.
    """

    path: str
    version: str = ""
    pods: dict[tuple[str, str], tuple[Candidate, ...]] | None = None
    odd: dict[tuple[str, str], str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Follows the pods of a search."""

    search: KubernetesSearch
    discover: DiscoverSettings
    collector: CollectorSettings
    host: str
    environment: Mapping[str, str]

    @property
    def source(self) -> str:
        """What names it."""
        return self.discover.name

    async def follow(self, publish: Publish) -> None:
        """Publish the targets among the pods after the first list and after every change."""
        places = [_Place(path) for path in _paths(self.search.namespaces)]
        changed = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(self._keep(place, changed), name=f"pods of {self.source}")
            await self._tell(places, changed, publish)

    async def _tell(self, places: list[_Place], changed: asyncio.Event, publish: Publish) -> None:
        last: Update | None = None
        while True:
            await changed.wait()
            await asyncio.sleep(_GATHER_S)
            changed.clear()
            if any(place.pods is None and not place.problem for place in places):
                continue  # a first list is still under way
            now = self._update(places)
            if now != last:
                publish(now)
                last = now

    def _update(self, places: list[_Place]) -> Update:
        problems = {place.problem: None for place in places if place.problem}
        if all(place.pods is None for place in places):
            return Update(source=self.source, found=None, problems=tuple(problems))
        candidates = [one for place in places for pod in (place.pods or {}).values() for one in pod]
        odd = [problem for place in places for problem in place.odd.values()]
        admission = admit(candidates, self.discover, self.collector, self.host)
        return Update(
            source=self.source,
            found=admission.found,
            problems=(*problems, *sorted(odd), *admission.problems),
        )

    async def _keep(self, place: _Place, changed: asyncio.Event) -> None:
        """Keep a place up to date, whatever the API does."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                async with KubeApi(cluster(self.search, self.environment)) as api:
                    while True:
                        if not place.version:
                            await self._list(api, place)
                        await self._watch(api, place, changed)
                        wait_s = _FIRST_WAIT_S
                        await asyncio.sleep(_GATHER_S)
            except Gone:
                place.version = ""
            except MemsnapError as error:
                place.problem = error.message
                changed.set()
            # The collectors of a fleet lose an API server at the same moment.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _list(self, api: KubeApi, place: _Place) -> None:
        """Take over all pods of a place."""
        fresh = _Place(place.path, pods={})
        async for page in api.pages(place.path, self._selectors()):
            fresh.version = page.metadata.resource_version
            for pod in page.items or []:
                self._put(fresh, pod)
        place.pods, place.odd, place.version = fresh.pods, fresh.odd, fresh.version

    async def _watch(self, api: KubeApi, place: _Place, changed: asyncio.Event) -> None:
        """Follow the changes of a place until the API ends the watch."""
        async with api.watch(place.path, self._selectors(), place.version) as changes:
            place.problem = ""
            changed.set()
            async for kind, pod in changes:
                place.version = pod.metadata.resource_version or place.version
                if kind != "BOOKMARK":
                    self._put(place, pod, deleted=kind == "DELETED")
                    changed.set()

    def _put(self, place: _Place, pod: Pod, *, deleted: bool = False) -> None:
        name = (pod.metadata.namespace, pod.metadata.name)
        targets = () if deleted else tuple(candidates_of(pod, self.source))
        problem = "" if deleted else problem_of(pod)
        pods = place.pods if place.pods is not None else {}
        pods.pop(name, None)
        place.odd.pop(name, None)
        if targets:
            pods[name] = targets
        if problem:
            place.odd[name] = problem

    def _selectors(self) -> tuple[tuple[str, str], ...]:
        node = f"spec.nodeName={self.search.node}" if self.search.node else ""
        given = (("labelSelector", self.search.selector), ("fieldSelector", node))
        return tuple((name, value) for name, value in given if value)


def _paths(namespaces: tuple[str, ...]) -> list[str]:
    if not namespaces:
        return ["/api/v1/pods"]
    return [f"/api/v1/namespaces/{namespace}/pods" for namespace in namespaces]
