"""TLS contexts follow the files that they are made of."""

import os
import shutil
import ssl
from pathlib import Path

import pytest

from memsnap.capture.access import Access
from memsnap.capture.tls import Contexts, authorities
from memsnap.errors import TargetError

SHOWN = "https://h:1/x"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


def test_a_context_is_kept_until_its_file_changes(certificates, tmp_path: Path):
    bundle = Path(shutil.copy(certificates.ca, tmp_path / "ca.pem"))
    contexts, access = Contexts(), Access(ca_file=str(bundle))
    first = contexts.context(access, SHOWN, with_certificate=True)
    assert contexts.context(access, SHOWN, with_certificate=True) is first
    os.utime(bundle, ns=(0, 0))
    assert contexts.context(access, SHOWN, with_certificate=True) is not first


def test_the_given_authority_is_the_only_one(certificates):
    access = Access(ca_file=certificates.ca)
    context = Contexts().context(access, SHOWN, with_certificate=True)
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_insecure_checks_nothing():
    context = Contexts().context(Access(insecure=True), SHOWN, with_certificate=True)
    assert context.verify_mode == ssl.CERT_NONE


def test_authorities_may_be_a_folder_and_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent"))
    assert authorities(Access()).endswith("cacert.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert authorities(Access()) == str(tmp_path)
    assert Contexts().context(Access(), SHOWN, with_certificate=True).get_ca_certs() == []


def test_a_file_that_is_gone_is_named(tmp_path):
    access = Access(ca_file=str(tmp_path / "gone.pem"))
    with pytest.raises(TargetError, match=r"https://h:1/x: .*gone.pem: no such file") as caught:
        Contexts().context(access, SHOWN, with_certificate=True)
    assert "--ca" in caught.value.hint


def test_a_file_that_is_no_pem_is_told(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(TargetError, match="TLS failed") as caught:
        Contexts().context(Access(ca_file=str(file)), SHOWN, with_certificate=True)
    assert "must be PEM" in caught.value.hint
