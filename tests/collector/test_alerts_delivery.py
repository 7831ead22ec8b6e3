"""Alerts on their way: to real receivers over real sockets, from a real store."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders.captures import before
from builders.findings import SHOP, at
from receivers import Receiver, receiving

from memsnap.capture.failures import TimedOut
from memsnap.collector.alerts.delivery import Courier
from memsnap.collector.alerts.posting import Postman, Refused, address
from memsnap.collector.metrics import Metrics
from memsnap.config.settings import AccessSettings, AlertKind, AlertSettings, Settings
from memsnap.errors import FileError, TargetError, UsageError
from memsnap.storage.database import Database
from memsnap.storage.findings import judged
from memsnap.storage.migrate import upgrade
from memsnap.storage.records import Slot
from memsnap.storage.sightings import Judgement, Sighted
from memsnap.storage.snapshots import save
from memsnap.storage.targets import register

PATH = "/services/T000/secret"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    url = str(tmp_path / "memsnap.db")
    await upgrade(url)
    async with await Database.open(url) as database:
        yield database


async def leak_in(store: Database, *functions: str, open_since: int = 2) -> None:
    """Let each function leak in two captures that follow each other, or in so many."""
    target = (await register(store, [SHOP], now_ns=at(0)))[SHOP.key]
    sighted = tuple(
        Sighted(
            fingerprint=f"growth:{function}:",
            kind="growth",
            verdict="leak",
            severity="high",
            confidence=0.97,
            function=function,
            document=f'{{"title": "{function} leaks", "text": "{function} leaks."}}',
        )
        for function in functions
    )
    for minute in range(open_since):
        slot = Slot(target_id=target, at_ns=at(minute))
        number = await save(store, slot, before(), now_ns=at(minute))
        judgement = Judgement(
            target_id=target,
            process_id=1,
            snapshot_ids=(number,),
            slots_ns=(at(minute),),
            sighted=sighted,
        )
        await judged(store, judgement, resolve_after=3, now_ns=at(minute))


def alert(receiver: Receiver, **more: object) -> AlertSettings:
    known = AlertSettings(name="chat", kind=AlertKind.JSON, url=receiver.address + PATH)
    return replace(known, **more)


@contextlib.asynccontextmanager
async def telling(store: Database, *alerts: AlertSettings) -> AsyncIterator[Courier]:
    courier = Courier(
        store, Metrics(), {"CHAT_TOKEN": "s3cret"}, owner="me", settings=Settings(alerts=alerts)
    )
    work = asyncio.create_task(courier.work(asyncio.Event()))
    try:
        yield courier
    finally:
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # it happens in another thread
            await asyncio.sleep(0.02)


async def test_a_message_carries_what_lets_it_in_and_names_itself(store):
    await leak_in(store, "main.put")
    with receiving() as receiver:
        request = AccessSettings(token_env="CHAT_TOKEN", headers=("X-Scope: memsnap",))
        async with telling(store, alert(receiver, request=request)):
            await until(lambda: bool(receiver.taken))

    (message,) = receiver.taken
    assert message.path == PATH
    assert message.headers["Authorization"] == "Bearer s3cret"
    assert message.headers["X-Scope"] == "memsnap"
    assert message.headers["Content-Type"] == "application/json"
    assert message.headers["Idempotency-Key"] == f"memsnap-1-{at(0)}-open"


async def test_a_slack_webhook_is_found_in_a_file(store, tmp_path):
    await leak_in(store, "main.put")
    with receiving() as receiver:
        (tmp_path / "url").write_text(f"{receiver.address}{PATH}\n")
        chat = alert(receiver, kind=AlertKind.SLACK, url="", url_file=str(tmp_path / "url"))
        async with telling(store, chat):
            await until(lambda: bool(receiver.taken))

    (message,) = receiver.taken
    assert (message.path, message.body["text"]) == (PATH, "shop: main.put leaks")
    assert message.body["attachments"][0]["title"] == "main.put"


async def test_what_is_above_the_limit_of_an_hour_is_summed_up_once(store):
    await leak_in(store, *(f"main.f{number}" for number in range(9)))
    with receiving() as receiver:
        async with telling(store, alert(receiver, per_hour=3)):
            await until(lambda: len(receiver.taken) == 3)
        async with telling(store, alert(receiver, per_hour=3), alert(receiver, name="other")):
            await until(lambda: len(receiver.taken) == 12)

    assert receiver.texts()[2] == "7 more open findings"
    assert len(receiver.taken[2].body["findings"]) == 7


async def test_a_receiver_that_fails_is_asked_again(store):
    await leak_in(store, "main.put")
    with receiving() as receiver:
        receiver.answers = [(500, {}), (502, {})]
        async with telling(store, alert(receiver)):
            await until(lambda: bool(receiver.taken))
    assert len(receiver.arrived) == 3


async def test_a_message_that_is_refused_does_not_hold_up_the_next(store):
    await leak_in(store, "main.a", "main.b", "main.c")
    with receiving() as receiver:
        receiver.answers = [(200, {}), (400, {})]
        async with telling(store, alert(receiver)):
            await until(lambda: len(receiver.arrived) == 3)
            await until(lambda: len(receiver.taken) == 2)


async def test_a_receiver_that_is_away_does_not_hold_up_another(store):
    await leak_in(store, "main.put")
    with receiving() as receiver, receiving() as broken:
        broken.refuses = True
        async with telling(store, alert(broken, name="broken"), alert(receiver)):
            await until(lambda: bool(receiver.taken) and len(broken.arrived) >= 2)
    assert broken.taken == []


async def test_what_is_not_wanted_is_not_sent_and_not_noted(store):
    await leak_in(store, "main.put")
    with receiving() as receiver:
        picky = alert(receiver, name="picky", min_confidence=0.98)
        async with telling(store, picky, alert(receiver)):
            await until(lambda: bool(receiver.taken))
        async with telling(store, replace(picky, min_confidence=0.9)):
            await until(lambda: len(receiver.taken) == 2)


async def test_the_url_of_a_receiver_is_in_no_message_of_ours(store, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("memsnap"), "propagate", True)
    await leak_in(store, "main.put")
    with receiving() as receiver:
        receiver.refuses = True
        async with telling(store, alert(receiver)):
            await until(lambda: len(receiver.arrived) >= 2)
    events = [record.event for record in caplog.records if hasattr(record, "event")]
    assert any("answered with status 503" in event.get("reason", "") for event in events)
    assert "secret" not in repr(events) + repr(alert(receiver))


async def test_a_receiver_says_when_it_wants_to_be_asked_again():
    with receiving() as receiver:
        receiver.answers = [(429, {"Retry-After": "7"}), (422, {"Retry-After": "soon"})]
        letter = address(alert(receiver), {}, {})
        for retry_s, of_message in ((7.0, False), (None, True)):
            with pytest.raises(Refused) as caught:
                await Postman().post(letter)
            assert (caught.value.retry_s, caught.value.of_message) == (retry_s, of_message)


async def test_redirects_are_not_followed():
    with receiving() as receiver, receiving() as elsewhere:
        receiver.answers = [(302, {"Location": elsewhere.address})]
        with pytest.raises(Refused, match="status 302"):
            await Postman().post(address(alert(receiver), {}, {}))
    assert elsewhere.arrived == []


async def test_a_receiver_that_does_not_answer_is_given_up_on():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        chat = AlertSettings(
            name="chat", kind=AlertKind.JSON, url=f"http://127.0.0.1:{port}/x", timeout_s=0.2
        )
        with pytest.raises(TimedOut, match=f"http://127.0.0.1:{port}"):
            await Postman().post(address(chat, {}, {}))


async def test_a_receiver_that_is_not_there_is_named_without_its_path():
    chat = AlertSettings(name="chat", kind=AlertKind.JSON, url="http://127.0.0.1:1/secret")
    with pytest.raises(TargetError, match=r"http://127\.0\.0\.1:1\b") as caught:
        await Postman().post(address(chat, {}, {}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://am:9093", "http://am:9093/api/v2/alerts"),
        ("http://am:9093/prefix/", "http://am:9093/prefix/api/v2/alerts"),
        ("http://am:9093/api/v2/alerts", "http://am:9093/api/v2/alerts"),
        ("http://am:9093?tenant=a", "http://am:9093/api/v2/alerts?tenant=a"),
    ],
)
def test_an_alertmanager_is_named_by_its_address(url, expected):
    pager = AlertSettings(name="pager", kind=AlertKind.ALERTMANAGER, url=url)
    assert address(pager, [], {}).url == expected


def test_a_secret_that_is_not_there_is_said_by_name(tmp_path):
    chat = AlertSettings(name="chat", kind=AlertKind.SLACK, url_env="CHAT_URL")
    with pytest.raises(UsageError, match="CHAT_URL"):
        address(chat, {}, {})
    with pytest.raises(UsageError, match="what holds the URL of alert 'chat' takes a URL"):
        address(chat, {}, {"CHAT_URL": "hooks.slack.com/x"})
    gone = replace(chat, url_env="", url_file=str(tmp_path / "gone"))
    with pytest.raises(FileError, match="gone"):
        address(gone, {}, {})
