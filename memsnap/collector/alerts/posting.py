"""One POST to a receiver of alerts; its URL may be a secret and is never shown."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from memsnap.capture.access import Access, SecretSource, read_secret
from memsnap.capture.failures import request_failed, timed_out
from memsnap.capture.proxies import proxy_for
from memsnap.capture.tls import Contexts
from memsnap.collector.discovery.access import open_access
from memsnap.config import forms
from memsnap.config.settings import AlertKind, AlertSettings
from memsnap.errors import MemsnapError, UsageError
from memsnap.version import __version__

_ALERTMANAGER_PATH = "/api/v2/alerts"
_MESSAGES_FAULT = frozenset({400, 413, 415, 422})  # the next message may get through
_RETRY_MAX_S = 3600.0


class Refused(MemsnapError):
    """The receiver answered, and did not take the message.

    `retry_s` is when it wants to be asked again, None where it does not say; `of_message` is
    whether it is this one message that it cannot take.
    """

    def __init__(self, message: str, *, retry_s: float | None, of_message: bool) -> None:
        super().__init__(message)
        self.retry_s = retry_s
        self.of_message = of_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A request: the URL, a name for it without secrets, what lets it in, and its body."""

    url: str
    shown: str
    access: Access
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def address(
    alert: AlertSettings, payload: Any, environment: Mapping[str, str], *, key: str = ""
) -> Letter:
    """Return the request that brings a payload to its receiver; reads the files with secrets.

    `key` names the message for good, for a receiver that wants to know a repetition.

    Raises:
        UsageError: a variable is not set, or what it or a file holds is no URL.
        FileError: a file cannot be read.
    """
    held = read_secret(SecretSource(file=alert.url_file, variable=alert.url_env), environment)
    try:
        url = forms.url(alert.url or held)
    except UsageError as error:
        raise UsageError(f"what holds the URL of alert {alert.name!r} {error.message}") from error
    if alert.kind is AlertKind.ALERTMANAGER:
        base, mark, query = url.partition("?")
        path = "" if base.endswith(_ALERTMANAGER_PATH) else _ALERTMANAGER_PATH
        url = base.rstrip("/") + path + mark + query
    parts = urlsplit(url)
    access = open_access(alert.request, environment)
    return Letter(
        url=url,
        shown=f"{parts.scheme}://{parts.netloc}",
        access=replace(access, timeout_s=alert.timeout_s),
        body=json.dumps(payload, ensure_ascii=False, default=str).encode("utf-8", "replace"),
        headers=(("Idempotency-Key", key),) if key else (),
    )


class Postman:
    """Posts letters; keeps TLS contexts between them, and no connections."""

    def __init__(self) -> None:
        self._contexts = Contexts()

    async def post(self, letter: Letter) -> None:
        """Bring a letter to its receiver.

        Redirects are not followed: they would take secrets elsewhere.

        Raises:
            Refused: the answer has a status other than 2xx.
            TargetError: there was no answer in time.
        """
        try:
            async with asyncio.timeout(letter.access.timeout_s):
                status, retry_after = await self._exchange(letter)
        except TimeoutError as error:
            raise timed_out(letter.shown, letter.access.timeout_s) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise request_failed(letter.shown, error, {}) from error
        if not 200 <= status < 300:
            raise Refused(
                f"{letter.shown} answered with status {status}",
                retry_s=_seconds(retry_after),
                of_message=status in _MESSAGES_FAULT,
            )

    async def _exchange(self, letter: Letter) -> tuple[int, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"memsnap/{__version__}",
            **dict(letter.headers),
            **dict(letter.access.headers),
        }
        if authorization := letter.access.authorization():
            headers["Authorization"] = authorization
        async with (
            aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                connector=aiohttp.TCPConnector(force_close=True),
            ) as session,
            session.post(
                URL(letter.url, encoded=True),
                data=letter.body,
                headers=headers,
                allow_redirects=False,
                ssl=await self._context(letter) or True,
                proxy=proxy_for(letter.url) or None,
            ) as response,
        ):
            return response.status, response.headers.get("Retry-After", "")

    async def _context(self, letter: Letter) -> ssl.SSLContext | None:
        if not letter.url.startswith("https:"):
            return None
        return await asyncio.to_thread(
            self._contexts.context, letter.access, letter.shown, with_certificate=True
        )


def _seconds(retry_after: str) -> float | None:
    """Return what Retry-After asks for in seconds, at most an hour; None for dates and nonsense."""
    text = retry_after.strip()
    return min(float(text), _RETRY_MAX_S) if text.isascii() and text.isdecimal() else None
