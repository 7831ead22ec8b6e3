"""Lists of targets behind a URL, as Prometheus' http_sd has them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from memsnap.capture.access import Access
from memsnap.capture.aio import Fetcher
from memsnap.capture.endpoint import Endpoint
from memsnap.capture.exchange import get_ok
from memsnap.collector.discovery.access import open_access
from memsnap.collector.discovery.lists import parse_list
from memsnap.collector.discovery.polling import Sight
from memsnap.config.settings import HttpSearch
from memsnap.errors import FormatError
from memsnap.pprof.envelope import unwrap

_LIST_MAX_BYTES = 64 << 20
_INTERVAL = "X-Prometheus-Refresh-Interval-Seconds"  # tells the server how often it is asked


@dataclass(slots=True, kw_only=True)
class HttpList:
    """Asks for the list; what an answer other than a list means is told by the server alone."""

    search: HttpSearch
    environment: Mapping[str, str]
    _fetcher: Fetcher = field(default_factory=Fetcher)

    async def look(self) -> Sight:
        """Return the targets of the list.

        Raises:
            TargetError: no answer with status 200.
            FormatError: it is no list.
            UsageError, FileError: a secret is not there.
        """
        endpoint, path = _place(self.search.url)
        answer = await self._fetcher.run(get_ok(endpoint, self._access(), path))
        body = unwrap(answer.body, name=answer.url, max_bytes=_LIST_MAX_BYTES)
        return Sight(candidates=parse_list(_decoded(body, answer.url), name=answer.url))

    def _access(self) -> Access:
        access = open_access(self.search.request, self.environment)
        interval = (_INTERVAL, f"{self.search.every_s:g}")
        return replace(access, headers=(*access.headers, interval), max_bytes=_LIST_MAX_BYTES)


def _place(url: str) -> tuple[Endpoint, str]:
    """Return the endpoint and the path of a URL; its query may be a secret and is never shown."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return Endpoint(origin=origin, shown_origin=origin, prefix="", query=query), parts.path or "/"


def _decoded(body: bytes, name: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name} is not JSON: {error}") from error
