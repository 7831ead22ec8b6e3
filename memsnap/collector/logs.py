"""The daemon's log: one event a line, as text for people or JSON for machines.

An event is a short sentence and named values (`target`, `capture`, `cause`, ...), given to the
logger as `extra={"event": {...}}`, so that both forms carry the same.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

LOGGER = logging.getLogger("memsnap")


def say(level: int, message: str, **values: Any) -> None:
    """Log `message` with named values; those that are None are left out."""
    if LOGGER.isEnabledFor(level):
        event = {name: value for name, value in values.items() if value is not None}
        LOGGER.log(level, message, extra={"event": event})


def info(message: str, **values: Any) -> None:
    """Log what an operator wants to see in a quiet log."""
    say(logging.INFO, message, **values)


def warning(message: str, **values: Any) -> None:
    """Log what goes wrong without stopping the work."""
    say(logging.WARNING, message, **values)


def debug(message: str, **values: Any) -> None:
    """Log every single capture."""
    say(logging.DEBUG, message, **values)


def start_logging(level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Write memsnap's log to `stream`: `level` as in logging, `form` is `text` or `json`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False


def _moment(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, tz=UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextLines(logging.Formatter):
    """`2026-11-22T14:03:07.120Z INFO captured target=... capture=17`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and a traceback below it where there is one."""
        event: dict[str, Any] = getattr(record, "event", {})
        named = [f"{name}={_value(value)}" for name, value in event.items()]
        line = " ".join([_moment(record), record.levelname, _one_line(record.getMessage()), *named])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """`{"time": ..., "level": "info", "message": "captured", "target": ..., "capture": 17}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON object on one line."""
        document: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "event", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


def _value(value: object) -> str:
    text = _one_line(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text


def _one_line(text: str) -> str:
    """Keep a hostile name from writing log lines, or to the terminal, of its own."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
