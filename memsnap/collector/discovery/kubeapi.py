"""Speaks with a Kubernetes API server: lists in pages and watches, with a token that may change."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar

import aiohttp
import msgspec

from memsnap.capture.access import Access
from memsnap.capture.proxies import proxy_for
from memsnap.capture.tls import Contexts
from memsnap.collector.discovery.access import open_access
from memsnap.collector.discovery.pods import Event, Pod, PodList, Status
from memsnap.config.settings import AccessSettings, KubernetesSearch
from memsnap.errors import FormatError, MemsnapError, TargetError

T = TypeVar("T")

Parameters = tuple[tuple[str, str], ...]

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_PAGE_PODS = 500
_LINE_MAX_BYTES = 8 << 20  # etcd takes no object above 1.5 MB
_PAGE_MAX_BYTES = 256 << 20
_WATCH_S = 300  # after which the server ends a watch, and a new one goes on from there
_ANSWER_S = 30.0
_GONE = 410

_HINTS = {
    401: "; is its token still good?",
    403: "; its service account needs get, list and watch on pods",
    404: "; is this the URL of a Kubernetes API?",
}


class Gone(MemsnapError):
    """The resource version is too old: the list has to be taken again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where an API server is and how it lets us in."""

    url: str
    settings: AccessSettings
    environment: Mapping[str, str]


def cluster(search: KubernetesSearch, environment: Mapping[str, str]) -> Cluster:
    """Return the cluster of a search: the given one, or that which memsnap runs in.

    Raises:
        TargetError: none is given, and memsnap runs in none.
    """
    if search.api:
        url = search.api.rstrip("/")
        return Cluster(url=url, settings=search.request, environment=environment)
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise TargetError("memsnap runs in no Kubernetes cluster, and no api is given")
    settings = search.request
    if not (settings.token_file or settings.token_env or settings.cert):
        settings = replace(settings, token_file=f"{_ACCOUNT}/token")
    if not (settings.ca or settings.insecure):
        settings = replace(settings, ca=f"{_ACCOUNT}/ca.crt")
    shown = f"[{host}]" if ":" in host else host
    return Cluster(url=f"https://{shown}:{port}", settings=settings, environment=environment)


class KubeApi:
    """A connection to the API of a cluster; use it as an asynchronous context manager."""

    def __init__(self, place: Cluster) -> None:
        self._place = place
        self._contexts = Contexts()
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def __aenter__(self) -> "KubeApi":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def pages(self, path: str, selectors: Parameters) -> AsyncIterator[PodList]:
        """Yield the pages of a list of pods.

        Raises:
            Gone: the list was too slow, and its next page is not there any more.
            MemsnapError: the API cannot be asked, or answers something else.
        """
        token = ""
        while True:
            more = (("limit", str(_PAGE_PODS)), *((("continue", token),) if token else ()))
            page = await self._page(path, (*selectors, *more))
            yield page
            token = page.metadata.continue_
            if not token:
                return

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, selectors: Parameters, version: str
    ) -> AsyncIterator[AsyncIterator[tuple[str, Pod]]]:
        """Return the changes since `version`: their type, and the pod as it is then or last was.

        They end where the server ends the watch.  Raises as `pages`; Gone also in the middle.
        """
        parameters = (
            *selectors,
            ("watch", "1"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(_WATCH_S)),
        )
        # A server that went away without a word is noticed when the watch should have ended.
        limits = aiohttp.ClientTimeout(sock_connect=_ANSWER_S, sock_read=_WATCH_S + _ANSWER_S)
        try:
            async with await self._get(path, parameters, limits) as response:
                yield self._changes(response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(error) from error

    async def _changes(self, response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Pod]]:
        async for line in self._lines(response):
            event = self._decoded(line, Event)
            if event.type == "ERROR":
                raise self._refused(self._decoded(event.object, Status))
            yield event.type, self._decoded(event.object, Pod)

    async def _page(self, path: str, parameters: Parameters) -> PodList:
        limits = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with await self._get(path, parameters, limits) as response:
                body = await _read(response, _PAGE_MAX_BYTES)
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(error) from error
        return await asyncio.to_thread(self._decoded, body, PodList)

    async def _get(
        self, path: str, parameters: Parameters, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        access = await asyncio.to_thread(open_access, self._place.settings, self._place.environment)
        headers = dict(access.headers)
        if authorization := access.authorization():
            headers["Authorization"] = authorization
        url = self._place.url + path
        response = await self._session.get(
            url,
            params=parameters,
            headers=headers,
            ssl=await self._context(access),
            proxy=proxy_for(url) or None,
            allow_redirects=False,
            timeout=limits,
        )
        if response.status == 200:
            return response
        async with response:
            body = await _read(response, _LINE_MAX_BYTES)
        try:
            message = msgspec.json.decode(body, type=Status).message
        except msgspec.MsgspecError:
            message = ""
        raise self._refused(Status(message=message, code=response.status))

    async def _context(self, access: Access) -> ssl.SSLContext | bool:
        if not self._place.url.startswith("https:"):
            return True
        return await asyncio.to_thread(
            self._contexts.context, access, self._place.url, with_certificate=True
        )

    async def _lines(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the lines of a watch; the last one may lack its end if the server went away."""
        rest = bytearray()
        async for chunk in response.content.iter_any():
            *lines, last = chunk.split(b"\n")
            for line in lines:
                yield bytes(rest) + line
                rest.clear()
            rest += last
            if len(rest) > _LINE_MAX_BYTES:
                raise FormatError(f"{self._place.url} sends events above 8 MB")

    def _decoded(self, data: bytes | msgspec.Raw, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            raise FormatError(
                f"{self._place.url} does not answer as a Kubernetes API: {error}"
            ) from error

    def _refused(self, status: Status) -> MemsnapError:
        if status.code == _GONE:
            return Gone("the resource version is too old")
        said = f": {status.message}" if status.message else ""
        hint = _HINTS.get(status.code, "")
        return TargetError(f"{self._place.url} answers {status.code}{said}{hint}")

    def _failed(self, error: Exception) -> TargetError:
        if isinstance(error, TimeoutError):
            return TargetError(f"{self._place.url} does not answer in time")
        reason = str(error) or type(error).__name__
        return TargetError(f"{self._place.url} cannot be asked: {reason}")


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise FormatError(f"{response.url.origin()} answers with more than {max_bytes} bytes")
    return bytes(body)
