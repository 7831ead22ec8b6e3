"""A Go service with many doors, certificates made by openssl, and both ways to run a visit."""

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from memsnap.capture import blocking
from memsnap.capture.aio import Fetcher


def by_aiohttp(steps):
    """Run the steps of a visit on an event loop of its own."""

    async def run():
        async with Fetcher() as fetcher:
            return await fetcher.run(steps)

    with ThreadPoolExecutor(1) as pool:  # pytest's own loop, in this thread, stays as it is
        return pool.submit(asyncio.run, run()).result()


TRANSPORTS = {"requests": blocking.run, "aiohttp": by_aiohttp}


@pytest.fixture(params=TRANSPORTS.values(), ids=TRANSPORTS)
def run(request):
    """A function that runs the steps of a visit: on requests, then the same test on aiohttp."""
    return request.param


@pytest.fixture(scope="session")
def transports():
    """All such functions by their names, for tests that compare them."""
    return TRANSPORTS


@pytest.fixture(scope="session")
def doors(go):
    """The executable of the service in `services/doors`."""
    return go.build(Path(__file__).parent / "services" / "doors")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: an authority, what it signed, and an authority that signed nothing."""

    folder: Path

    def __getattr__(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """`ca`, `server` with `server_key` for 127.0.0.1, `client` with `client_key`, `other_ca`."""
    folder = tmp_path_factory.mktemp("certificates")
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other_ca"):
        files = ["-keyout", f"{name}_key.pem", "-out", f"{name}.pem"]
        openssl("req", "-x509", *ec, *files, "-subj", f"/CN=memsnap test {name}")
    for name, subject in (("server", "/CN=localhost"), ("client", "/CN=memsnap")):
        files = ["-keyout", f"{name}_key.pem", "-out", f"{name}.pem"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        signer = ["-CA", "ca.pem", "-CAkey", "ca_key.pem"]
        openssl("req", "-x509", *ec, *files, *signer, "-subj", subject, *names)
    return Certificates(folder)
