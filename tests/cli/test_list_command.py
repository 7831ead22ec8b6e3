"""`memsnap list`: targets, captures, failures."""

import json

import pytest


def rows(done) -> list[list[str]]:
    """Return the cells of a printed table, without its head."""
    return [line.split() for line in done.out.splitlines()[1:]]


def test_targets_are_listed_with_their_last_capture_and_what_fails(filled, memsnap):
    done = memsnap("list")

    assert done.code == 0
    cart, shop = rows(done)
    assert cart[:4] == [str(filled.targets["cart"]), "cart", "cart", "0"]
    assert " ".join(cart[4:]) == "never http://cart:6060 refuses the connection"
    assert shop[:5] == [str(filled.targets["shop"]), "shop", "shop", "env=prod", "10"]
    assert shop[6] == "ago"


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (["--label", "env=prod"], ["shop"]),
        (["--service", "cart"], ["cart"]),
        (["--label", "env=test"], []),
    ],
    ids=str,
)
def test_targets_are_chosen_by_service_and_label(filled, memsnap, options, keys):
    document = json.loads(memsnap("list", *options, "--json").out)

    assert document["schema"] == "memsnap.list/1"
    assert [each["key"] for each in document["targets"]] == keys


@pytest.mark.parametrize("name", ["shop", "http://shop:6060", "t:1", "1"])
def test_the_captures_of_a_target_are_listed_the_newest_first(filled, memsnap, name):
    name = name.replace("1", str(filled.targets["shop"]))
    done = memsnap("list", name, "-n", "3")

    assert [row[0] for row in rows(done)[:3]] == [str(each) for each in filled.shop[:-4:-1]]
    assert rows(done)[0][3:] == ["59.0", "MB", "100", "MB", "38", "v1.2.0", "schedule"]
    assert "and more" in done.out.splitlines()[-1]


def test_captures_are_chosen_by_time(filled, memsnap):
    done = memsnap("list", "shop", "--since", "11m", "--until", "5m", "--json")

    document = json.loads(done.out)
    assert [each["id"] for each in document["snapshots"]] == filled.shop[7:4:-1]
    assert document["more"] is False
    assert document["snapshots"][0]["target"] == "shop"


def test_captures_of_all_targets_carry_their_names(filled, memsnap):
    done = memsnap("list", "--snapshots", "--label", "env=prod")

    assert done.out.splitlines()[0].split()[-1] == "target"
    assert {row[-1] for row in rows(done)} == {"shop"}
    assert len(rows(done)) == 10


def test_failures_are_listed_with_cause_and_words(filled, memsnap):
    done = memsnap("list", "--failures")

    ((*_, cause, target, first, second, third, fourth),) = rows(done)
    assert (cause, target) == ("unreachable", "cart")
    words = " ".join((first, second, third, fourth))
    assert words == "http://cart:6060 refuses the connection"
    (row,) = json.loads(memsnap("list", "cart", "--failures", "--json").out)["failures"]
    assert (row["cause"], row["message"], row["collector"]) == ("unreachable", words, "c-1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop", "--since", "2030-01-01"], "No captures."),
        (["shop", "--failures"], "No failures."),
        (["--service", "none"], "No targets."),
    ],
    ids=str,
)
def test_nothing_is_said_in_words(filled, memsnap, arguments, said):
    assert memsnap("list", *arguments).out == f"{said}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "1h"], "choose captures, not targets"),
        (["--snapshots", "--failures"], "exclude each other"),
        (["shop", "--since", "soon"], "'soon' is no moment"),
        (["--label", "prod"], "'prod' is no label"),
        (["--label", "a=1", "--label", "a=2"], "has two values"),
        (["chop"], "has no target 'chop'"),
        (["--failures", "-n", "1000"], "at most 999 lines"),
    ],
    ids=str,
)
def test_what_cannot_be_listed_is_told(filled, memsnap, arguments, words):
    done = memsnap("list", *arguments)

    assert done.code == 2
    assert words in done.lines[0]


def test_without_a_store_every_way_to_name_one_is_told(tmp_path, memsnap, monkeypatch):
    monkeypatch.chdir(tmp_path)

    done = memsnap("list")

    assert done.code == 2
    assert "there is no memsnap.db in this folder" in done.lines[0]
    assert "--server" in done.lines[1]


def test_the_store_of_the_configuration_is_read(filled, memsnap, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    config = tmp_path / "elsewhere" / "config.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/memsnap.db"\n')
    monkeypatch.chdir(config.parent)

    assert len(rows(memsnap("--config", config, "list"))) == 2
