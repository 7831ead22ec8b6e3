"""Go's listing of goroutines: heads, frames and `go` statements, as all releases write them."""

import pytest

from memsnap.errors import FormatError
from memsnap.pprof.tracebacks import Spot, Traceback, parse_tracebacks

FETCH = """goroutine {} [chan send{}]:
main.fetch(0x{}, 0xc00001c0c0)
\t/src/main.go:24 +0x45
created by main.lookUp in goroutine 1
\t/src/main.go:31 +0x85
"""
MAIN = """goroutine 1 [IO wait]:
internal/poll.runtime_pollWait(0x7f, 0x72)
\t/go/src/runtime/netpoll.go:343 +0x85
main.main()
\t/src/main.go:9 +0x1d
"""


def parse(*blocks):
    return parse_tracebacks("\n".join(blocks).encode(), name="listing")


def one(head, *lines):
    return parse("\n".join([head, *lines, ""]))[0]


def test_goroutines_that_are_alike_are_counted_whatever_their_arguments():
    waits = ("", ", 3 minutes", ", 7 minutes, locked to thread")
    assert parse(MAIN, *(FETCH.format(18 + at, wait, at) for at, wait in enumerate(waits))) == (
        Traceback(
            state="IO wait",
            frames=(
                Spot("internal/poll.runtime_pollWait", "/go/src/runtime/netpoll.go", 343),
                Spot("main.main", "/src/main.go", 9),
            ),
            go=None,
            count=1,
            minutes=0,
        ),
        Traceback(
            state="chan send",
            frames=(Spot("main.fetch", "/src/main.go", 24),),
            go=Spot("main.lookUp", "/src/main.go", 31),
            count=3,
            minutes=7,
        ),
    )


@pytest.mark.parametrize(
    ("head", "state", "minutes"),
    [
        ("goroutine 5 [select (no cases)]:", "select (no cases)", 0),
        ("goroutine 5 [chan receive (leaked), 2 minutes]:", "chan receive", 2),
        ("goroutine 5 [sync.WaitGroup.Wait (durable), synctest bubble 3]:",
         "sync.WaitGroup.Wait", 0),
        ("goroutine 5 gp=0xc000 m=nil [GC worker (idle), 12 minutes]:", "GC worker (idle)", 12),
        ("goroutine 5 [sleep] {route: \"a]: b\", tenant: x}:", "sleep", 0),
    ],
)  # fmt: skip
def test_a_head_holds_state_and_minutes_among_other_things(head, state, minutes):
    found = one(head, "main.work(...)", "\t/src/main.go:24 +0x1")
    assert (found.state, found.minutes) == (state, minutes)


@pytest.mark.parametrize(
    ("line", "function"),
    [
        ("main.inlined(...)", "main.inlined"),
        ("main.(*worker).run(0xc0000b6000)", "main.(*worker).run"),
        ("main.keep[...](0x1)", "main.keep[...]"),
        ("main.pair({0x1, 0x2}, {0x3?, ...})", "main.pair"),
        ("main.main.func1.2()", "main.main.func1.2"),
    ],
)
def test_a_function_is_named_without_its_arguments(line, function):
    assert one("goroutine 5 [select]:", line, "\t/a b/x:y/main.go:24 +0x1").frames == (
        Spot(function, "/a b/x:y/main.go", 24),
    )


def test_what_has_no_line_of_code_is_no_frame():
    found = one(
        "goroutine 5 [running]:",
        "\tgoroutine running on other thread; stack unavailable",
        "non-Go function",
        "\tpc=0x7f",
        "main.call(0x1)",
        "\t/src/main.go:24 +0x1",
        "...23 frames elided...",
        "main.outer()",
        "\t/src/main.go:2 +0x1 fp=0xc sp=0xd pc=0xe",
        "created by main.start",
        "\t/src/main.go:31 +0x85",
    )
    assert [frame.function for frame in found.frames] == ["main.call", "main.outer"]
    assert found.go == Spot("main.start", "/src/main.go", 31)


def test_what_is_no_listing_is_refused():
    with pytest.raises(FormatError, match="listing is no listing of goroutines") as caught:
        parse("goroutine profile: total 4")
    assert "debug=2" in caught.value.hint


def test_a_listing_that_go_cut_short_counts_nothing():
    with pytest.raises(FormatError, match="cut short"):
        parse_tracebacks(b"\n" * (64 << 20), name="listing")
