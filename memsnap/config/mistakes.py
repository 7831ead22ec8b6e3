"""What is wrong with a configuration: every mistake with its place, told in one error."""

from collections.abc import Sequence
from dataclasses import dataclass

from memsnap.errors import UsageError

HINT = "config.example.toml documents every key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to mend: `key` as `target[2].interval`, `text` as the rest of the sentence.

    `line` counts from 1; None where there is no file, or the key is missing from it.
    """

    key: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        return f"{place}{self.key}: {self.text}" if self.key else f"{place}{self.text}"


class ConfigError(UsageError):
    """A configuration with mistakes; all of them are in `mistakes`, in the order of the file.

    `where` is the file, or what else was read.
    """

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.where = where
        self.mistakes = tuple(sorted(mistakes, key=_place))
        count = f"{len(self.mistakes)} mistakes: " if len(self.mistakes) > 1 else ""
        message = f"{where}: {count}{'; '.join(map(str, self.mistakes))}"
        super().__init__(message, hint=HINT)


def _place(mistake: Mistake) -> int:
    return mistake.line or 0
