"""What `store:...` means."""

import pytest

from memsnap.archive.moments import At, End
from memsnap.archive.references import (
    Between,
    ById,
    Nearest,
    is_reference,
    parse_reference,
    target_name,
)
from memsnap.errors import UsageError

NOW = 1_795_400_000 * 10**9
HOUR = 3600 * 10**9


@pytest.mark.parametrize("text", ["store:17", "store:#17", "STORE:17"])
def test_a_number_is_a_snapshot(text):
    assert parse_reference(text, now_ns=NOW) == ById(text=text, id=17)


@pytest.mark.parametrize(
    ("text", "target", "moment"),
    [
        ("store:shop", "shop", End.LAST),
        ("store:shop@last", "shop", End.LAST),
        ("store:shop@first", "shop", End.FIRST),
        ("store:shop@now", "shop", At(ns=NOW, text="now")),
        ("store:shop@-1h30m", "shop", At(ns=NOW - 3 * HOUR // 2, text="-1h30m")),
        ("store:t:3@-1h", "3", At(ns=NOW - HOUR, text="-1h")),
        ("store:3@last", "3", End.LAST),
        ("store:http://shop:6060/x@-1h", "http://shop:6060/x", At(ns=NOW - HOUR, text="-1h")),
        ("store:me@home@last", "me@home", End.LAST),
        (
            "store:shop@2026-11-22T14:03:07Z",
            "shop",
            At(ns=1_795_356_187 * 10**9, text="2026-11-22T14:03:07Z"),
        ),
    ],
)
def test_a_target_and_a_moment_are_the_nearest_capture(text, target, moment):
    expected = Nearest(text=text, target=target, at=moment)

    assert parse_reference(text, now_ns=NOW) == expected


@pytest.mark.parametrize(
    ("moments", "since", "until"),
    [
        ("-1h..now", At(ns=NOW - HOUR, text="-1h"), At(ns=NOW, text="now")),
        ("first..last", End.FIRST, End.LAST),
        ("..-1h", End.FIRST, At(ns=NOW - HOUR, text="-1h")),
        ("-1h..", At(ns=NOW - HOUR, text="-1h"), End.LAST),
    ],
)
def test_two_moments_are_all_captures_between(moments, since, until):
    text = f"store:shop@{moments}"

    assert parse_reference(text, now_ns=NOW) == Between(
        text=text, target="shop", since=since, until=until
    )


@pytest.mark.parametrize(
    "text",
    ["store:", "store:@last", "store:shop@", "store:shop@yesterday", "store:shop@-1x", "a.snap"],
)
def test_what_is_no_reference_leads_to_how_one_is_written(text):
    with pytest.raises(UsageError) as caught:
        parse_reference(text, now_ns=NOW)
    assert caught.value.hint.startswith("write ")


def test_a_file_is_no_reference():
    assert [is_reference(text) for text in ("store:1", "./store:1", "store.snap", "pid:1")] == [
        *(True, False, False, False)
    ]


def test_only_a_numbered_target_is_an_id():
    assert [target_name(text) for text in ("t:17", "t:x", " shop ")] == ["17", "t:x", "shop"]
