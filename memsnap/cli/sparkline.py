"""A series as one line of text."""

import codecs
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-~=+*#"


def sparkline(
    times: Sequence[int], values: Sequence[float | None], *, width: int, levels: str = _BLOCKS
) -> str:
    """Return `width` cells of equal time, each as high as its mean; a space where there is none.

    The lowest cell is the least value, the highest the largest.  Fewer captures than cells get
    a cell each, so that a short series has no gaps.
    """
    known = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    if not known:
        return ""
    first, last = known[0][0], known[-1][0]
    if len(known) <= width:
        means: list[float | None] = [value for _, value in known]
    else:
        sums, counts = [0.0] * width, [0] * width
        for time, value in known:
            cell = min((time - first) * width // max(last - first, 1), width - 1)
            sums[cell] += value
            counts[cell] += 1
        means = [
            total / count if count else None for total, count in zip(sums, counts, strict=True)
        ]
    present = [mean for mean in means if mean is not None]
    low, extent = min(present), max(present) - min(present)
    top = len(levels) - 1

    def height(mean: float) -> str:
        return levels[round((mean - low) / extent * top)] if extent else levels[0]

    return "".join(" " if mean is None else height(mean) for mean in means)


def levels_for(encoding: str | None) -> str:
    """Return the characters that a terminal of this encoding can show, the lowest first."""
    try:
        codecs.encode(_BLOCKS, encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _PLAIN
    return _BLOCKS
