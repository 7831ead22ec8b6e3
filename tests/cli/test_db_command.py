"""`memsnap db`: the store from the command line."""

import asyncio
import json
from dataclasses import fields

import pytest
from builders.captures import after, before

from memsnap.collector.housekeeping import policy_of
from memsnap.config.settings import RetentionSettings
from memsnap.storage.database import Database
from memsnap.storage.records import SeenTarget, Slot
from memsnap.storage.retention import Policy
from memsnap.storage.snapshots import save
from memsnap.storage.targets import register

AGES = ("all-for", "hourly-for", "daily-for")


@pytest.fixture
def store(tmp_path, memsnap):
    """The URL of a store with two captures of one target, of long ago."""
    url = f"sqlite:///{tmp_path / 'memsnap.db'}"
    assert memsnap("db", "upgrade", "--store", url).code == 0

    async def fill() -> None:
        seen = SeenTarget(key="shop", address="http://shop:6060", service="shop", source="static")
        async with await Database.open(url) as opened:
            ids = await register(opened, [seen], now_ns=1)
            for minute, snapshot in enumerate((before(), after(), before())):
                slot = Slot(target_id=ids["shop"], at_ns=10**18 + minute * 60 * 10**9)
                await save(opened, slot, snapshot, now_ns=slot.at_ns)

    asyncio.run(fill())
    return url


def test_an_upgrade_makes_a_store_and_says_so_once(tmp_path, memsnap):
    url = f"sqlite:///{tmp_path / 'a.db'}"

    first = memsnap("db", "upgrade", "--store", url)
    again = memsnap("db", "upgrade", "--store", url)

    assert first.out == "The schema is 0001 now; new.\n"
    assert again.out == "The schema is 0001, the newest already.\n"
    printed = memsnap("db", "upgrade", "--store", url, "--json").out
    assert json.loads(printed) == {"before": "0001", "after": "0001"}


def test_the_current_schema_is_told(store, tmp_path, memsnap):
    assert memsnap("db", "current", "--store", store).out == "The schema is 0001, the newest.\n"
    printed = memsnap("db", "current", "--store", store, "--json").out
    assert json.loads(printed) == {"current": "0001", "newest": "0001"}
    (tmp_path / "empty.db").touch()
    empty = memsnap("db", "current", "--store", str(tmp_path / "empty.db"))
    assert "no schema yet" in empty.out
    assert "memsnap db upgrade" in empty.out


@pytest.mark.parametrize(
    "command",
    ["db stats", "db prune", "db vacuum", "list", "findings list", "findings mute 3", "pull 1"],
)
def test_a_store_that_is_not_there_is_one_line_and_is_not_made(tmp_path, memsnap, command):
    done = memsnap(*command.split(), "--store", str(tmp_path / "none.db"))

    assert done.code == 1
    assert "no such file" in done.lines[0]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_store_leads_to_the_upgrade(tmp_path, memsnap):
    (tmp_path / "a.db").touch()

    done = memsnap("db", "prune", "--store", str(tmp_path / "a.db"))

    assert done.code == 1
    assert "memsnap db upgrade" in done.lines[1]


def test_the_size_is_told_by_table_and_target(store, memsnap):
    printed = memsnap("db", "stats", "--store", store)
    document = json.loads(memsnap("db", "stats", "--store", store, "--json").out)

    assert "on disk" in printed.out
    assert "snapshots" in printed.out
    assert "shop" in printed.out
    assert [each["snapshots"] for each in document["targets"]] == [3]
    assert {each["name"]: each["rows"] for each in document["tables"]}["snapshots"] == 3


def test_pruning_drops_what_is_too_old_and_keeps_the_ends_of_a_life(store, memsnap):
    report = json.loads(memsnap("db", "prune", "--store", store, "--json").out)

    assert report["by_age"] == 1
    again = memsnap("db", "prune", "--store", store)
    assert again.out.startswith("Dropped 0 captures by age and 0 captures by size")


def test_space_is_given_back(store, memsnap):
    done = memsnap("db", "vacuum", "--store", store)

    assert done.code == 0
    assert done.out.endswith(" given back.\n")
    assert "freed_bytes" in json.loads(memsnap("db", "vacuum", "--store", store, "--json").out)


def test_the_store_of_the_environment_is_taken(store, memsnap, monkeypatch):
    monkeypatch.setenv("MEMSNAP_STORE_URL", store)

    assert "0001" in memsnap("db", "current").out


@pytest.mark.parametrize("command", ["upgrade", "current", "stats", "prune", "vacuum"])
def test_the_store_of_the_configuration_is_taken(store, memsnap, tmp_path, monkeypatch, command):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    secret = tmp_path / "url"
    secret.write_text(f"{store}\n")
    config = tmp_path / "config.toml"
    config.write_text(f"[store]\nurl-file = '{secret}'\n[[target]]\naddress = 'http://a:6060'\n")

    done = memsnap("--config", str(config), "db", command)

    assert done.code == 0
    assert list(elsewhere.iterdir()) == []


def test_the_command_line_comes_before_the_environment_and_that_before_the_configuration(
    store, memsnap, tmp_path, monkeypatch
):
    config = tmp_path / "config.toml"
    config.write_text("[store]\nurl = 'sqlite:////nowhere/configured.db'\n")
    monkeypatch.setenv("MEMSNAP_STORE_URL", "sqlite:////nowhere/environment.db")
    # A server has no schema to look after.
    monkeypatch.setenv("MEMSNAP_SERVER", "http://nowhere:7070")

    told = memsnap("--config", str(config), "db", "current", "--store", store)
    untold = memsnap("--config", str(config), "db", "current")

    assert told.out == "The schema is 0001, the newest.\n"
    assert "environment.db" in untold.lines[0]


def test_without_any_word_the_store_is_that_of_this_folder(memsnap, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEMSNAP_STORE_URL", raising=False)
    done = memsnap("db", "upgrade")

    assert done.code == 0
    assert (tmp_path / "memsnap.db").exists()


def test_pruning_by_hand_keeps_what_the_configuration_keeps(store, memsnap, tmp_path):
    longer = tmp_path / "longer.toml"
    longer.write_text("[retention]\n" + "".join(f"{name} = '40000d'\n" for name in AGES))

    kept = memsnap("--config", str(longer), "db", "prune", "--store", store, "--json")
    told = ["db", "prune", "--store", store, "--json", "--all-for", "1s"]
    dropped = memsnap("--config", str(longer), *told)

    assert json.loads(kept.out)["by_age"] == 0
    assert json.loads(dropped.out)["by_age"] == 1  # of an hour, but its first and last capture


def test_what_the_store_keeps_by_default_is_what_the_configuration_says():
    configured, policy = policy_of(RetentionSettings()), Policy()

    ages = [each.name for each in fields(Policy) if each.name.endswith("_for_s")]
    assert [getattr(configured, age) for age in ages] == [getattr(policy, age) for age in ages]
