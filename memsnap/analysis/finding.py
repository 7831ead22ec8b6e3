"""The one form in which memsnap states something: a finding, typed, located, measured and worded.

Detectors (`findings`, `series`, `goroutines`, `outside`) make findings; reports only print them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from memsnap.analysis.rows import Frame
from memsnap.analysis.table import Cause as Cause  # rows have one as well

Number = int | float | str | bool


class Severity(IntEnum):
    """How much a finding matters; higher is worse."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Growth from the first capture to the last, with 95 % limits; `bytes_per_s` None if unknown.

    `high_bytes` is None where nothing bounds it.
    """

    bytes: int
    low_bytes: int
    high_bytes: int | None
    bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One allocation site of a finding, at its line of own code; `bytes` is its growth.

    `line` is 0 and `type` empty where they are unknown.
    """

    function: str
    file: str
    line: int
    type: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement.

    `id` names the finding across captures of one program: kind and function.  `confidence` is
    the probability (0 to 1) that the verdict is right, as far as the captures can tell.
    `function`, `file` and `line` are the code to open; empty and 0 where a finding is about the
    whole process.  `evidence` holds the numbers, each with its unit in the name.  `detail` and
    `advice` are sentences for people, `example` is Go code.
    """

    id: str
    kind: str
    verdict: Cause
    severity: Severity
    confidence: float
    title: str
    detail: tuple[str, ...] = ()
    advice: str = ""
    example: str = ""
    function: str = ""
    file: str = ""
    line: int = 0
    type: str = ""
    sites: tuple[Place, ...] = ()
    growth: Growth | None = None
    evidence: tuple[tuple[str, Number], ...] = ()

    @property
    def at(self) -> Frame | None:
        """The line of code to open, None where there is none."""
        return Frame(self.function, self.file, self.line) if self.function else None

    @property
    def text(self) -> str:
        """Title and detail as one paragraph."""
        return ". ".join([self.title, *(sentence.rstrip(".") for sentence in self.detail)]) + "."


RANKS = {Cause.LEAK: 0, Cause.UNKNOWN: 1, Cause.ONE_TIME: 2, Cause.CACHE: 3, Cause.LOAD: 4}
"""The order of causes, those that matter most first; the others come last."""


def ranked(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the most important first.

    By severity, then leaks before all else, then by the bytes that surely grew.
    """

    def key(finding: Finding) -> tuple[float, ...]:
        growth = finding.growth
        sure = (growth.low_bytes, growth.bytes) if growth else (0, 0)
        return (-finding.severity, RANKS.get(finding.verdict, 5), -sure[0], -sure[1])

    return tuple(sorted(found, key=key))
