"""Which store or server is meant."""

import pytest

from memsnap.archive.places import ServerPlace, StorePlace, choose, opened
from memsnap.errors import MemsnapError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, text):
    file = folder / "config.toml"
    file.write_text(text)
    return file


def test_an_option_counts_more_than_the_environment(folder):
    environment = {"MEMSNAP_STORE_URL": "a.db", "MEMSNAP_SERVER": "http://a"}

    assert choose(store="b.db", environment=environment) == StorePlace(url="b.db")
    server = choose(server="http://b", token_file="t", environment=environment)
    assert server == ServerPlace(url="http://b", token_file="t")


def test_the_environment_counts_more_than_the_configuration(folder):
    config = written(folder, '[store]\nurl = "sqlite:///c.db"\n')

    found = choose(config=config, environment={"MEMSNAP_SERVER": "http://a"})
    assert found == ServerPlace(url="http://a")
    found = choose(config=config, environment={"MEMSNAP_STORE_URL": "sqlite:///a.db"})
    assert found == StorePlace(url="sqlite:///a.db")
    assert choose(config=config, environment={}) == StorePlace(url="sqlite:///c.db")


def test_a_configuration_is_read_for_its_store_alone(folder):
    config = written(
        folder,
        '[store]\nurl-env = "DB"\n[[target]]\naddress = "http://shop:6060"\n'
        '[[discover]]\nkind = "kubernetes"\nnode-env = "NODE"\n',
    )

    found = choose(config=config, environment={"DB": "postgresql://db/memsnap"})

    assert found == StorePlace(url="postgresql://db/memsnap")


def test_a_wrong_store_in_the_configuration_is_told_with_its_key(folder):
    config = written(folder, "[store]\nulr = 'x'\n")

    with pytest.raises(MemsnapError, match=r"store\.ulr"):
        choose(config=config, environment={})


def test_the_store_of_this_folder_is_the_default(folder):
    (folder / "memsnap.db").touch()
    config = written(folder, "[log]\nlevel = 'info'\n")

    assert choose(config=config, environment={}) == StorePlace(url="sqlite:///memsnap.db")


def test_nothing_at_all_leads_to_every_way_of_naming_it(folder):
    with pytest.raises(UsageError, match=r"there is no memsnap\.db in this folder") as caught:
        choose(environment={})
    for way in ("--store", "--server", "MEMSNAP_STORE_URL", "MEMSNAP_SERVER", "[store]"):
        assert way in caught.value.hint


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"store": "a", "server": "b"}, "--store and --server exclude each other"),
        ({"environment": {"MEMSNAP_STORE_URL": "a", "MEMSNAP_SERVER": "b"}}, "are both set"),
        ({"store": "a", "token_file": "t"}, "a token is for a server"),
    ],
    ids=["options", "environment", "token"],
)
def test_two_places_are_none(given, words):
    with pytest.raises(UsageError, match=words):
        choose(**{"environment": {}, **given})


async def test_a_store_that_is_not_there_is_not_made(folder):
    with pytest.raises(MemsnapError, match="no such file"):
        async with opened(StorePlace(url="sqlite:///none.db")):
            pass
    assert list(folder.iterdir()) == []


async def test_an_empty_database_leads_to_the_upgrade(folder):
    (folder / "empty.db").touch()

    with pytest.raises(MemsnapError, match="is empty") as caught:
        async with opened(StorePlace(url="sqlite:///empty.db")):
            pass
    assert "memsnap db upgrade" in caught.value.hint
