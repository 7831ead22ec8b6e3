"""Which groups of a series are one leak: one finding even where three sites and a goroutine grow.

A goroutine that never ends shows in many places: what it allocated, its own descriptor, the
buffers of the connection that it serves, in libraries whose stacks have no own code at all.  They
are joined by shared functions, by package, and by growing in step.
"""

from dataclasses import dataclass

import numpy as np

from memsnap.analysis.causes import Judged
from memsnap.analysis.finding import Cause
from memsnap.analysis.goroutines import Waiting, holds
from memsnap.analysis.names import package_of
from memsnap.analysis.series import Series
from memsnap.analysis.stacks import stacks
from memsnap.analysis.table import Floats

_CLIENT = ("net/http.(*Client).", "net/http.(*Transport).")
"""Who calls these uses connections; much else of the package is called by those who serve."""
_GROWN = (Cause.LEAK, Cause.UNKNOWN)
_TRIFLE = 0.05  # of the largest leak: growth of unknown cause that is not worth a word beside it
_MOSTLY = 0.8  # of what came to stay: then one function calls the other for it
_IN_STEP = 0.9  # correlation of what grows together


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What one finding is about: groups, the leading one first, and goroutines that hold them.

    `caller` is the group of own code that calls into the package of groups that have none; it
    stands for them.  There is at least one of `members` and `goroutines`.
    """

    members: tuple[Judged, ...]
    goroutines: tuple[Waiting, ...] = ()
    caller: int | None = None


def families(series: Series, judged: list[Judged]) -> tuple[Family, ...]:
    """Return all groups and all goroutines that pile up, each in one family."""
    grown = sorted(
        (one for one in judged if one.cause in _GROWN or _held(series, one)),
        key=lambda one: (one.cause is not Cause.LEAK, -float(series.net[one.group])),
    )
    rest = [Family(members=(one,)) for one in judged if one not in grown]
    built = [
        _Builder([one], [pile for pile in series.piles if holds(series.name(one.group), pile)])
        for one in grown
        if series.own[one.group]
    ]
    built = _joined(series, built)
    taken = {id(pile) for one in built for pile in one.goroutines}
    _add_loose(series, built, [pile for pile in series.piles if id(pile) not in taken])
    _add_foreign(series, built, [one for one in grown if not series.own[one.group]])
    return (*(one.family() for one in built if not _trifle(series, one, grown)), *rest)


def _held(series: Series, one: Judged) -> bool:
    """Whether goroutines that pile up hold a group: then it is theirs, whatever its course."""
    name = series.name(one.group)
    came = one.cause not in (Cause.CHURN, Cause.STEADY) and series.net[one.group] > 0
    return came and bool(series.own[one.group]) and any(holds(name, pile) for pile in series.piles)


def _joined(series: Series, built: list["_Builder"]) -> list["_Builder"]:
    """Join what grows in step with a leak that calls it, or that it calls: sites of one leak."""
    kept: list[_Builder] = []
    for one in built:
        leak = next((other for other in kept if _one_call(series, other, one)), None)
        if leak is None:
            kept.append(one)
        else:
            leak.members += one.members
            leak.goroutines += [pile for pile in one.goroutines if pile not in leak.goroutines]
    return kept


def _one_call(series: Series, leak: "_Builder", one: "_Builder") -> bool:
    first, other = leak.members[0], one.members[0]
    if first.cause is not Cause.LEAK:
        return False
    if not _in_step(series.course[first.group], series.course[other.group]):
        return False
    return _calls(series, first.group, other.group) or _calls(series, other.group, first.group)


def _calls(series: Series, caller: int, callee: int) -> bool:
    """Whether most of what came to stay in one group was allocated below another's function."""
    alignment = series.diff.alignment
    rows = np.flatnonzero((series.group == callee) & (series.born > series.died))
    if not len(rows):
        return False
    start, spots = stacks(alignment, rows)
    owner = np.repeat(np.arange(len(rows)), np.diff(start))
    through = np.zeros(len(rows), dtype=np.bool_)
    through[owner[alignment.frames.function[spots] == series.function[caller]]] = True
    weight = (series.born - series.died)[rows] / series.density[rows]
    return float(weight[through].sum()) > _MOSTLY * float(weight.sum())


def _trifle(series: Series, one: "_Builder", grown: list[Judged]) -> bool:
    """Whether a family is growth of unknown cause that a leak dwarfs: most often a part of it."""
    leaks = [leak for leak in grown if leak.cause is Cause.LEAK]
    largest = max((float(series.net[leak.group]) for leak in leaks), default=0.0)
    unknown = all(member.cause is Cause.UNKNOWN for member in one.members)
    net = sum(float(series.net[member.group]) for member in one.members)
    return bool(one.members) and not one.goroutines and unknown and net < _TRIFLE * largest


@dataclass(slots=True)
class _Builder:
    members: list[Judged]
    goroutines: list[Waiting]
    caller: int | None = None
    package: str = ""

    def family(self) -> Family:
        return Family(
            members=tuple(self.members), goroutines=tuple(self.goroutines), caller=self.caller
        )


def _add_loose(series: Series, built: list[_Builder], loose: list[Waiting]) -> None:
    """Give piles of goroutines that no group holds to the leak that grows in step, or to a new one.

    A library's goroutines are one matter, whatever they wait for, and go by who calls it.
    """
    for pile in loose:
        counts = np.array(pile.counts, dtype=np.float64)
        package = package_of(pile.entry.function)
        if pile.own:
            leak = next(
                (
                    one
                    for one in built
                    if one.members
                    and one.members[0].cause is Cause.LEAK
                    and package == package_of(series.name(one.members[0].group))
                    and _in_step(counts, series.course[one.members[0].group])
                ),
                None,
            )
        else:
            leak = next((one for one in built if one.package == package), None)
        if leak is None:
            leak = _opened(series, built, "" if pile.own else package)
        leak.goroutines.append(pile)


def _opened(series: Series, built: list[_Builder], package: str) -> _Builder:
    """Return the family of who calls into `package`, or a new one; empty for own goroutines."""
    caller = _caller(series, package) if package else None
    for one in built:
        if caller is not None and one.members and one.members[0].group == caller:
            one.package = package
            return one
    built.append(_Builder([], [], caller, package))
    return built[-1]


def _add_foreign(series: Series, built: list[_Builder], foreign: list[Judged]) -> None:
    """Give groups without own code to the family whose consequence they are, or make one."""
    for one in foreign:
        package = package_of(series.name(one.group))
        same = next((other for other in built if other.package == package), None)
        leading = next((other for other in built if _leads(series, other, one)), None)
        if same is not None:
            same.members.append(one)
        elif leading is not None:
            leading.members.append(one)
        else:
            _opened(series, built, "" if package == "runtime" else package).members.append(one)


def _leads(series: Series, other: _Builder, one: Judged) -> bool:
    """Whether a group without own code only follows what another family does.

    Its goroutines are those that pile up there, or it is the smaller one, and grows in step.
    """
    package = package_of(series.name(one.group))
    if any(package == package_of(pile.entry.function) for pile in other.goroutines):
        return True
    if not other.members:
        return bool(other.goroutines) and package == "runtime"
    first = other.members[0]
    if first.cause is not Cause.LEAK or series.net[one.group] > series.net[first.group]:
        return False
    if package == "runtime":
        return True
    return bool(other.goroutines) or _in_step(series.course[one.group], series.course[first.group])


def _in_step(left: Floats, right: Floats) -> bool:
    if left.std() == 0 or right.std() == 0:
        return False
    return float(np.corrcoef(left, right)[0, 1]) >= _IN_STEP


def _caller(series: Series, package: str) -> int | None:
    """Return the group of own code that most objects came to stay for inside `package`.

    Only calls of that code count: a handler that a server's package calls is no caller of it.
    """
    alignment = series.diff.alignment
    strings = alignment.frames.strings
    inside = np.zeros(len(strings), dtype=np.bool_)
    for at in set(alignment.frames.function.tolist()):
        inside[at] = package_of(strings[at]) == package and (
            package != "net/http" or strings[at].startswith(_CLIENT)
        )
    rows = np.flatnonzero(series.own[series.group])
    start, spots = stacks(alignment, rows)
    owner = np.repeat(np.arange(len(rows)), np.diff(start))
    place = np.arange(len(spots)) - start[owner]
    mine = np.full(len(rows), len(spots), dtype=np.int64)
    hits = np.flatnonzero(spots == series.frame[rows][owner])
    np.minimum.at(mine, owner[hits], place[hits])
    called = inside[alignment.frames.function[spots]] & (place < mine[owner])
    through = rows[np.unique(owner[called])]
    if not len(through):
        return None
    weight = np.zeros(len(series.function))
    np.add.at(weight, series.group[through], series.born[through] - series.died[through])
    return int(weight.argmax()) if weight.max() > 0 else None
