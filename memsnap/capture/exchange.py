"""What a visit asks and what it gets, as values; how requests travel is no matter here.

A visit is a generator (`Steps`): it yields a `Request`, or several parts `Together`, and is sent
what came of it.  A request that failed is thrown in at its yield, as a TargetError.  Two drivers
run the same steps: `blocking` on requests, for the command line, and `aio` on aiohttp, for the
daemon.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from memsnap.capture.access import Access
from memsnap.capture.endpoint import Endpoint
from memsnap.capture.failures import status_error
from memsnap.capture.target import Query

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One GET of the absolute `path`.

    `timeout_s` is the deadline from the name lookup to the last byte, over all redirects (None:
    that of `access`).  `follow` is whether redirects are followed; else the redirect itself is
    the answer.
    """

    endpoint: Endpoint
    access: Access
    path: str
    parameters: Query = ()
    timeout_s: float | None = None
    follow: bool = True

    @property
    def limit_s(self) -> float:
        """The deadline that holds, in seconds."""
        return self.timeout_s or self.access.timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: any status, the body as sent.

    `url` is the last URL without secrets; `redirects` those on the way to it; `elapsed_s` counts
    from the start of the first request to the last byte.
    """

    url: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    elapsed_s: float
    redirects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Parts of a visit that may run at the same time, `at_once` of them at most.

    Their results are sent back as a tuple in the order of the parts; the first failure of a part
    ends the others and is thrown in.
    """

    parts: "tuple[Steps[Any], ...]"
    at_once: int


Wish: TypeAlias = Request | Together
Steps: TypeAlias = Generator[Wish, Any, T]


def get(
    endpoint: Endpoint,
    access: Access,
    path: str,
    parameters: Query = (),
    *,
    timeout_s: float | None = None,
    follow: bool = True,
) -> Steps[Answer]:
    """Return the answer to a GET of the absolute `path`, whatever its status.

    Raises:
        TargetError: no complete answer within the deadline and the size limit.
    """
    answer: Answer = yield Request(
        endpoint=endpoint,
        access=access,
        path=path,
        parameters=parameters,
        timeout_s=timeout_s,
        follow=follow,
    )
    return answer


def get_ok(endpoint: Endpoint, access: Access, path: str, parameters: Query = ()) -> Steps[Answer]:
    """Return the answer to a GET if its status is 200.

    Raises:
        TargetError: as `get`, and for any other status.
    """
    answer = yield from get(endpoint, access, path, parameters)
    if answer.status != 200:
        raise status_error(answer.url, answer.status)
    return answer


def together(parts: Sequence[Steps[T]], *, at_once: int) -> Steps[tuple[T, ...]]:
    """Return the results of parts that may run at the same time, in their order."""
    results: tuple[T, ...] = yield Together(parts=tuple(parts), at_once=at_once)
    return results
