"""Which rows a user asked to see: `--focus` names types, `--in` and its like name frames."""

from collections.abc import Iterable
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
        matches = names.function_filter(selection.function)
        chosen &= _with_frame(alignment, functions, matches, ("--in", selection.function))
    if selection.package:
        is_package = names.package_filter(selection.package)

        def in_package(function: str) -> bool:
            return is_package(names.package_of(function))

        chosen &= _with_frame(alignment, functions, in_package, ("--package", selection.package))
    if selection.file:
        in_file = names.file_filter(selection.file)
        chosen &= _with_frame(alignment, frames.file, in_file, ("--file", selection.file))
    return chosen


def _of_type(alignment: Alignment, focus: str) -> Bools:
    known = sorted({alignment.frames.strings[at] for at in set(alignment.type.tolist()) if at >= 0})
    if not known:
        raise UsageError(
            f"--focus {focus!r} asks for a type, and these captures carry no types",
            hint="Go's heap profile has none; filter by code instead: --in FUNCTION, --package, "
            "--file",
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


def _with_frame(
    alignment: Alignment, column: Int32s, matches: names.Predicate, option: tuple[str, str]
) -> Bools:
    """Return the rows with any frame whose text in `column` matches."""
    strings = alignment.frames.strings
    used = np.unique(column)
    hits = [at for at in used.tolist() if matches(strings[at])]
    if not hits:
        shown, pattern = option
        texts = {strings[at] for at in used.tolist()}
        if shown == "--package":
            texts = {names.package_of(text) for text in texts}
        raise UsageError(
            f"nothing on any stack matches {shown} {pattern!r}",
            hint=_did_you_mean(pattern, sorted(texts - {""}), "there is"),
        )
    frame_hit = np.isin(column, np.array(hits, dtype=np.int32))
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
