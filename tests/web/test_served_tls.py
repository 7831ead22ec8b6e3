"""The server speaks TLS with the certificate that it is given, or says why it cannot."""

import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from memsnap.config.settings import HttpSettings, Listen
from memsnap.errors import MemsnapError
from memsnap.web.server import listening, tls_of


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", "/CN=memsnap", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        ["openssl", "req", "-x509", *curve, *names, "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_it_is_https_with_a_certificate(certificate):
    cert, key = certificate
    app, tls = web.Application(), tls_of(HttpSettings(cert=str(cert), key=str(key)))
    known = ssl.create_default_context(cafile=str(cert))
    async with (
        listening(app, Listen(host="127.0.0.1"), tls=tls) as address,
        aiohttp.ClientSession() as session,
        session.get(address + "/nothing", ssl=known) as answer,
    ):
        assert address.startswith("https://127.0.0.1:")
        assert answer.status == 404


def test_it_is_http_without():
    assert tls_of(HttpSettings()) is None


@pytest.mark.parametrize("given", ["missing", "no certificate", "another key"])
def test_what_does_not_fit_is_told(certificate, tmp_path, given):
    cert, key = certificate
    wrong = tmp_path / "wrong.pem"
    if given != "missing":
        wrong.write_text("no PEM")
    chosen = (str(cert), str(wrong)) if given == "another key" else (str(wrong), str(key))
    with pytest.raises(MemsnapError, match="cannot serve with the certificate") as refused:
        tls_of(HttpSettings(cert=chosen[0], key=chosen[1]))
    assert "PEM files" in refused.value.hint
