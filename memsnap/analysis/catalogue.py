"""The catalogue of findings: what each kind means, what to do about it, how that looks in Go."""

from dataclasses import dataclass

from memsnap.analysis.finding import Cause
from memsnap.analysis.goroutines import Waiting
from memsnap.analysis.series import Series
from memsnap.pprof.profile import Int64s


@dataclass(frozen=True, slots=True)
class Entry:
    """What a Go programmer should know of one kind of finding."""

    meaning: str
    advice: str
    example: str = ""


ADVICE: dict[str, Entry] = {
    "growth": Entry(
        "Objects allocated at this line come to stay.",
        "Look for what keeps the result of this line: a map, slice or channel that is never "
        "emptied, or a goroutine that never ends.",
    ),
    "append-growth": Entry(
        "A slice that only grows: each time its array is full, append moves it to a larger one.",
        "Bound it: drop the oldest entries, write them out, or keep a ring of a fixed size.",
        "if len(audit) >= limit {\n\taudit = audit[:copy(audit, audit[len(audit)/2:])]\n}\n"
        "audit = append(audit, e)",
    ),
    "goroutine-leak": Entry(
        "Goroutines that wait for ever, and hold all that they can reach.",
        "Give each of them a way to end: a buffered channel for a result that nobody may want, a "
        "context that is cancelled, a channel that its owner closes.",
        "answers := make(chan []byte, 1) // the sender can leave even if nobody receives\n"
        "go func() {\n\tselect {\n\tcase answers <- fetch(ctx):\n\tcase <-ctx.Done():\n\t}\n}()",
    ),
    "unclosed-body": Entry(
        "HTTP connections that stay open: each has two goroutines and buffers at both ends.",
        "Read each response's body to its end and close it, on every path; set a timeout.",
        "answer, err := client.Get(url)\nif err != nil {\n\treturn err\n}\n"
        "defer answer.Body.Close()\n_, err = io.Copy(io.Discard, answer.Body)",
    ),
    "cache": Entry(
        "Growth that slows down: a cache or a warm-up.",
        "Watch whether it stops where you expect, and give the cache a limit if it has none.",
    ),
    "load": Entry(
        "Memory that goes with the number of goroutines.",
        "Size the service for its peak, or bound how many requests it serves at once.",
    ),
    "churn": Entry(
        "Memory that comes and goes.",
        "No leak. If the garbage collector costs too much, reuse the objects (sync.Pool).",
    ),
    "one-time": Entry(
        "One step, flat before and after.",
        "Something was loaded once; it is no leak unless it happens again.",
    ),
    "steady": Entry("What is live stays as large as it is.", ""),
}

_CONNECTION = "net/http.(*persistConn)."  # the goroutines of a client's connection
_OF_CAUSE = {
    Cause.CACHE: "cache",
    Cause.LOAD: "load",
    Cause.CHURN: "churn",
    Cause.ONE_TIME: "one-time",
    Cause.STEADY: "steady",
}


def kind_of(series: Series, cause: Cause, rows: Int64s, goroutines: tuple[Waiting, ...]) -> str:
    """Return the kind of groups that do what `cause` says; `rows` are their sites."""
    if cause in _OF_CAUSE:
        return _OF_CAUSE[cause]
    if goroutines:
        return kind_of_pile(goroutines)
    mine = set(rows.tolist())
    if any(ladder.climbs and mine & set(ladder.rows.tolist()) for ladder in series.ladders):
        return "append-growth"
    return "growth"


def kind_of_pile(goroutines: tuple[Waiting, ...]) -> str:
    """Return the kind of goroutines that pile up: a library's own may have a cause of their own."""
    if any(pile.entry.function.startswith(_CONNECTION) for pile in goroutines):
        return "unclosed-body"
    return "goroutine-leak"
