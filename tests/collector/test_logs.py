"""What the daemon's log looks like."""

import io
import json
from collections.abc import Iterator

import pytest

from memsnap.collector import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    handlers, propagates = logs.LOGGER.handlers[:], logs.LOGGER.propagate
    yield io.StringIO()
    logs.LOGGER.handlers[:], logs.LOGGER.propagate = handlers, propagates


def test_a_text_line_has_the_time_the_level_and_named_values(stream: io.StringIO) -> None:
    logs.start_logging("info", "text", stream)
    logs.info("captured", target="http://shop:6060", capture=17, cause=None, note="two words")

    moment, rest = stream.getvalue().split(" ", 1)
    assert moment.endswith("Z")
    assert rest == 'INFO captured target=http://shop:6060 capture=17 note="two words"\n'


def test_a_json_line_carries_the_same(stream: io.StringIO) -> None:
    logs.start_logging("info", "json", stream)
    logs.warning("failed", target="pid:7", cause="timeout")

    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "message": "failed",
        "target": "pid:7",
        "cause": "timeout",
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_hostile_name_stays_on_its_line(stream: io.StringIO, form: str) -> None:
    logs.start_logging("info", form, stream)
    logs.info("captured", target="a\n2026 INFO all is well\x1b[2J")

    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    logs.start_logging("warning", "text", stream)
    logs.info("captured")

    assert stream.getvalue() == ""


def test_a_traceback_follows_its_line(stream: io.StringIO) -> None:
    logs.start_logging("info", "text", stream)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logs.LOGGER.exception("a task died")

    assert "Traceback" in stream.getvalue()
