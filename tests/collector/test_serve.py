"""`memsnap serve` on real services: what was due is in the store, or in the audit."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from daemons import COMMAND, config, serving, stored, until
from services import Service, running
from stored import Stored

Start = Callable[..., AbstractContextManager[Service]]

SCENARIOS = (
    "map_growth",
    "append_global",
    "warm_cache",
    "ring",
    "timers",
    "context_value",
    "subslice",
    "substring",
    "sawtooth",
    "goroutine_closure",
)


@pytest.mark.parametrize(
    "url", ["", pytest.param("postgres_empty", marks=pytest.mark.postgres)], ids=["sqlite", "pg"]
)
def test_ten_services_are_captured_slot_by_slot(
    service: Start, tmp_path: Path, url: str, request: pytest.FixtureRequest
) -> None:
    store = request.getfixturevalue(url) if url else ""
    with contextlib.ExitStack() as stack:
        services = [stack.enter_context(service(name)) for name in SCENARIOS]
        addresses = [each.address for each in services] + ["http://127.0.0.1:1"]
        text = config(addresses, store=store)
        daemon = stack.enter_context(serving(tmp_path / "daemon", text, "--migrate"))

        def now() -> Stored:
            return Stored.of(store) if store else stored(daemon)

        def all_have(slots: int) -> bool:
            found = now()
            return all(len(found.slots(each.address)) >= slots for each in services)

        until(lambda: all_have(3))
        assert daemon.stop() == 0

        found = now()
        for each in services:
            # Each slot that passed while the daemon ran has a line, here or in the audit.
            assert found.gaps(each.address, interval_s=1) == []
        assert "unreachable" in found.causes("http://127.0.0.1:1")
        assert not found.slots("http://127.0.0.1:1")


def test_what_was_due_is_stored_or_in_the_audit(replayed: str, tmp_path: Path) -> None:
    names = ["a", "b", "c", "reset-1", "html-1", "missing-1"]
    targets = [f"{replayed}/t/{name}" for name in names]
    with serving(tmp_path / "daemon", config(targets, interval="1s")) as daemon:
        until(lambda: len(stored(daemon).snapshots) >= 12)
        daemon.send(signal.SIGSTOP)
        time.sleep(0.1)
        daemon.send(signal.SIGCONT)
        until(lambda: daemon.metric("memsnap_captures_running") == 0)
        scheduled = daemon.metric("memsnap_captures_scheduled_total")
        assert daemon.stop() == 0

    found = stored(daemon)
    assert len(found.snapshots) + len(found.failures) >= scheduled
    assert "unreachable" in found.causes(f"{replayed}/t/reset-1")
    assert "not-a-heap-profile" in found.causes(f"{replayed}/t/html-1")
    assert "refused" in found.causes(f"{replayed}/t/missing-1")


def test_targets_that_hang_drip_and_flood_hold_nobody_up(replayed: str, tmp_path: Path) -> None:
    targets = [f"{replayed}/t/{name}" for name in ("well", "hang-1", "drip-1", "flood-1")]
    extra = 'timeout = "1s"\nmax-size = "1MB"\nper-host = 8'
    with serving(tmp_path / "daemon", config(targets, extra=extra)) as daemon:
        until(lambda: len(stored(daemon).failures) >= 4 and len(stored(daemon).snapshots) >= 4)
        assert daemon.stop() == 0

    found = stored(daemon)
    assert "timeout" in found.causes(f"{replayed}/t/hang-1")
    assert "timeout" in found.causes(f"{replayed}/t/drip-1")
    assert "too-large" in found.causes(f"{replayed}/t/flood-1")
    assert found.gaps(f"{replayed}/t/well", interval_s=1) == []


def test_a_daemon_killed_in_the_middle_of_its_writes_loses_no_capture_that_it_told_of(
    replayed: str, tmp_path: Path
) -> None:
    targets = [f"{replayed}/t/{n}" for n in range(20)]
    folder = tmp_path / "daemon"
    with serving(folder, config(targets, interval="1s")) as daemon:
        until(lambda: len(stored(daemon).snapshots) >= 40)
        daemon.process.kill()
        daemon.process.wait()
    told = {line["capture"] for line in daemon.said("stored")}

    before = stored(daemon)
    assert told <= {row["id"] for row in before.snapshots}
    assert before.integrity() == "ok"
    with serving(folder, config(targets, interval="1s")) as daemon:
        until(lambda: len(stored(daemon).snapshots) > len(before.snapshots) + 20)
        assert daemon.stop() == 0


def test_sigterm_in_the_middle_of_a_capture_ends_within_the_grace_period(
    replayed: str, tmp_path: Path
) -> None:
    extra = 'grace = "1s"\ntimeout = "60s"'
    targets = [f"{replayed}/t/{name}" for name in ("well", "hang-1")]
    with serving(tmp_path / "daemon", config(targets, extra=extra)) as daemon:
        until(lambda: daemon.metric("memsnap_captures_running") >= 1)
        until(lambda: len(stored(daemon).snapshots) >= 1)
        assert daemon.stop(timeout_s=20) == 0

    assert "shutdown" in stored(daemon).causes(f"{replayed}/t/hang-1")


def test_a_new_configuration_takes_effect_without_a_restart(replayed: str, tmp_path: Path) -> None:
    first = [f"{replayed}/t/one"]
    with serving(tmp_path / "daemon", config(first)) as daemon:
        until(lambda: bool(stored(daemon).slots(f"{replayed}/t/one")))
        file = daemon.folder / "config.toml"
        text = file.read_text()
        file.write_text(text + f'\n[[target]]\naddress = "{replayed}/t/two/debug/pprof"\n')
        daemon.send(signal.SIGHUP)
        until(lambda: bool(stored(daemon).slots(f"{replayed}/t/two")))

        file.write_text(text + "\n[colector]\n")
        daemon.send(signal.SIGHUP)
        until(lambda: bool(daemon.said("the new configuration is refused")))
        count = len(stored(daemon).slots(f"{replayed}/t/two"))
        until(lambda: len(stored(daemon).slots(f"{replayed}/t/two")) > count)

        file.write_text(text)
        daemon.send(signal.SIGHUP)
        until(lambda: bool(daemon.said("target retired")))
        assert daemon.stop() == 0


def test_a_restarted_service_goes_on_as_the_same_target(
    scenarios: dict[str, Path], tmp_path: Path
) -> None:
    program = tmp_path / f"service-{os.getpid()}"  # no other process has this name
    shutil.copy(scenarios["map_growth"], program)
    discover = f"""
[[discover]]
kind = "processes"
name = "here"
executable = "{program.name}"
every = "500ms"
"""
    with serving(tmp_path / "daemon", config([]) + discover) as daemon:
        for lives in (1, 2):
            with running(program, "-until-eof"):
                until(lambda lives=lives: len(stored(daemon).lives()) >= lives)
            # A process that overlaps with the one before it would be a second instance.
            until(lambda lives=lives: len(daemon.said("target retired")) >= lives)
        assert daemon.stop() == 0

    assert len({target for target, _ in stored(daemon).lives()}) == 1


def test_without_anything_to_collect_it_says_what_to_do(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "serve"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "--target" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_one_clear_line(replayed: str, tmp_path: Path) -> None:
    taken = replayed.removeprefix("http://")
    ended = subprocess.run(
        [*COMMAND, "serve", "--target", f"{replayed}/t/1/debug/pprof", "--listen", taken],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert f"cannot listen on {taken}" in ended.stderr


def test_a_schema_that_is_not_ours_is_refused_with_what_to_do(
    replayed: str, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "memsnap.db")) as old:
        old.execute("CREATE TABLE alembic_version (version_num TEXT)")
        old.execute("CREATE TABLE snapshots (id INTEGER)")
        old.execute("INSERT INTO alembic_version VALUES ('0000')")
        old.commit()
    ended = subprocess.run(
        [*COMMAND, "serve", "--target", f"{replayed}/t/1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "newer schema" in ended.stderr
    assert "upgrade memsnap" in ended.stderr


def test_a_trigger_takes_a_pair_of_captures_beside_the_schedule(
    service: Start, tmp_path: Path
) -> None:
    rule = '[[trigger]]\nname = "jump"\nmetric = "heap"\ngrows-by = "4MB"\ncool-down = "60s"\n'
    with service("append_global") as growing:
        text = config([growing.address], interval="2s", extra='watch-every = "500ms"') + rule
        with serving(tmp_path / "daemon", text) as daemon:
            until(lambda: len(stored(daemon).snapshots) >= 1)
            growing.step(1_000_000)
            until(lambda: stored(daemon).reasons().count("trigger:jump") == 2)
            assert daemon.stop() == 0


def test_a_target_that_nobody_named_gets_the_name_of_its_service(
    service: Start, tmp_path: Path
) -> None:
    with (
        service("ring") as nameless,
        serving(tmp_path / "daemon", config([nameless.address])) as daemon,
    ):
        until(lambda: {row["service"] for row in stored(daemon).targets} == {"ring"})
        until(lambda: daemon.metric("memsnap_captures_total", service="ring") >= 1)
        assert daemon.stop() == 0
