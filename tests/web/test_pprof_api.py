"""Go's own pprof on the addresses of the API, with a token where one is needed."""

import asyncio
import shutil

import pytest
from apps import READ, TOKENS, app_of
from builders.captures import after, before
from stores import at, seen
from toolchains import build_environment

from memsnap.storage.snapfile import to_bytes
from memsnap.storage.targets import register

pytestmark = pytest.mark.go


@pytest.fixture
def store_url(sqlite_template, tmp_path):
    """What pprof makes of a profile does not depend on the kind of store."""
    shutil.copy(sqlite_template, tmp_path / "memsnap.db")
    return f"sqlite:///{tmp_path / 'memsnap.db'}"


@pytest.fixture
async def pair(store, saved):
    """Two captures: their ids."""
    (target,) = (await register(store, [seen("shop")], now_ns=at(0))).values()
    return await saved(target, at(0), before()), await saved(target, at(1), after())


@pytest.fixture
def run(pprof, tmp_path):
    """A function that runs `pprof -top ARGS` and returns its status, its table and its messages."""

    async def run_pprof(*args: object) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(pprof.path, "-top", *map(str, args)),
            cwd=tmp_path,
            env=build_environment() | {"PPROF_TMPDIR": str(tmp_path / "pprof")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, told = await process.communicate()
        return process.returncode, out.decode().partition("Showing nodes")[2], told.decode()

    return run_pprof


def at_path(client, path: str, *, user: str = "") -> str:
    return str(client.make_url(path)).replace("://", f"://{user}")


async def test_pprof_compares_two_addresses_as_it_compares_two_files(
    store, tmp_path, pair, pprof, run
):
    for name, snapshot in (("a.snap", before()), ("b.snap", after())):
        (tmp_path / name).write_bytes(to_bytes(snapshot))
    async with app_of(store, tmp_path) as client:
        urls = [at_path(client, f"/api/v1/snapshots/{number}/pprof") for number in pair]
        status, fetched, told = await run(f"-diff_base={urls[0]}", urls[1])

    assert status == 0, told
    assert fetched == (await run("-diff_base=a.snap", "b.snap"))[1]
    assert "main.(*Cache).Put" in fetched


async def test_the_profile_of_differences_says_what_pprof_computes_itself(
    store, tmp_path, pair, run
):
    async with app_of(store, tmp_path) as client:
        urls = [at_path(client, f"/api/v1/snapshots/{number}/pprof") for number in pair]
        query = f"before={pair[0]}&after={pair[1]}"
        _, served, _ = await run(at_path(client, f"/api/v1/diff/pprof?{query}"))
        _, computed, _ = await run(f"-base={urls[0]}", urls[1])

    assert served.splitlines()[1:]
    assert served.splitlines()[1:] == computed.splitlines()[1:]


async def test_pprof_sends_a_token_as_the_password_of_an_address(store, tmp_path, pair, run):
    path = f"/api/v1/snapshots/{pair[1]}/pprof"
    async with app_of(store, tmp_path, TOKENS) as client:
        status, table, told = await run(at_path(client, path, user=f"token:{READ}@"))
        nobody = await run(at_path(client, path))
        guessed = await run(at_path(client, path, user="token:memsnap_guessed@"))

    assert (status, "main.(*Cache).Put" in table) == (0, True), told
    for refused, _, message in (nobody, guessed):
        assert refused != 0
        assert "401 Unauthorized" in message
