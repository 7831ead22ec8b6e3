"""The catalogue of findings: what each kind means, what to do about it, how that looks in Go.

`docs/findings.md` says the same at length.  Which kind a leak is of follows from what its sites
allocate, what is on their stacks, and who waits; the kind only chooses the words, never the
verdict.
"""

from dataclasses import dataclass

from memsnap.analysis.finding import Cause
from memsnap.analysis.goroutines import Waiting


@dataclass(frozen=True, slots=True)
class Entry:
    """What a Go programmer should know of one kind of finding."""

    meaning: str
    advice: str
    example: str = ""


CATALOGUE: dict[str, Entry] = {
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
    "map-growth": Entry(
        "A map whose entries are never deleted, or deleted later than they come.",
        "Delete entries when they are done with, or bound the map. A map never gives back its "
        "tables, even when it is emptied: copy what is left into a new one.",
        "delete(sessions, id)\n// after a peak, once:\nfresh := make(map[string]*session, "
        "len(sessions))\nmaps.Copy(fresh, sessions)\nsessions = fresh",
    ),
    "emptied-map": Entry(
        "A map's tables never shrink: they stay as large as they were at its fullest.",
        "After a peak, copy what is left into a new map, and let the old one go.",
        "if len(sessions) < peak/4 {\n\tfresh := make(map[int]*session, len(sessions))\n"
        "\tmaps.Copy(fresh, sessions)\n\tsessions = fresh\n}",
    ),
    "kept-buffers": Entry(
        "Large byte arrays come to stay; often only a few bytes of each are wanted.",
        "A slice of a buffer, or a substring, keeps the whole of it alive: copy what you keep.",
        "header := bytes.Clone(body[:64])   // not body[:64]\nname := strings.Clone(line[:at]) "
        "  // not line[:at]",
    ),
    "capacity": Entry(
        "A profile does not tell how much of an array is in use.",
        "See whether a short slice of it is all that is kept, or a buffer that one peak has made "
        "large; copy what is needed, and let the array go.",
        "kept := slices.Clip(append([]byte(nil), big[:n]...))",
    ),
    "small-slices": Entry(
        "Very many small slices at one line are live at once.",
        "Keep the values in one large slice, or the elements themselves instead of slices of one.",
        "rows := make([]row, 0, n) // one array instead of n",
    ),
    "pooled-buffers": Entry(
        "Pooled buffers keep their largest size: one huge message makes a huge buffer for good.",
        "Do not put back what has grown beyond the usual size.",
        "if cap(*buffer) <= 64<<10 {\n\tpool.Put(buffer)\n}",
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
    "timers": Entry(
        "Timers that are armed and not stopped hold their function, and all that it captures.",
        "Stop timers and tickers when they are no longer wanted.",
        "timeout := time.AfterFunc(time.Hour, expire)\ndefer timeout.Stop()",
    ),
    "context-children": Entry(
        "Contexts whose parents keep them: each child stays until it, or the parent, is cancelled.",
        "Call cancel on every path, and do not derive from a context that lives as long as the "
        "program.",
        "ctx, cancel := context.WithTimeout(parent, time.Second)\ndefer cancel()",
    ),
    "finalizers": Entry(
        "Objects with finalizers live on until theirs has run, and for ever within a cycle.",
        "Free resources by a Close that callers call; from Go 1.24 on runtime.AddCleanup does not "
        "keep cycles alive.",
        "runtime.AddCleanup(file, func(fd int) { syscall.Close(fd) }, file.fd)",
    ),
    "finalizer-backlog": Entry(
        "One goroutine runs all finalizers: while it waits, nothing that has one is freed, be it "
        "an os.File or a net.Conn.",
        "Let no finalizer or cleanup wait for anything: start a goroutine for what takes time, or "
        "close what you open yourself.",
        "runtime.SetFinalizer(c, func(c *conn) { go c.logOut() })",
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
    "alloc-surge": Entry(
        "Much is allocated here and nothing kept: the garbage collector pays.",
        "Reuse the memory: a buffer that the caller passes in, or a sync.Pool.",
        "buffer = append(buffer[:0], line...) // one array for all lines",
    ),
    "one-time": Entry(
        "One step, flat before and after.",
        "Something was loaded once; it is no leak unless it happens again.",
    ),
    "steady": Entry(
        "Objects are replaced in place: as many go as come.",
        "No leak, whatever a difference of two profiles shows.",
    ),
    "heap-growth": Entry(
        "The exact live heap grows, and the samples do not say where.",
        "Take more captures, or start the service with GODEBUG=memprofilerate=65536 for eight "
        "times as many samples.",
    ),
    "idle-heap": Entry(
        "Memory that Go keeps for reuse after a peak.",
        "Go returns it over minutes; GOMEMLIMIT bounds it, debug.FreeOSMemory returns it at once.",
        "GOMEMLIMIT=900MiB ./service",
    ),
    "fragmentation": Entry(
        "Free slots in spans that a few live objects keep in use.",
        "Objects of a few sizes keep spans alive that are mostly free: allocate what lives long "
        "apart from what does not, or in one slice.",
    ),
    "stacks": Entry(
        "Goroutine stacks, outside the heap.",
        "Stacks grow with goroutines: compare their counts.",
    ),
    "profiler": Entry(
        "The heap profiler's own tables, which are never freed.",
        "Many different stacks allocate: GODEBUG=profstackdepth bounds their length.",
    ),
    "non-go-memory": Entry(
        "Memory that the Go runtime knows nothing of.",
        "Look at cgo, mapped files and the page cache of the container.",
    ),
    "runtime": Entry(
        "Metadata of the garbage collector, spans and caches.",
        "It goes with the size of the heap; nothing to do here.",
    ),
    "garbage": Entry(
        "Dead objects that wait for the next garbage collection.",
        "GOGC trades memory for work: 50 collects twice as often as 100; GOMEMLIMIT sets a bound.",
        "GOGC=50 ./service",
    ),
}

_OF_CAUSE = {
    Cause.CACHE: "cache",
    Cause.LOAD: "load",
    Cause.CHURN: "churn",
    Cause.ONE_TIME: "one-time",
    Cause.STEADY: "steady",
}
_CONNECTION = "net/http.(*persistConn)."  # the goroutines of a client's connection
_LARGE_BUFFER = 4 << 10  # bytes of an array that a small slice of it would better not keep
_MANY_SLICES = 10_000  # live at one line
_SMALL_SLICE = 1 << 10  # bytes
# By functions on the stack, the most telling first.
_BY_STACK = (
    ("timers", ("time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.After", "time.Tick")),
    ("context-children", ("context.With", "context.(*cancelCtx)", "context.withCancel")),
    ("finalizers", ("runtime.SetFinalizer", "runtime.AddCleanup", "runtime.addspecial")),
    ("pooled-buffers", ("sync.(*Pool).Get",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is known of the objects that grew: the largest part's, where there are several.

    `objects` are live in the last capture, estimated; `map_share` is the part of the growth that
    is maps' own tables; `functions` are all on the stacks of what came to stay.
    """

    type: str = ""
    object_bytes: int = 0
    objects: int = 0
    map_share: float = 0.0
    climbs: bool = False
    functions: frozenset[str] = frozenset()


def kind_of(cause: Cause, traits: Traits, goroutines: tuple[Waiting, ...]) -> str:
    """Return the kind of a finding that does what `cause` says."""
    if cause in _OF_CAUSE:
        return _OF_CAUSE[cause]
    if goroutines:
        return kind_of_pile(goroutines)
    for kind, starts in _BY_STACK:
        if any(function.startswith(starts) for function in traits.functions):
            return kind
    return _by_objects(traits)


def _by_objects(traits: Traits) -> str:
    if traits.climbs:
        return "append-growth"
    if traits.map_share > 0:
        return "map-growth"
    if traits.type in ("[]uint8", "string") and traits.object_bytes >= _LARGE_BUFFER:
        return "kept-buffers"
    small = traits.object_bytes <= _SMALL_SLICE and traits.type.startswith("[]")
    return "small-slices" if small and traits.objects > _MANY_SLICES else "growth"


def kind_of_pile(goroutines: tuple[Waiting, ...]) -> str:
    """Return the kind of goroutines that pile up: a library's own may have a cause of their own."""
    if any(pile.entry.function.startswith(_CONNECTION) for pile in goroutines):
        return "unclosed-body"
    return "goroutine-leak"
