"""Answers: JSON and files with an ETag, compressed where that is worth it."""

import asyncio
import hashlib
import re
from typing import Any

import msgspec
from aiohttp import ETag, web
from multidict import CIMultiDict

from memsnap.snapshot import Capture
from memsnap.version import __version__

_COMPRESS_FROM = 1024  # bytes; below, the headers are larger than what is saved
_IN_THREAD_FROM = 64 << 10


async def json_answer(request: web.Request, value: Any) -> web.Response:
    """Return a value as JSON, or 304 where the client has it."""
    body = await asyncio.to_thread(msgspec.json.encode, value)
    return await made_answer(request, body, "application/json")


async def made_answer(
    request: web.Request, body: bytes, content_type: str, **headers: str
) -> web.Response:
    """Return a body that was made, or 304 where the client has it."""
    digest = await asyncio.to_thread(hashlib.blake2b, body, digest_size=12)
    tag = digest.hexdigest()
    if is_known(request, tag):
        return not_modified(tag)
    return body_answer(body, content_type, tag, **headers)


def body_answer(body: bytes, content_type: str, tag: str, **headers: str) -> web.Response:
    """Return a body with its tag; text is compressed where the client takes that."""
    response = web.Response(
        body=body,
        headers=CIMultiDict({**_headers(), **headers}),
        content_type=content_type,
        zlib_executor_size=_IN_THREAD_FROM,
    )
    response.etag = _etag(tag)
    if content_type == "application/json":
        response.charset = None
        response.headers["Vary"] = "Accept-Encoding"
        if len(body) >= _COMPRESS_FROM:
            response.enable_compression()
    return response


def is_known(request: web.Request, tag: str) -> bool:
    """Whether the client says that it has what this tag names."""
    known = request.if_none_match or ()
    return any(each.value in {tag, "*"} for each in known)


def not_modified(tag: str) -> web.Response:
    """Return the answer for a client that has it all."""
    response = web.Response(status=304, headers=_headers())
    response.etag = _etag(tag)
    return response


def snapshot_tag(snapshot_id: int, stored_ns: int, form: str) -> str:
    """Return the tag of a stored snapshot in some form; snapshots never change."""
    text = f"{snapshot_id} {stored_ns} {form} {__version__}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def file_name(capture: Capture, snapshot_id: int, ending: str) -> str:
    """Return a name for a download, of letters that no header or file system minds."""
    service = re.sub(r"[^A-Za-z0-9_.]+", "_", capture.service).strip("._")[:80]
    return f"{service or 'heap'}-{snapshot_id}{ending}"


def _etag(tag: str) -> ETag:
    # Weak: the same content, whether it is compressed or not.
    return ETag(value=tag, is_weak=True)


def _headers() -> dict[str, str]:
    return {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
