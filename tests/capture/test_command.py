"""Command lines are read, compared, and relieved of their secrets."""

import pytest

from memsnap.capture.command import is_command, parse_command, without_secrets
from memsnap.capture.exchange import Answer


def answer(body, *, status=200, content_type="text/plain; charset=utf-8"):
    return Answer(url="u", status=status, content_type=content_type, body=body, elapsed_s=0)


def test_a_command_line_is_split_at_its_nuls():
    assert parse_command(answer(b"/srv/shop\0-port\0" + b"80"), 100) == ("/srv/shop", "-port", "80")
    assert is_command(answer(b"/srv/shop\0"), ("/srv/shop",), 100)


@pytest.mark.parametrize(
    "other",
    [
        answer(b""),
        answer(b"/srv/shop", status=404),
        answer(b"/srv/shop", content_type="text/html"),
        answer(b"\x1f\x8b damaged"),
    ],
)
def test_other_answers_are_no_command_line(other):
    assert parse_command(other, 100) == ()
    assert not is_command(other, (), 100)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("shop -port 80", "shop -port 80"),
        ("shop --rc-pass s3cret -v", "shop --rc-pass *** -v"),
        ("shop --db-password=s3cret", "shop --db-password=***"),
        ("shop -api-key s3cret", "shop -api-key ***"),
        ("shop TOKEN=s3cret", "shop TOKEN=***"),
        ("shop --token -v", "shop --token -v"),
        ("shop --token-file /run/token", "shop --token-file /run/token"),
        ("shop --dsn=postgres://ann:s3cret@db/x", "shop --dsn=postgres://ann:***@db/x"),
        ("shop --author ann", "shop --author ann"),
        ("shop secret rest", "shop secret rest"),
    ],
)
def test_secrets_on_a_command_line_are_hidden(command, shown):
    assert without_secrets(tuple(command.split())) == tuple(shown.split())
