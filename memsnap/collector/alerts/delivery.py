"""Sends what receivers have to be told until they take it, and notes in the store that they did.

What is due follows from the findings and the notices of the store, so that there is no queue that
a restart could lose.  Of a fleet, the collector that has lived longest sends.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from memsnap.collector import logs
from memsnap.collector.alerts import payloads
from memsnap.collector.alerts.payloads import Links
from memsnap.collector.alerts.planning import Message, due, messages
from memsnap.collector.alerts.posting import Postman, Refused, address
from memsnap.collector.metrics import Metrics
from memsnap.config.settings import AlertKind, AlertSettings, Settings
from memsnap.errors import MemsnapError
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreError
from memsnap.storage.findings import FindingFilter, find
from memsnap.storage.leases import fleet
from memsnap.storage.notices import Notice, messages_since, notices, told
from memsnap.storage.sightings import FindingRecord, State

_LOOK_EVERY_S = 15.0
_HOUR_NS = 3600 * 10**9
_MOST = 5_000  # open findings that are looked at
_BACKOFF_MAX_S = 600.0
_MOST_DOUBLINGS = 12
_JITTER = 0.5  # of a wait, at most: receivers that were away are not all asked at once
# As Prometheus does (notifier and rules/manager.go): sent again every minute, and over in four.
_RESEND_S = 60.0
_ENDS_NS = 4 * 60 * 10**9
_BATCH = 100  # alerts of one request


@dataclass(slots=True)
class _Line:
    """What is known of the way to one receiver; times are monotonic seconds."""

    failures: int = 0
    not_before_s: float = 0.0
    sent_s: float = -float("inf")  # an Alertmanager: all that is open
    refused: dict[int, float] = field(default_factory=dict)  # findings, until when

    def failed(self, now_s: float, retry_s: float | None) -> float:
        """Put the next try off, and return for how long."""
        wait_s = min(2.0 ** min(self.failures, _MOST_DOUBLINGS), _BACKOFF_MAX_S)
        wait_s *= 1 + random.random() * _JITTER  # noqa: S311  # spreads load, guards no secret
        self.failures += 1
        wait_s = max(wait_s, retry_s or 0.0)
        self.not_before_s = now_s + wait_s
        return wait_s


class Courier:
    """Tells all receivers; one per daemon."""

    def __init__(
        self,
        db: Database,
        metrics: Metrics,
        environment: Mapping[str, str],
        *,
        owner: str,
        settings: Settings,
    ) -> None:
        self._db = db
        self._metrics = metrics
        self._environment = environment
        self._owner = owner
        self._settings = settings
        self._postman = Postman()
        self._lines: dict[str, _Line] = {}

    def change(self, settings: Settings) -> None:
        """Go on with other settings; receivers are asked at once again."""
        self._settings = settings
        self._lines.clear()

    async def work(self, changed: asyncio.Event) -> None:
        """Send what is due when findings have `changed`, and every so often, until cancelled."""
        while True:
            if self._settings.alerts:
                try:
                    await self._tell_all()
                except StoreError as error:
                    logs.warning("alerts cannot be looked for", reason=error.message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), self._wait_s())
            changed.clear()

    def _wait_s(self) -> float:
        """Return how long nothing has to be done as far as is known."""
        now_s = time.monotonic()
        waits = [line.not_before_s - now_s for line in self._lines.values() if line.failures]
        return min(max(min(waits, default=_LOOK_EVERY_S), 0.1), _LOOK_EVERY_S)

    async def _tell_all(self) -> None:
        if not await self._is_eldest():
            return
        under_way = [
            asyncio.create_task(self._tell(alert), name=f"alert {alert.name}")
            for alert in self._settings.alerts
        ]
        try:
            await asyncio.shield(asyncio.gather(*under_way, return_exceptions=True))
        except asyncio.CancelledError:
            # What is being sent is noted as well, or the next start would send it again.
            longest_s = max(alert.timeout_s for alert in self._settings.alerts)
            _, late = await asyncio.wait(under_way, timeout=longest_s)
            for task in late:
                task.cancel()
            raise
        for task in under_way:
            task.result()

    async def _is_eldest(self) -> bool:
        lease_s, now_ns = self._settings.collector.lease_s, time.time_ns()
        alive = [
            each for each in await fleet(self._db, lease_s=lease_s, now_ns=now_ns) if each.live
        ]
        eldest = min(alive, key=lambda each: (each.started_ns, each.name), default=None)
        return eldest is None or eldest.name == self._owner

    async def _tell(self, alert: AlertSettings) -> None:
        """Tell one receiver all that is due, as far as it takes it."""
        line = self._lines.setdefault(alert.name, _Line())
        if time.monotonic() < line.not_before_s:
            return
        noted = await notices(self._db, alert.name)
        found = await self._findings(noted)
        try:
            if alert.kind is AlertKind.ALERTMANAGER:
                await self._tell_alertmanager(alert, line, found, noted)
            else:
                await self._tell_people(alert, line, found, noted)
        except MemsnapError as error:
            self._failed(alert, line, error)
        else:
            if line.failures:
                logs.info("alerts get through again", receiver=alert.name)
            line.failures, line.not_before_s = 0, 0.0

    async def _findings(self, noted: Mapping[int, Notice]) -> list[FindingRecord]:
        """Return the findings that are open, and those that somebody thinks are."""
        found = await find(self._db, FindingFilter(states=(State.NEW, State.OPEN), limit=_MOST))
        there = {finding.id for finding in found}
        thought = {
            number
            for number, notice in noted.items()
            if notice.told is State.OPEN and number not in there
        }
        if thought:
            found += await find(self._db, FindingFilter(ids=thought, limit=_MOST))
        return found

    async def _tell_people(
        self,
        alert: AlertSettings,
        line: _Line,
        found: Sequence[FindingRecord],
        noted: Mapping[int, Notice],
    ) -> None:
        now_ns, now_s = time.time_ns(), time.monotonic()
        wanted = due(alert, found, noted, now_ns)
        if not alert.resolved:
            over = [finding.id for state, finding in wanted if state is State.RESOLVED]
            await self._note(alert, State.RESOLVED, over)
        line.refused = {each: until for each, until in line.refused.items() if until > now_s}
        wanted = [
            (state, finding)
            for state, finding in wanted
            if (alert.resolved or state is State.OPEN) and finding.id not in line.refused
        ]
        had = await messages_since(self._db, alert.name, now_ns - _HOUR_NS)
        for message in messages(wanted, allowed=alert.per_hour - had):
            try:
                await self._send(alert, message)
            except Refused as error:
                if not error.of_message:
                    raise
                line.refused |= {one.id: now_s + _BACKOFF_MAX_S for one in message.findings}
                self._metrics.alerts_failed.labels(alert.name).inc()
                logs.warning("an alert is refused", receiver=alert.name, reason=error.message)

    async def _send(self, alert: AlertSettings, message: Message) -> None:
        links = Links(base=self._settings.http.public_url)
        if alert.kind is AlertKind.SLACK:
            payload = payloads.slack_payload(message, links)
        else:
            payload = payloads.json_payload(message, links, time.time_ns())
        first = message.findings[0]
        key = f"memsnap-{first.id}-{first.course.since_ns}-{message.state.value}"
        await self._post(alert, payload, key)
        await self._note(alert, message.state, [finding.id for finding in message.findings])

    async def _tell_alertmanager(
        self,
        alert: AlertSettings,
        line: _Line,
        found: Sequence[FindingRecord],
        noted: Mapping[int, Notice],
    ) -> None:
        """Send what is open, again before it expires there, and at once what has changed."""
        now_ns, now_s = time.time_ns(), time.monotonic()
        wanted = due(alert, found, noted, now_ns)
        over = [finding for state, finding in wanted if state is State.RESOLVED]
        fresh = [finding for state, finding in wanted if state is State.OPEN]
        known = {number for number, notice in noted.items() if notice.told is State.OPEN}
        ended = {finding.id for finding in over}
        again = [one for one in found if one.id in known and one.id not in ended]
        if now_s - line.sent_s < _RESEND_S:
            again = []
        links = Links(base=self._settings.http.public_url)
        ends = [(one, now_ns + _ENDS_NS) for one in (*fresh, *again)]
        ends += [(one, now_ns) for one in over if alert.resolved]
        for first in range(0, len(ends), _BATCH):
            batch = ends[first : first + _BATCH]
            body = [
                payloads.alertmanager_payload(one, links, ends_ns=ends_ns) for one, ends_ns in batch
            ]
            await self._post(alert, body, "")
        if again:
            line.sent_s = now_s
        await self._note(alert, State.OPEN, [finding.id for finding in fresh])
        await self._note(alert, State.RESOLVED, [finding.id for finding in over])

    async def _post(self, alert: AlertSettings, payload: object, key: str) -> None:
        letter = await asyncio.to_thread(address, alert, payload, self._environment, key=key)
        await self._postman.post(letter)
        self._metrics.alerts_sent.labels(alert.name).inc()

    async def _note(self, alert: AlertSettings, state: State, numbers: Sequence[int]) -> None:
        if numbers:
            await told(self._db, alert.name, numbers, state=state, at_ns=time.time_ns())

    def _failed(self, alert: AlertSettings, line: _Line, error: MemsnapError) -> None:
        self._metrics.alerts_failed.labels(alert.name).inc()
        tell = logs.debug if line.failures else logs.warning
        wait_s = line.failed(time.monotonic(), getattr(error, "retry_s", None))
        tell("alert failed", receiver=alert.name, reason=error.message, again_in=f"{wait_s:.0f}s")
