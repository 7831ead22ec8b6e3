"""Tracebacks travel inside a goroutine profile, and only memsnap sees them."""

import json
import re
from pathlib import Path

import pytest
from builders.series import goroutine_profile

from memsnap.errors import FormatError
from memsnap.pprof.encode import delimited
from memsnap.pprof.origins import tracebacks_of, with_tracebacks
from memsnap.pprof.reader import read
from memsnap.pprof.tracebacks import Spot, Traceback

PROFILE = goroutine_profile({"main.fetch fetch.go:22": 3, "main.main main.go:9": 1})
FETCH = Traceback(
    state="chan send",
    frames=(Spot("main.fetch", "/src/größe.go", 22),),
    go=Spot("main.lookUp", "/src/main.go", 31),
    count=3,
    minutes=4,
)
MAIN = Traceback(
    state="IO wait", frames=(Spot("main.main", "/src/main.go", 9),), go=None, count=1, minutes=0
)


def found_in(data):
    return tracebacks_of(read(data, name="goroutine"), name="goroutine")


def test_tracebacks_come_back_as_they_went():
    assert found_in(with_tracebacks(PROFILE, (FETCH, MAIN))) == (FETCH, MAIN)


def test_the_format_is_as_documented():
    document = (Path(__file__).parents[2] / "docs/snap-format.md").read_text(encoding="utf-8")
    extension = read(with_tracebacks(PROFILE, (FETCH,)), name="after").extension
    written = json.loads(extension[extension.index(b"{") :])
    keys = {"stacks", *(f"stacks.{key}" for key in written["stacks"][0])}
    assert keys == set(re.findall(r"^\| `(stacks[.\w]*)` \|", document, re.MULTILINE))
    example = re.search(r"^\{\"stacks\".*?\}\]\}", document, re.MULTILINE | re.DOTALL)[0]
    assert json.loads(example)["stacks"][0].keys() == written["stacks"][0].keys()


def test_the_profile_stays_what_it_was():
    before = read(PROFILE, name="before")
    after = read(with_tracebacks(PROFILE, (FETCH,)), name="after")
    assert after.values.tolist() == before.values.tolist()
    assert after.strings == before.strings


def test_a_plain_goroutine_profile_has_none():
    assert found_in(PROFILE) is None


@pytest.mark.parametrize(
    "content", [b"\x0a\xff", delimited(1, b"{"), delimited(1, b'{"stacks":1}')]
)
def test_what_cannot_be_read_is_told(content):
    with pytest.raises(FormatError, match="go statements is corrupt"):
        found_in(PROFILE + delimited(1000, content))
