"""Secrets are read for every visit, with the limits of the target."""

import pytest

from memsnap.capture.access import Access
from memsnap.collector.discovery.access import access_of
from memsnap.config.settings import (
    AccessSettings,
    CollectorSettings,
    Overrides,
    visit_settings,
)
from memsnap.errors import FileError, UsageError


def visit(**access):
    overrides = Overrides(timeout_s=5.0, max_bytes=1000, access=AccessSettings(**access))
    return visit_settings(CollectorSettings(), overrides)


def test_a_renewed_token_is_used_by_the_next_visit(tmp_path):
    token = tmp_path / "token"
    token.write_text("one\n")
    settings = visit(token_file=str(token), headers=("X-A: b",))
    expected = Access(headers=(("X-A", "b"),), bearer="one", timeout_s=5.0, max_bytes=1000)
    assert access_of(settings, {}) == expected
    token.write_text("two\n")
    assert access_of(settings, {}).bearer == "two"


def test_a_password_may_come_from_the_environment():
    settings = visit(user="me", password_env="PASS")
    assert access_of(settings, {"PASS": "x"}).password == "x"
    with pytest.raises(UsageError, match="PASS is not set"):
        access_of(settings, {})


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(FileError, match=r"gone cannot be read"):
        access_of(visit(token_file=str(tmp_path / "gone")), {})
