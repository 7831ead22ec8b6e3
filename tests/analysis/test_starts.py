"""Which `go` statement stands behind a pile, where several start goroutines of one place."""

from memsnap.analysis.rows import Frame
from memsnap.analysis.starts import Start, minutes_waited, spot_of, starts
from memsnap.pprof.tracebacks import Spot, Traceback

LOOK = Spot("main.lookUp", "look.go", 31)
WARM = Spot("main.warmUp", "warm.go", 5)
PLACE = ("main.fetch", Frame("main.fetch", "fetch.go", 22))


def waiting(**started):
    """Return goroutines that wait in fetch: `look`, `warm` are how many each statement started."""
    go = {"look": LOOK, "warm": WARM}
    return tuple(
        Traceback(
            state="chan send",
            frames=(Spot("main.fetch", "fetch.go", 22),),
            go=go[name],
            count=count,
            minutes=count // 10,
        )
        for name, count in started.items()
    )


def test_of_one_capture_the_statement_of_most_counts():
    assert starts([waiting(look=30, warm=10)], "") == {PLACE: Start(at=Frame(*LOOK), share=0.75)}


def test_of_several_the_statement_of_what_came_on_top_counts():
    captures = [waiting(look=2, warm=100), waiting(look=42, warm=110)]
    assert starts(captures, "") == {PLACE: Start(at=Frame(*LOOK), share=0.8)}


def test_captures_without_tracebacks_are_passed_over():
    captures = [None, waiting(look=2, warm=100), waiting(look=42, warm=100), None]
    assert starts(captures, "") == {PLACE: Start(at=Frame(*LOOK), share=1.0)}
    assert starts([None, None], "") == {}


def test_the_longest_wait_is_that_of_the_place():
    assert minutes_waited(waiting(look=30, warm=70), "") == {PLACE: 7}
    assert minutes_waited(None, "") == {}


def test_both_profiles_know_a_place_by_the_same_name():
    counted = [
        Frame("runtime.gopark", "proc.go", 4),
        Frame("main.(*Set[go.shape.string]).wait", "set.go", 8),
        Frame("main.keep[go.shape.int]", "keep.go", 3),
        Frame("runtime.runfinq", "mfinal.go", 2),
    ]
    listed = [
        Frame("main.(*Set[...]).wait", "set.go", 8),
        Frame("main.keep[...]", "keep.go", 3),
    ]
    assert spot_of(counted, "") == spot_of(listed, "")
