"""The daemon on real services: a leak is told once, and once that it is gone."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import alertmanagers
import pytest
from receivers import receiving

from memsnap.collector.daemon import Daemon
from memsnap.config.settings import (
    AlertKind,
    AlertSettings,
    CollectorSettings,
    HttpSettings,
    JudgingSettings,
    Settings,
    Severity,
    StoreSettings,
    TargetSettings,
)
from memsnap.storage.database import Database
from memsnap.storage.findings import FindingFilter, cited, find, mute, unmute
from memsnap.storage.migrate import upgrade
from memsnap.storage.sightings import State
from memsnap.storage.spool import Spool

pytestmark = [pytest.mark.go, pytest.mark.timeout(180)]


def settings(folder: Path, target: str, *alerts: AlertSettings) -> Settings:
    return Settings(
        store=StoreSettings(url=f"sqlite:///{folder / 'memsnap.db'}"),
        collector=CollectorSettings(interval_s=0.5, timeout_s=10.0, lease_s=4.0),
        judging=JudgingSettings(captures=12, every_s=0.2, processor_share=1.0, resolve_after=3),
        alerts=alerts,
        http=HttpSettings(listen=None, public_url="https://memsnap.example/"),
        targets=(TargetSettings(address=target, name="shop", labels=(("env", "prod"),)),),
    )


def hook(address: str, kind: AlertKind = AlertKind.JSON, **more: object) -> AlertSettings:
    alert = AlertSettings(name=kind.value, kind=kind, url=address, cool_down_s=0.0)
    return replace(alert, **more)


@contextlib.asynccontextmanager
async def collecting(wanted: Settings, folder: Path) -> AsyncIterator[Daemon]:
    """Run a daemon in this process until the context ends."""
    await upgrade(wanted.store.url)
    async with await Database.open(wanted.store.url) as db:
        with Spool(folder / "spool", max_bytes=1 << 24) as spool:
            daemon = Daemon(wanted, db, spool, environment={})
            running = asyncio.create_task(daemon.run())
            try:
                yield daemon
            finally:
                daemon.stop()
                await running


async def until(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


def leaking(service, port: int):
    return service("map_growth", "-listen", f"127.0.0.1:{port}", "-auto", "20ms", "-batch", "20")


def healthy(service, port: int):
    return service("map_growth", "-listen", f"127.0.0.1:{port}")


async def test_a_leak_is_told_once_and_resolved_after_a_restart_without_it(service, tmp_path):
    port = alertmanagers.free_port()
    with receiving() as receiver:
        wanted = settings(tmp_path, f"http://127.0.0.1:{port}", hook(receiver.address))
        async with collecting(wanted, tmp_path) as daemon:
            with leaking(service, port):
                await until(lambda: receiver.taken)
                count = metric(daemon, "memsnap_captures_total")
                await until(lambda: metric(daemon, "memsnap_captures_total") > count + 5)
                (told,) = receiver.taken
                await until(lambda: open_ones(daemon) == 1)
            with healthy(service, port):
                await until(lambda: len(receiver.taken) == 2)
            assert metric(daemon, "memsnap_alerts_sent_total", receiver="json") == 2

    (finding,) = told.body["findings"]
    assert (told.body["schema"], told.body["state"]) == ("memsnap.alert/1", "open")
    assert finding["verdict"] == "leak"
    assert finding["function"] == "main.visit"
    assert finding["target"]["labels"] == {"env": "prod"}
    assert finding["link"] == f"https://memsnap.example/#/findings/{finding['id']}"
    over = receiver.taken[1].body
    assert (over["state"], over["findings"][0]["id"]) == ("resolved", finding["id"])


def metric(daemon: Daemon, name: str, **labels: str) -> float:
    from prometheus_client.parser import text_string_to_metric_families

    return sum(
        sample.value
        for family in text_string_to_metric_families(daemon.metrics.exposition().decode())
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def open_ones(daemon: Daemon) -> float:
    return metric(daemon, "memsnap_findings", state="open", severity="high")


def judgements(daemon: Daemon) -> float:
    return metric(daemon, "memsnap_judgements_total", result="judged")


async def test_a_restart_of_the_daemon_goes_on_with_the_finding_and_repeats_nothing(
    service, tmp_path
):
    port = alertmanagers.free_port()
    with receiving() as receiver, leaking(service, port):
        wanted = settings(tmp_path, f"http://127.0.0.1:{port}", hook(receiver.address))
        async with collecting(wanted, tmp_path):
            await until(lambda: receiver.taken)
        async with collecting(wanted, tmp_path) as daemon:
            await until(lambda: open_ones(daemon) == 1 and judgements(daemon) >= 4)
            found = await find(daemon.db, FindingFilter(function="main.visit"))
            open_now = [each for each in found if each.course.state is State.OPEN]
            assert max([len(await cited(daemon.db, each.id)) for each in open_now]) >= 3
    told = [each["id"] for message in receiver.arrived for each in message.body["findings"]]
    assert len(told) == len(set(told))


async def test_a_muted_finding_is_not_told_until_it_is_muted_no_more(service, tmp_path):
    port = alertmanagers.free_port()
    quiet = settings(tmp_path, f"http://127.0.0.1:{port}")
    with receiving() as receiver, leaking(service, port):
        async with collecting(quiet, tmp_path) as daemon:
            await until(lambda: open_ones(daemon) == 1)
            for record in await find(daemon.db, FindingFilter()):
                await mute(daemon.db, record.id, by="ann")
        # What it is called may change with more captures; here it only matters that it is told.
        alert = hook(receiver.address, min_severity=Severity.LOW, min_confidence=0.01)
        loud = replace(quiet, alerts=(alert,))
        async with collecting(loud, tmp_path) as daemon:
            await until(
                lambda: (
                    metric(daemon, "memsnap_findings", state="muted") >= 1
                    and judgements(daemon) >= 4
                )
            )
            told = [each.body["findings"][0]["function"] for each in receiver.arrived]
            assert "main.visit" not in told
            muted = {
                each.id for each in await find(daemon.db, FindingFilter(function="main.visit"))
            }
            for number in muted:
                await unmute(daemon.db, number)
            await until(
                lambda: any(
                    finding["id"] in muted
                    for message in receiver.taken
                    for finding in message.body["findings"]
                )
            )


async def test_a_receiver_that_is_away_is_told_when_it_is_back(service, tmp_path):
    ports = alertmanagers.free_port(), alertmanagers.free_port()
    alert = hook(f"http://127.0.0.1:{ports[1]}")
    wanted = settings(tmp_path, f"http://127.0.0.1:{ports[0]}", alert)
    with leaking(service, ports[0]):
        async with collecting(wanted, tmp_path) as daemon:
            failed = {"receiver": "json"}
            await until(lambda: metric(daemon, "memsnap_alerts_failed_total", **failed) >= 1)
            with receiving(ports[1]) as receiver:
                await until(lambda: receiver.taken)
                count = judgements(daemon)
                await until(lambda: judgements(daemon) >= count + 3)
                assert len(receiver.taken) == 1


async def test_an_alertmanager_has_the_alert_and_hears_that_it_is_over(service, tmp_path):
    port = alertmanagers.free_port()
    with receiving() as pager, alertmanagers.running(tmp_path, f"{pager.address}/page") as running:
        alert = hook(running.address, AlertKind.ALERTMANAGER)
        wanted = settings(tmp_path, f"http://127.0.0.1:{port}", alert)
        async with collecting(wanted, tmp_path):
            with leaking(service, port):
                await until(lambda: pager.taken)
                (known,) = running.alerts()
            with healthy(service, port):
                await until(lambda: any(each.body["status"] == "resolved" for each in pager.taken))

    assert known["labels"]["alertname"] == "MemsnapFinding"
    assert (known["labels"]["severity"], known["labels"]["env"]) == ("high", "prod")
    assert known["labels"]["function"] == "main.visit"
    assert known["generatorURL"].startswith("https://memsnap.example/#/findings/")
    assert "leaks" in known["annotations"]["summary"]
    assert [each.body["status"] for each in pager.taken] == ["firing", "resolved"]
