"""What each Go scenario claims about itself, read from the header of its main.go.

    //truth:service verdict=leak trap=capacity ops=500
    //truth:site mark=body function=main.readBody type=[]uint8 alloc=make size=16384 per_op=1

`truth:service`: `verdict` is leak, cache, load, churn, one-time or steady, and `also` lists other
names that are as right; `ops` is a number of operations after which the verdict shows; `settle`
(default 0) is how many to perform before the first capture; `trap` or `shape` names the mistake or
the harmless pattern.  Healthy scenarios hold exactly as much after `settle` + `ops` operations as
after `settle`; `peak` is the number of operations after `settle` at which they look worst.

For recordings by the clock: `op` is what an operation of a leak holds on to, in bytes, where it is
more than the sum over its sites; `per_s` is how many operations a second show the shape of a
healthy scenario within 40 s; `args` is what to start the program with.

`truth:site`: an allocation site whose live objects change.  The line is the one that ends in
the comment `// site: MARK`, so it never goes stale.  `per_op` is the number of objects of `size`
bytes (rounded up to Go's size class) that one operation adds: negative where it removes some, 0
where the site is busy but stays level, absent where the amount is not a plain multiple.
`leaf=no`: the line is in the stack, below functions of the standard library that allocate;
`leaves` names those whose growth is the leak's, in any Go release.  `holder` is the variable that
keeps the objects alive, `cause` the functions at fault if they are not the one that allocates (for
goroutines also the runtime's functions that allocate what every goroutine has).
`leaves` and `cause` may hold wildcards.  All sites of a leak are of one leak.

A line that ends in the comment `// cause` is at fault without allocating anything: a `go`
statement, the place where a goroutine waits, the line that keeps what should go.
"""

import re
from dataclasses import dataclass
from pathlib import Path

SCENARIOS = Path(__file__).parent / "scenarios"

_DIRECTIVE = re.compile(r"^//truth:(service|site) (.+)$", re.MULTILINE)
_MARK = re.compile(r"// site: (\S+)$")
_CAUSE = re.compile(r"// cause$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One allocation site of a scenario."""

    function: str
    line: int
    type: str
    alloc: str
    size_bytes: int | None
    per_op: float | None
    leaf: bool
    leaves: tuple[str, ...]
    holder: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a scenario does to its heap."""

    name: str
    file: Path
    verdict: str
    trap: str
    shape: str
    settle: int
    ops: int
    peak: int | None
    sites: tuple[Site, ...]
    cause_lines: tuple[int, ...]
    also: tuple[str, ...]
    op_bytes: int
    per_s: float | None
    args: tuple[str, ...]

    @property
    def leaks(self) -> bool:
        """Whether the service is at fault."""
        return self.verdict == "leak"


def load(name: str, home: Path = SCENARIOS) -> Truth:
    """Return the truth of the scenario in the folder `name` of a Go module."""
    file = home / name / "main.go"
    source = file.read_text()
    marks = {
        found[1]: number
        for number, line in enumerate(source.splitlines(), start=1)
        if (found := _MARK.search(line))
    }
    directives = [(kind, _fields(rest)) for kind, rest in _DIRECTIVE.findall(source)]
    (service,) = (fields for kind, fields in directives if kind == "service")
    sites = tuple(_site(fields, marks) for kind, fields in directives if kind == "site")
    return Truth(
        name=name,
        file=file,
        verdict=service["verdict"],
        trap=service.get("trap", ""),
        shape=service.get("shape", ""),
        settle=int(service.get("settle", 0)),
        ops=int(service["ops"]),
        peak=int(service["peak"]) if "peak" in service else None,
        sites=sites,
        cause_lines=tuple(
            number
            for number, line in enumerate(source.splitlines(), start=1)
            if _CAUSE.search(line)
        ),
        also=_listed(service, "also"),
        op_bytes=int(service["op"]) if "op" in service else _op_bytes(sites),
        per_s=float(service["per_s"]) if "per_s" in service else None,
        args=_listed(service, "args"),
    )


def names(home: Path = SCENARIOS) -> list[str]:
    """Return the names of all scenarios of a Go module, sorted."""
    return sorted(file.parent.name for file in home.glob("*/main.go"))


def all_truths(home: Path = SCENARIOS) -> list[Truth]:
    """Return the truths of all scenarios, by name."""
    return [load(name, home) for name in names(home)]


def _op_bytes(sites: tuple[Site, ...]) -> int:
    """Return what one operation adds to all sites whose header says it."""
    return int(sum((site.per_op or 0) * (site.size_bytes or 0) for site in sites))


def _fields(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


def _listed(fields: dict[str, str], key: str) -> tuple[str, ...]:
    return tuple(filter(None, fields.get(key, "").split(",")))


def _site(fields: dict[str, str], marks: dict[str, int]) -> Site:
    return Site(
        function=fields["function"],
        line=marks[fields["mark"]],
        type=fields.get("type", ""),
        alloc=fields.get("alloc", ""),
        size_bytes=int(fields["size"]) if "size" in fields else None,
        per_op=float(fields["per_op"]) if "per_op" in fields else None,
        leaf=fields.get("leaf", "yes") == "yes",
        leaves=_listed(fields, "leaves"),
        holder=fields.get("holder", ""),
        causes=_listed(fields, "cause"),
    )
