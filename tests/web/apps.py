"""The daemon's own application in this process, over a store that a test has filled."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
from settings_texts import settings

from memsnap.collector.daemon import Daemon
from memsnap.storage.database import Database
from memsnap.storage.spool import Spool
from memsnap.web.access.tokens import hash_of
from memsnap.web.api.openapi import openapi
from memsnap.web.api.table import ROUTES
from memsnap.web.app import make_app

DOCUMENT = openapi(ROUTES)
READ, WRITE = "memsnap_may-read", "memsnap_may-write"
TOKENS = f"""
    [[token]]
    name = "reader"
    hash = "{hash_of(READ)}"
    [[token]]
    name = "writer"
    hash = "{hash_of(WRITE)}"
    scope = "write"
"""
ANYWHERE = '[http]\nlisten = "0.0.0.0:7070"\nlisten-without-token = true\n'
TARGET = '[[target]]\naddress = "http://127.0.0.1:1"\n'


@contextlib.asynccontextmanager
async def app_of(store: Database, folder: Path, text: str = "") -> AsyncIterator[TestClient]:
    """Give a client of a daemon with these settings, which visits nothing."""
    with Spool(folder / "spool", max_bytes=1 << 20) as spool:
        daemon = Daemon(settings(text + TARGET), store, spool)
        async with TestClient(TestServer(make_app(daemon))) as client:
            client.daemon = daemon
            yield client


def bearer(token: str) -> dict[str, str]:
    """Return the header that brings a token."""
    return {"Authorization": f"Bearer {token}"}


async def got(client, path, expected=200, *, headers=None, **query):
    """Return a document; it is as the OpenAPI document says."""
    async with client.get(path, params=query, headers=headers) as answer:
        body = await answer.read()
    assert answer.status == expected, body
    document = json.loads(body)
    documented = DOCUMENT["paths"][re.sub(r"/[0-9]+\b", "/{id}", path)]
    (content,) = documented["get"]["responses"][str(expected)]["content"].values()
    validator = Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]})
    assert [error.message for error in validator.iter_errors(document)] == []
    return document
