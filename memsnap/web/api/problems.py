"""Errors over HTTP: every one is a problem document (RFC 9457)."""

from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from memsnap.archive.errors import NOT_FOUND, PROBLEM_TYPE, USAGE, NotFound, Problem
from memsnap.collector import logs
from memsnap.errors import FormatError, MemsnapError, UsageError
from memsnap.storage.errors import StoreError, StoreUnavailable
from memsnap.web.errors import Busy, Conflict, NoToken, Refused, TooLarge, VisitFailed

_RETRY_AFTER_S = 5
_CONTENT_TYPE = "application/problem+json"
# The first that fits counts.
_KINDS: tuple[tuple[type[MemsnapError], str, HTTPStatus], ...] = (
    (NotFound, NOT_FOUND, HTTPStatus.NOT_FOUND),
    (UsageError, USAGE, HTTPStatus.BAD_REQUEST),
    (NoToken, "no-token", HTTPStatus.UNAUTHORIZED),
    (Refused, "refused", HTTPStatus.FORBIDDEN),
    (TooLarge, "too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (Conflict, "conflict", HTTPStatus.CONFLICT),
    (VisitFailed, "visit-failed", HTTPStatus.BAD_GATEWAY),
    (Busy, "busy", HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreUnavailable, "store-unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, "store", HTTPStatus.INTERNAL_SERVER_ERROR),
    (FormatError, "damaged", HTTPStatus.INTERNAL_SERVER_ERROR),
    (MemsnapError, "failed", HTTPStatus.INTERNAL_SERVER_ERROR),
)


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong in a handler into a problem document."""
    try:
        return await handler(request)
    except MemsnapError as error:
        return _of_error(error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _of_http(request, error)
    except Exception as error:  # noqa: BLE001  # a bug, and its client shall know what it got
        logs.LOGGER.error("a request failed by a bug of memsnap", exc_info=error)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return _answer(
            Problem(
                type=f"{PROBLEM_TYPE}internal",
                title=status.phrase,
                status=status,
                detail="memsnap made a mistake; its log has the details",
            )
        )


def _of_error(error: MemsnapError) -> web.Response:
    word, status = next((word, status) for kind, word, status in _KINDS if isinstance(error, kind))
    problem = Problem(
        type=PROBLEM_TYPE + word,
        title=status.phrase,
        status=status,
        detail=error.message,
        hint=error.hint,
    )
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logs.warning("a request failed", reason=error.message)
    answer = _answer(problem)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="memsnap"'
    return answer


def _of_http(request: web.Request, error: web.HTTPException) -> web.Response:
    detail = f"{request.method} {request.path}: {error.reason}"
    answer = _answer(
        Problem(title=HTTPStatus(error.status).phrase, status=error.status, detail=detail)
    )
    if allowed := error.headers.get("Allow"):
        answer.headers["Allow"] = allowed
    return answer


def _answer(problem: Problem) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(problem),
        status=problem.status,
        content_type=_CONTENT_TYPE,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
