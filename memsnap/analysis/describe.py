"""A judged group of a series in words: the Finding that says what grows, how fast, how sure."""

from dataclasses import dataclass, replace

import numpy as np

from memsnap.analysis import catalogue
from memsnap.analysis.catalogue import Traits
from memsnap.analysis.causes import Judged, limits
from memsnap.analysis.families import Family
from memsnap.analysis.finding import Cause, Finding, Growth, Number, Place, Severity
from memsnap.analysis.goroutine_words import (
    foremost,
    piled_up,
    surely_stuck,
    waiting_evidence,
    waiting_words,
)
from memsnap.analysis.goroutines import Waiting
from memsnap.analysis.names import short_function, short_type
from memsnap.analysis.rows import Frame
from memsnap.analysis.series import Series
from memsnap.analysis.stacks import frame_of, stacks
from memsnap.analysis.trend import Shape
from memsnap.pprof.profile import Int64s
from memsnap.units import format_bytes, format_count, format_duration, format_range, format_size

_SITES = 12  # sites listed, the largest growth first
_WORTH_PROJECTING_S = 20.0  # length of a series from which on an hour may be projected
_SEVERE_SHARE = 0.05  # of the live heap: unexplained growth that matters

Piles = tuple[Waiting, ...]
_VERBS = {
    Cause.LEAK: "leaks",
    Cause.CACHE: "fills a cache that levels off",
    Cause.LOAD: "follows the load",
    Cause.CHURN: "comes and goes",
    Cause.ONE_TIME: "grew once",
    Cause.STEADY: "holds steady",
    Cause.UNKNOWN: "grows, and the captures do not settle why",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the sites of one group are: places by growth, and the place that stands for all."""

    places: tuple[Place, ...]
    rows: Int64s  # those that changed in the group's size classes, most first
    function: str

    @property
    def first(self) -> Place:
        """The place with the most growth."""
        return self.places[0]


def _group(series: Series, groups: tuple[int, ...], *, swings: bool = False) -> Group:
    """Return the sites of several groups; the first one's function names them.

    What `swings` is ordered by what it held at most, not by what came to stay.
    """
    rows = np.flatnonzero(np.isin(series.group, groups))
    alignment = series.diff.alignment
    net = series.born[rows] - series.died[rows]
    # Samples of sizes that did not grow are noise, whatever their number.
    grown = net / series.density[rows] * np.where(series.in_course(rows), 1.0, 1e-3)
    held = series.diff.counts.live_bytes[rows].max(axis=1)
    if swings:
        grown = held * 1.0
    climbing = {
        int(series.frame[row])
        for ladder in series.ladders
        if ladder.climbs
        for row in np.intersect1d(ladder.rows, rows).tolist()
    }
    totals: dict[tuple[int, int], tuple[float, float]] = {}
    for row, growth, live in zip(rows.tolist(), grown.tolist(), held.tolist(), strict=True):
        key = (int(series.frame[row]), int(alignment.type[row]))
        before = totals.get(key, (0.0, 0.0))
        totals[key] = (before[0] + growth, before[1] + live)
    order = sorted(
        totals, key=lambda key: (key[0] not in climbing, -totals[key][0], -totals[key][1])
    )
    places = [
        _place(series, key, round(totals[key][0]))
        for number, key in enumerate(order)
        if number == 0 or totals[key][0] > 0
    ]
    return Group(
        places=tuple(places[:_SITES]),
        rows=rows[np.argsort(-grown, kind="stable")],
        function=series.name(groups[0]),
    )


def _place(series: Series, key: tuple[int, int], growth: int) -> Place:
    frame = frame_of(series.diff.alignment, key[0]) if key[0] >= 0 else Frame("", "", 0)
    type_name = series.diff.alignment.frames.strings[key[1]] if key[1] >= 0 else ""
    return Place(
        function=frame.function,
        file=frame.file,
        line=frame.line,
        type=short_type(type_name),
        bytes=growth,
    )


def describe(series: Series, family: Family) -> Finding:
    """Return the finding on a family of groups and goroutines."""
    if not family.members:
        return piled_up(series, family.goroutines)
    lead = _lead(series, family)
    swings = lead.cause in (Cause.LOAD, Cause.CHURN)
    group = _group(series, tuple(one.group for one in family.members), swings=swings)
    growth = _growth(series, family.members)
    kind = catalogue.kind_of(lead.cause, _traits(series, group), family.goroutines)
    own = tuple(one.group for one in family.members if series.own[one.group])
    place = _group(series, own, swings=swings).first if own else group.first
    if family.caller is not None:
        place = _group(series, (family.caller,)).first
    elif family.goroutines and not series.own[lead.group]:
        pile = foremost(family.goroutines)
        at = pile.at if pile.own else pile.entry
        place = Place(function=at.function, file=at.file, line=at.line, type="", bytes=0)
    function = place.function or group.function
    entry = catalogue.CATALOGUE[kind]
    return Finding(
        id=f"{kind}:{function}",
        kind=kind,
        verdict=lead.cause,
        severity=_severity(series, lead, growth),
        confidence=round(min(max(lead.confidence, 0.0), 0.999), 3),
        title=_title(series, lead, function, growth=growth, goroutines=family.goroutines),
        detail=(*_detail(series, lead, growth), *waiting_words(series, family.goroutines)),
        advice=entry.advice,
        example=entry.example,
        function=function,
        file=place.file,
        line=place.line,
        type=place.type,
        sites=tuple(dict.fromkeys((place, *group.places))),
        growth=growth,
        evidence=(*_evidence(series, lead).items(), *waiting_evidence(series, family.goroutines)),
    )


def _traits(series: Series, group: Group) -> Traits:
    """Return what the catalogue needs to know of the objects that came to stay."""
    alignment, counts = series.diff.alignment, series.diff.counts
    strings = alignment.frames.strings
    net = series.born[group.rows] - series.died[group.rows]
    rows = group.rows[net > 0]
    if not len(rows):
        return Traits()
    weight = net[net > 0] / series.density[rows]
    named = [strings[at] if at >= 0 else "" for at in alignment.alloc[rows].tolist()]
    maps = np.array([text == "map" for text in named], dtype=np.bool_)
    first = int(rows[np.argmax(weight)])
    _, spots = stacks(alignment, rows)
    functions = {strings[at] for at in alignment.frames.function[spots].tolist()}
    own = {strings[int(alignment.frames.function[at])] for at in series.frame[rows] if at >= 0}
    climbing = [ladder for ladder in series.ladders if ladder.climbs]
    return Traits(
        type=short_type(strings[int(alignment.type[first])]) if alignment.type[first] >= 0 else "",
        object_bytes=int(alignment.object_bytes[first]),
        objects=int(counts.live_objects[rows, -1].sum()),
        map_share=float(weight[maps].sum() / weight.sum()),
        climbs=any(np.isin(ladder.rows, group.rows).any() for ladder in climbing),
        functions=frozenset(functions - own),
    )


def _lead(series: Series, family: Family) -> Judged:
    """Return the leading group; goroutines that surely leak settle what their memory does."""
    lead = family.members[0]
    if lead.cause is not Cause.LEAK and surely_stuck(series, family.goroutines):
        return replace(
            lead, cause=Cause.LEAK, confidence=max(lead.confidence, 0.9), plateau=None, why=""
        )
    return lead


def _growth(series: Series, members: tuple[Judged, ...]) -> Growth:
    """Return the growth of all members together; each one's limits hold for itself."""
    ends = [limits(series, one) for one in members]
    net = sum(float(series.net[one.group]) for one in members)
    seconds = float(series.seconds[-1])
    return Growth(
        bytes=round(net),
        low_bytes=sum(low for low, _ in ends),
        high_bytes=sum(high for _, high in ends),
        bytes_per_s=round(net / seconds, 1) if series.clocked and seconds else None,
    )


def _severity(series: Series, judged: Judged, growth: Growth) -> Severity:
    if judged.cause is Cause.LEAK:
        return Severity.HIGH
    if judged.cause is Cause.UNKNOWN:
        large = growth.low_bytes > _SEVERE_SHARE * float(series.total[-1])
        return Severity.MEDIUM if large else Severity.LOW
    return Severity.LOW if judged.cause in (Cause.CACHE, Cause.ONE_TIME) else Severity.INFO


def _title(
    series: Series, judged: Judged, function: str, *, growth: Growth, goroutines: Piles
) -> str:
    name = short_function(function) or "code without a stack"
    verb = _VERBS[judged.cause]
    if judged.cause in (Cause.LOAD, Cause.CHURN):
        course = series.live[judged.group]
        span = format_range(float(course.min()), float(course.max()))
        return f"{name} {verb}: {span} live"
    if judged.cause is Cause.STEADY:
        return f"{name} {verb} at {format_bytes(float(series.live[judged.group, -1]))}"
    high = growth.high_bytes if growth.high_bytes is not None else growth.bytes
    span = format_range(growth.low_bytes, high)
    if goroutines and judged.cause is Cause.LEAK:
        one = foremost(goroutines)
        return (
            f"{name} {verb}: {format_count(one.rise)} more goroutines blocked in {one.state} hold "
            f"{format_bytes(growth.bytes)} more ({span})"
        )
    return f"{name} {verb}: {format_bytes(growth.bytes)} more ({span})"


def _detail(series: Series, judged: Judged, growth: Growth) -> list[str]:
    """Return the sentences that carry the evidence."""
    captures = len(series.seconds)
    detail = []
    if growth.bytes_per_s is not None and judged.cause is not Cause.STEADY:
        length = float(series.seconds[-1])
        hourly = growth.bytes_per_s * 3600
        project = judged.cause is Cause.LEAK and length >= _WORTH_PROJECTING_S
        more = f", {format_bytes(hourly)} an hour" if project else ""
        detail.append(
            f"{format_bytes(growth.bytes_per_s)}/s over {format_duration(length)} and "
            f"{captures} captures{more}"
        )
    detail.append(_counted(series, judged))
    if judged.shape is Shape.RISING:
        steps = np.diff(series.course[judged.group])
        detail.append(
            "it grew from capture to capture by "
            + ", ".join(format_bytes(float(step), signed=True) for step in steps[:8])
            + (" and so on" if len(steps) > 8 else "")
        )
    if judged.plateau is not None:
        detail.append(f"going on like this it levels off at about {format_bytes(judged.plateau)}")
    if judged.kept is not None and judged.cause is Cause.LEAK:
        detail.append(f"{judged.kept:.0%} of what it allocated in between is still there")
    if judged.why:
        detail.append(judged.why)
    return detail


def _counted(series: Series, judged: Judged) -> str:
    """Return what was counted exactly and what was sampled."""
    mine = series.group == judged.group
    born, died = int(series.born[mine].sum()), int(series.died[mine].sum())
    samples = f"{_plural(born, 'sampled object')} came to stay, {died} went"
    if series.exact is None:
        return samples
    sizes = [int(series.exact.sizes[at]) for at in np.flatnonzero(series.classes[judged.group])]
    main = series.main_classes(judged.group)
    named = [format_size(sizes_at) if sizes_at else "more than 18 kB" for sizes_at in main]
    if not sizes or not named:
        return samples
    return f"the runtime's exact counts say how much, for objects of {', '.join(named)}; {samples}"


def _plural(count: int, noun: str) -> str:
    return f"{format_count(count)} {noun}" + ("" if count == 1 else "s")


def _evidence(series: Series, judged: Judged) -> dict[str, Number]:
    mine = series.group == judged.group
    evidence: dict[str, Number] = {
        "captures": len(series.seconds),
        "seconds": float(series.seconds[-1]) if series.clocked else 0.0,
        "shape": judged.shape.value,
        "p_value": judged.p_value,
        "samples_born": int(series.born[mine].sum()),
        "samples_died": int(series.died[mine].sum()),
        "live_bytes": int(series.live[judged.group, -1]),
        "exact": series.exact is not None,
    }
    if judged.kept is not None:
        evidence["kept_share"] = round(judged.kept, 4)
    if judged.plateau is not None:
        evidence["plateau_bytes"] = round(judged.plateau)
    return evidence
