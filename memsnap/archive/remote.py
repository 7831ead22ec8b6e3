"""An archive behind the HTTP API of a daemon."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from memsnap.archive.errors import NotFound, Problem, ServerError
from memsnap.archive.parameters import (
    Parameters,
    failure_parameters,
    finding_parameters,
    series_parameters,
    settling_parameters,
    snapshot_parameters,
    target_parameters,
)
from memsnap.archive.values import (
    API_VERSION,
    FailureQuery,
    FindingQuery,
    KeptFinding,
    Page,
    Series,
    SeriesQuery,
    TargetQuery,
    Welcome,
)
from memsnap.capture.access import Access
from memsnap.capture.proxies import proxy_for
from memsnap.capture.tls import Contexts
from memsnap.errors import UsageError
from memsnap.snapshot import Snapshot
from memsnap.storage import snapfile
from memsnap.storage.records import FailureRecord, SnapshotFilter, SnapshotRecord, TargetRecord
from memsnap.units import format_bytes
from memsnap.version import __version__

T = TypeVar("T")

_CONNECT_S, _ANSWER_S = 10.0, 120.0
_PIECE = 1 << 16
_PROBLEM = "application/problem+json"
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_IS_IT = "is this the address of memsnap serve? Its log says where it listens"


class RemoteArchive:
    """Asks a daemon; see `Archive`.  `max_bytes` bounds each answer, also after decompression."""

    def __init__(
        self, session: aiohttp.ClientSession, door: "_Door", *, tls: Any, max_bytes: int
    ) -> None:
        self._session = session
        self._door = door
        self._tls = tls
        self._max_bytes = max_bytes

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, token: str = "", max_bytes: int) -> AsyncIterator[Self]:
        """Connect to `http://host:7070`, `https://...` or `unix:/run/memsnap.sock`.

        Raises UsageError for another kind of URL, ServerError where no daemon answers there.
        """
        door = _door(url)
        connector = aiohttp.UnixConnector(door.socket) if door.socket else None
        tls: Any = True
        if door.url.scheme == "https":
            tls = await asyncio.to_thread(
                Contexts().context, Access(), door.name, with_certificate=False
            )
        headers = {"User-Agent": f"memsnap/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S, sock_connect=_CONNECT_S)
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=timeout
        ) as session:
            archive = cls(session, door, tls=tls, max_bytes=max_bytes)
            await archive._greet()
            yield archive

    @property
    def name(self) -> str:
        """The server, without credentials."""
        return self._door.name

    async def targets(self, wanted: TargetQuery) -> list[TargetRecord]:
        """Return targets by service and key."""
        return await self._pages(
            "targets", target_parameters(wanted), wanted.limit, Page[TargetRecord]
        )

    async def find_target(self, text: str) -> TargetRecord:
        """Return the target with this id, key, service or address; raises NotFound."""
        body = await self._get("targets", {"name": text})
        page = self._read(body, Page[TargetRecord])
        if len(page.items) != 1:
            raise NotFound(f"{self.name} has no target {text!r}")
        return page.items[0]

    async def snapshots(self, wanted: SnapshotFilter) -> list[SnapshotRecord]:
        """Return snapshots without their profiles, by slot."""
        return await self._pages(
            "snapshots", snapshot_parameters(wanted), wanted.limit, Page[SnapshotRecord]
        )

    async def load(self, snapshot_id: int) -> Snapshot:
        """Return a whole snapshot; raises NotFound, FormatError."""
        body = await self._get(f"snapshots/{snapshot_id}/snap", {})
        return await asyncio.to_thread(
            snapfile.from_bytes,
            body,
            name=f"snapshot {snapshot_id}",
            max_bytes=self._max_bytes,
        )

    async def series(self, target_id: int, wanted: SeriesQuery) -> Series:
        """Return how a target went over time."""
        body = await self._get(f"targets/{target_id}/series", series_parameters(wanted))
        return self._read(body, Series)

    async def failures(self, wanted: FailureQuery) -> list[FailureRecord]:
        """Return lines of the audit, the newest slots first."""
        body = await self._get("failures", failure_parameters(wanted))
        return list(self._read(body, Page[FailureRecord]).items)

    async def findings(self, wanted: FindingQuery) -> list[KeptFinding]:
        """Return findings, those seen last first."""
        body = await self._get("findings", finding_parameters(wanted))
        return list(self._read(body, Page[KeptFinding]).items)

    async def mute(
        self, finding_id: int, *, until_ns: int | None, reason: str, by: str
    ) -> KeptFinding:
        """Let nobody be told of a finding; `by` is what the server knows of our token."""
        parameters = settling_parameters(until_ns=until_ns, reason=reason)
        return await self._settle(finding_id, "mute", parameters)

    async def unmute(self, finding_id: int) -> KeptFinding:
        """End the mute of a finding; raises NotFound."""
        return await self._settle(finding_id, "unmute", {})

    async def resolve(self, finding_id: int, *, reason: str, by: str) -> KeptFinding:
        """Say that a finding is done with; `by` is what the server knows of our token."""
        return await self._settle(finding_id, "resolve", settling_parameters(reason=reason))

    async def _settle(self, finding_id: int, word: str, query: Parameters) -> KeptFinding:
        body = await self._ask("POST", f"findings/{finding_id}/{word}", query)
        return self._read(body, KeptFinding)

    async def _greet(self) -> None:
        """Make sure that this is a memsnap of our version of the API."""
        body = await self._get("", {})
        try:
            welcome = msgspec.json.decode(body, type=Welcome)
        except _UNREADABLE as error:
            raise ServerError(f"{self.name} is no memsnap server", hint=_IS_IT) from error
        if welcome.server != "memsnap" or welcome.api != API_VERSION:
            raise ServerError(
                f"{self.name} is memsnap {welcome.version}, whose API this one does not know",
                hint="use the same release on both sides",
            )

    async def _pages(
        self, path: str, query: Mapping[str, str | list[str]], limit: int, kind: type[Page[T]]
    ) -> list[T]:
        """Return up to `limit` items of a list, page by page."""
        found: list[T] = []
        after: dict[str, str] = {}
        while True:
            wanted = {**query, **after, "limit": str(min(limit - len(found), 1000))}
            page = self._read(await self._get(path, wanted), kind)
            found += page.items
            if page.next is None or not page.items or len(found) >= limit:
                return found[:limit]
            after = {"after": page.next}

    async def _get(self, path: str, query: Mapping[str, str | list[str]]) -> bytes:
        return await self._ask("GET", path, query)

    async def _ask(self, method: str, path: str, query: Mapping[str, str | list[str]]) -> bytes:
        """Return the body of an answer.

        Raises the UsageError that the server means, ServerError for whatever else goes wrong.
        """
        url = self._door.url.joinpath("api", "v1", *filter(None, path.split("/")))
        proxy = "" if self._door.socket else proxy_for(str(url))
        try:
            async with self._session.request(
                method,
                url.with_query(query),
                allow_redirects=False,
                ssl=self._tls,
                proxy=proxy or None,
            ) as answer:
                body = await self._body(answer)
        except TimeoutError as error:
            raise ServerError(f"{self.name} does not answer in time") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise ServerError(
                f"{self.name} cannot be reached: its certificate is refused: "
                f"{_reason(error.certificate_error)}",
                hint="name the authority that vouches for it: SSL_CERT_FILE=ca.pem",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServerError(
                f"{self.name} cannot be reached: {_reason(error)}",
                hint="does memsnap serve run there?",
            ) from error
        if answer.status != 200:
            raise self._refusal(answer, body)
        return body

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in answer.content.iter_chunked(_PIECE):
            size += len(piece)
            if size > self._max_bytes:
                raise ServerError(
                    f"{self.name} answers with more than {format_bytes(self._max_bytes)}",
                    hint="if that is genuine, allow it with --max-size",
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _refusal(self, answer: aiohttp.ClientResponse, body: bytes) -> UsageError | ServerError:
        """Return the error behind an answer other than 200."""
        if answer.status in {401, 403}:
            may = "" if answer.method == "GET" else " that may write (memsnap token create --help)"
            return ServerError(
                f"{self.name} does not let us in (HTTP {answer.status})",
                hint=f"set MEMSNAP_TOKEN, or give a file with the token{may}",
            )
        if answer.status // 100 == 3:
            return ServerError(
                f"{self.name} sends us elsewhere: {answer.headers.get('Location', '?')}",
                hint="give the address of the daemon itself: --server URL",
            )
        if answer.content_type != _PROBLEM:
            return ServerError(
                f"{self.name} is no memsnap server (HTTP {answer.status})", hint=_IS_IT
            )
        problem = self._read(body, Problem)
        error = problem.as_error()
        if isinstance(error, UsageError):
            return error
        reason = problem.detail or problem.title or f"HTTP {answer.status}"
        return ServerError(f"{self.name}: {reason}", hint=problem.hint)

    def _read(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except _UNREADABLE as error:
            raise ServerError(
                f"{self.name} answers with something else than was asked for: {error}",
                hint="use the same release on both sides",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """Where requests go: a URL, through a unix socket where `socket` is set."""

    name: str
    url: URL
    socket: str = ""


def _door(text: str) -> _Door:
    """Return where a user means; raises UsageError."""
    socket = text.removeprefix("unix:")
    if socket and socket != text:
        return _Door(name=text, url=URL("http://localhost"), socket=socket)
    try:
        url = URL(text if "://" in text else f"http://{text}").with_query(None).with_fragment(None)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host or not socket:
        raise UsageError(
            f"{text!r} is no address of a server",
            hint="write http://host:7070, https://host or unix:/run/memsnap.sock",
        )
    return _Door(name=str(url.with_user(None)).rstrip("/"), url=url)


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    reason = getattr(cause, "strerror", None) or str(cause) or type(error).__name__
    text = str(reason).splitlines()[0]
    return f"{text[:1].lower()}{text[1:]}"
