"""Lines of the audit that wait for the store, on disk as in memory, so that a kill loses none.

A folder with JSON lines in files of a thousand, appended to as failures happen and removed once
the store has what they say.  Bounded in lines; the oldest go first.  Knows no database.
"""

import contextlib
import errno
import os
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from memsnap.errors import FileError
from memsnap.storage.records import Cause, SeenTarget

MOST_CHARACTERS = 2000  # of a message

_MOST_LINES = 20_000  # about 8 MB
_LINES_A_FILE = 1_000
_PATTERN = "failures-*.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """A line of the audit; names its target by itself, for a store that may not know it."""

    seen: SeenTarget
    slot_ns: int
    at_ns: int
    cause: Cause
    message: str
    collector: str


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    file: Path | None  # None: it could not be written
    unwritten: Unwritten


class UnwrittenLines:
    """The queue; for the thread of the event loop alone.

    A line is written without waiting for the disk: what a kill must not lose is in the system's
    hands then.  Where that fails, as on a full disk, lines wait in memory alone.
    """

    def __init__(self, folder: Path) -> None:
        """Take over what an earlier life has left in `folder`; raises FileError."""
        self.lost = 0  # lines that went because there were too many
        self._folder = folder
        self._lines: deque[_Line] = deque()
        self._count: Counter[Path] = Counter()  # lines that wait, by file
        self._newest: Path | None = None  # the file that is appended to
        self._written = 0  # lines in it
        self._next = 0
        try:
            for path in sorted(folder.glob(_PATTERN)):
                self._take_over(path)
                self._bound()  # a file may begin with lines that had gone
        except OSError as error:
            raise FileError(
                f"cannot read the audit that waits in {folder}: {error.strerror or error}",
                hint="set spool-dir in [store] to a folder that this user may write to",
            ) from error

    def __len__(self) -> int:
        return len(self._lines)

    def append(self, unwritten: Unwritten) -> None:
        """Add a line, on disk as well if that is possible."""
        try:
            path: Path | None = self._write(msgspec.json.encode(unwritten))
        except OSError:
            self._give_up_file()
            path = None
        self._add(path, unwritten)
        self.lost += self._bound()

    def oldest(self, most: int) -> list[tuple[int, Unwritten]]:
        """Return up to `most` lines with their numbers, the oldest first."""
        return [(line.number, line.unwritten) for line in islice(self._lines, most)]

    def forget(self, number: int) -> None:
        """Drop the lines up to this number, and the files that none is left of."""
        while self._lines and self._lines[0].number <= number:
            file = self._lines.popleft().file
            if file is None:
                continue
            self._count[file] -= 1
            if not self._count[file]:
                self._remove(file)

    def _take_over(self, path: Path) -> None:
        for text in path.read_bytes().splitlines():
            try:
                unwritten = msgspec.json.decode(text, type=Unwritten)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # cut off by the end of its process
            self._add(path, unwritten)
        if not self._count[path]:
            path.unlink(missing_ok=True)

    def _add(self, path: Path | None, unwritten: Unwritten) -> None:
        self._lines.append(_Line(self._next, path, unwritten))
        self._next += 1
        if path is not None:
            self._count[path] += 1

    def _bound(self) -> int:
        """Drop the oldest of too many lines; return how many."""
        too_many = max(len(self._lines) - _MOST_LINES, 0)
        for _ in range(too_many):
            self.forget(self._lines[0].number)
        return too_many

    def _write(self, text: bytes) -> Path:
        if self._newest is None or self._written >= _LINES_A_FILE:
            self._newest = self._folder / f"failures-{self._after_all():08d}.jsonl"
            self._written = 0
        line = text + b"\n"
        with self._newest.open("ab", buffering=0) as file:
            if file.write(line) != len(line):  # the disk has just become full
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written += 1
        return self._newest

    def _after_all(self) -> int:
        """Return the number of the next file: they are read in the order of their names."""
        names = [path.stem.partition("-")[2] for path in self._folder.glob(_PATTERN)]
        return max((int(name) for name in names if name.isdecimal()), default=0) + 1

    def _remove(self, path: Path) -> None:
        del self._count[path]
        if self._newest == path:
            self._newest = None
        with contextlib.suppress(OSError):  # the store takes a line twice
            path.unlink(missing_ok=True)

    def _give_up_file(self) -> None:
        """Append to another file after a write that failed; remove this if nothing in it is whole.

        What is half in it must not come before the next line.
        """
        if self._newest and not self._count[self._newest]:
            self._remove(self._newest)
        self._newest = None
