"""What is sent: JSON of memsnap's own, of Slack's incoming webhooks, of Alertmanager's API v2."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memsnap.analysis.names import short_function
from memsnap.collector.alerts.planning import Message
from memsnap.storage.sightings import FindingRecord, State
from memsnap.units import format_bytes

SCHEMA = "memsnap.alert/1"

_COLOURS = {"high": "#c0392b", "medium": "#e0a030", "low": "#3a87ad", "info": "#888888"}
_RESOLVED_COLOUR = "#2e8b57"
_TEXT_MAX = 2900  # characters; Slack cuts a text off at 3,000
_NAMED = 10  # findings that a summary names


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where people see a finding; nowhere if `base` is empty."""

    base: str = ""

    def to(self, finding: FindingRecord) -> str:
        """Return the URL of a finding, a route of web/page/src/main.ts; empty if there is none."""
        return f"{self.base.rstrip('/')}/#/findings/{finding.id}" if self.base else ""


def title(finding: FindingRecord) -> str:
    """Return what a finding says in one sentence."""
    said = finding.document.get("title")
    return said if isinstance(said, str) and said else finding.fingerprint


def json_payload(message: Message, links: Links, now_ns: int) -> dict[str, Any]:
    """Return a message as `memsnap.alert/1`: `findings` are all open, or all resolved."""
    return {
        "schema": SCHEMA,
        "state": message.state.value,
        "summary": message.kept_back,
        "text": headline(message),
        "sent": moment(now_ns),
        "findings": [_finding(finding, links) for finding in message.findings],
    }


def headline(message: Message) -> str:
    """Return a message in one line."""
    if message.kept_back:
        many = len(message.findings)
        what = "open" if message.state is State.OPEN else "resolved"
        return f"{many} more {what} {'finding' if many == 1 else 'findings'}"
    (finding,) = message.findings
    if message.state is State.RESOLVED:
        how = f" by {finding.course.resolved_by}" if finding.course.resolved_by else ""
        over = "resolved" if finding.course.is_over else "muted"
        return f"{finding.seen.service}: {over}{how}: {title(finding)}"
    return f"{finding.seen.service}: {title(finding)}"


def slack_payload(message: Message, links: Links) -> dict[str, Any]:
    """Return a message for an incoming webhook of Slack, Mattermost or Rocket.Chat.

    Attachments, unlike blocks, are known to all three.
    """
    text = _escaped(headline(message))
    if message.kept_back:
        lines = [_line(finding, links) for finding in message.findings[:_NAMED]]
        left = len(message.findings) - _NAMED
        return {"text": "\n".join([text, *lines, *([f"and {left} more"] if left > 0 else [])])}
    (finding,) = message.findings
    if message.state is State.RESOLVED:
        return {"text": text, "attachments": [{"color": _RESOLVED_COLOUR, **_head(finding, links)}]}
    detail = str(finding.document.get("text", ""))
    attachment = {
        "color": _COLOURS[finding.severity],
        **_head(finding, links),
        "text": _escaped(detail)[:_TEXT_MAX],
        "fields": [
            {"title": name, "value": _escaped(value), "short": True}
            for name, value in facts(finding).items()
        ],
    }
    return {"text": text, "attachments": [attachment]}


def alertmanager_payload(finding: FindingRecord, links: Links, *, ends_ns: int) -> dict[str, Any]:
    """Return an alert as `POST /api/v2/alerts` takes it; it ends at `ends_ns` if not sent again.

    Its labels stay the same as long as the finding is the same, since they are its identity
    (github.com/prometheus/alertmanager, api/v2/openapi.yaml).
    """
    link = links.to(finding)
    at = _place(finding)
    annotations = {
        "summary": headline(Message(state=State.OPEN, findings=(finding,))),
        "description": str(finding.document.get("text", "")),
        "advice": str(finding.document.get("advice", "")),
        "code": at,
        "verdict": f"{finding.verdict} {int(finding.confidence * 100)}%",
        "since_build": finding.since_build,
    }
    alert: dict[str, Any] = {
        "labels": {**_labels(finding), "alertname": "MemsnapFinding"},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": moment(min(finding.course.since_ns, ends_ns)),
        "endsAt": moment(ends_ns),
    }
    return {**alert, "generatorURL": link} if link else alert


def moment(at_ns: int) -> str:
    """Return a moment as RFC 3339 in UTC, to the millisecond."""
    when = datetime.fromtimestamp(at_ns / 1e9, tz=UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def facts(finding: FindingRecord) -> dict[str, str]:
    """Return the numbers that people ask for first, by name; what is unknown is left out."""
    growth: Mapping[str, Any] = finding.document.get("growth") or {}
    rate = growth.get("bytes_per_s")
    known = {
        "Verdict": f"{finding.verdict} {int(finding.confidence * 100)}%, {finding.severity}",
        "Rate": f"{format_bytes(rate * 3600)} an hour" if rate else "",
        "Code": _place(finding),
        "Target": finding.seen.key,
        "Since build": finding.since_build,
        "Since": moment(finding.course.since_ns),
    }
    return {name: value for name, value in known.items() if value}


def _finding(finding: FindingRecord, links: Links) -> dict[str, Any]:
    """Return a finding as in reports, with what the store knows of it."""
    course = finding.course
    return {
        **finding.document,
        "id": finding.id,
        "fingerprint": finding.fingerprint,
        "state": course.state.value,
        "first_seen": moment(course.first_ns),
        "since": moment(course.since_ns),
        "last_seen": moment(course.last_ns),
        "resolved": None if course.resolved_ns is None else moment(course.resolved_ns),
        "since_build": finding.since_build or None,
        "target": {
            "id": finding.target_id,
            "key": finding.seen.key,
            "address": finding.seen.address,
            "service": finding.seen.service,
            "labels": dict(finding.seen.labels),
        },
        "link": links.to(finding) or None,
    }


def _labels(finding: FindingRecord) -> dict[str, str]:
    own = {
        "severity": finding.severity,
        "service": finding.seen.service,
        "target": finding.seen.key,
        "function": finding.function,
        "finding": str(finding.id),
    }
    return {**dict(finding.seen.labels), **{name: value for name, value in own.items() if value}}


def _place(finding: FindingRecord) -> str:
    file, line = finding.document.get("file"), finding.document.get("line")
    return f"{file}:{line}" if file and line else ""


def _head(finding: FindingRecord, links: Links) -> dict[str, Any]:
    name = short_function(finding.function) or finding.kind
    head = {"fallback": _escaped(title(finding)), "title": _escaped(name)}
    link = links.to(finding)
    return {**head, "title_link": link} if link else head


def _line(finding: FindingRecord, links: Links) -> str:
    said, link = _escaped(f"{finding.seen.service}: {title(finding)}"), links.to(finding)
    return f"• <{link}|{said}>" if link else f"• {said}"


def _escaped(text: str) -> str:
    """Escape the three characters that Slack asks to (api.slack.com, formatting text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
