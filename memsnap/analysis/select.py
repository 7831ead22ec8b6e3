"""Which rows a user asked to see: `--focus` names types, `--in` and its like name frames."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from memsnap.analysis import names
from memsnap.analysis.align import Alignment
from memsnap.errors import UsageError
from memsnap.pprof.profile import Bools, Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The filters of one request; an empty one lets everything through.

    `focus` names types of objects, `function`, `package` and `file` frames anywhere on the
    stack, `min_bytes` the least growth (of either sign) that a row must show.
    """

    focus: str = ""
    function: str = ""
    package: str = ""
    file: str = ""
    min_bytes: int = 0


EVERYTHING = Selection()


def select(alignment: Alignment, selection: Selection) -> Bools:
    """Return which rows pass the filters by type and by frame.

    Raises UsageError, with the nearest names, where a filter matches nothing at all, and where
    types are asked for and no profile carries any.
    """
    chosen = np.ones(len(alignment), dtype=np.bool_)
    if selection.focus:
        chosen &= _of_type(alignment, selection.focus)
    frames = alignment.frames
    functions = frames.function
    if selection.function:
        wanted = names.function_filter(selection.function)
        chosen &= _by_frame(alignment, (functions, str), wanted, ("--in", selection.function))
    if selection.package:
        wanted = names.package_filter(selection.package)
        column = (functions, names.package_of)
        chosen &= _by_frame(alignment, column, wanted, ("--package", selection.package))
    if selection.file:
        wanted = names.file_filter(selection.file)
        chosen &= _by_frame(alignment, (frames.file, str), wanted, ("--file", selection.file))
    return chosen


def _of_type(alignment: Alignment, focus: str) -> Bools:
    known = sorted({alignment.frames.strings[at] for at in set(alignment.type.tolist()) if at >= 0})
    if not known:
        raise UsageError(
            f"--focus {focus!r} asks for a type, and these captures carry no types",
            hint="memsnap attribute FILE.snap --exe ./service adds them; or filter by code: "
            "--in FUNCTION, --package, --file",
        )
    matches = names.type_filter(focus)
    ids = [at for at in set(alignment.type.tolist()) if at >= 0]
    wanted = [at for at in ids if matches(alignment.frames.strings[at])]
    if not wanted:
        raise UsageError(
            f"no type matches --focus {focus!r}",
            hint=_did_you_mean(focus, known, "there are types such as"),
        )
    return np.isin(alignment.type, np.array(wanted, dtype=np.int32))


def _by_frame(
    alignment: Alignment,
    column: tuple[Int32s, Callable[[str], str]],
    pattern: names.Filter,
    option: tuple[str, str],
) -> Bools:
    """Return the rows with a wanted frame on the stack and without any that is barred.

    `column` is the text that counts, by frame, and what to make of it.
    """
    texts, spell = column
    used = np.unique(texts).tolist()
    spelled = {at: spell(alignment.frames.strings[at]) for at in used}
    wanted = [at for at, text in spelled.items() if pattern.wants(text)]
    if pattern.wanted and not wanted:
        shown, given = option
        raise UsageError(
            f"nothing on any stack matches {shown} {given!r}",
            hint=_did_you_mean(given, sorted({*spelled.values()} - {""}), "there is"),
        )
    barred = [at for at, text in spelled.items() if pattern.bars(text)]
    without = ~_with_frame(alignment, np.isin(texts, np.array(barred, dtype=np.int32)))
    # A pattern that only excludes wants even rows that have no frames at all.
    return without & _with_frame(alignment, np.isin(texts, wanted)) if pattern.wanted else without


def _with_frame(alignment: Alignment, frame_hit: Bools) -> Bools:
    """Return the rows with any frame on the stack that is hit."""
    chosen = np.zeros(len(alignment), dtype=np.bool_)
    for aligned in alignment.profiles:
        profile = aligned.profile
        location_hit = _any(frame_hit[aligned.frame], aligned.frame_start)
        sample_hit = _any(location_hit[profile.stack], profile.stack_start)
        chosen[aligned.row[sample_hit]] = True
    return chosen


def _any(flags: Bools, start: np.ndarray) -> Bools:
    """Return for each ragged row whether any of its flags is set."""
    before = np.concatenate([[0], np.cumsum(flags)])
    return before[start[1:]] > before[start[:-1]]


def _did_you_mean(pattern: str, known: Iterable[str], lead: str) -> str:
    known = list(known)
    close = names.nearest(pattern, known)
    if close:
        return "did you mean " + ", ".join(close) + "?"
    return f"{lead} {', '.join(known[:5])}" if known else ""
