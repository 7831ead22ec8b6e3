"""Lines of the audit that wait for the store, on disk as in memory, so that a kill loses none.

A folder with JSON lines in files of a thousand, appended to as failures happen and removed once
the store has what they say.  Bounded in lines; the oldest go first.  Knows no database.
"""

import contextlib
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

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

    A line is appended to a file that is open already, without waiting for the disk: what a kill
    must not lose is in the system's hands then.  Where that fails, as on a full disk, lines wait
    in memory alone.
    """

    def __init__(self, folder: Path) -> None:
        """Take over what an earlier life has left in `folder`; raises FileError."""
        self.lost = 0  # lines that went because there were too many
        self._folder = folder
        self._lines: deque[_Line] = deque()
        self._count: Counter[Path] = Counter()  # lines that wait, by file
        self._open: tuple[Path, BinaryIO] | None = None
        self._written = 0  # lines in the file that is open
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

    def close(self) -> None:
        """Close the file; lines that wait stay in it."""
        self._close()

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
        if self._open is None or self._written >= _LINES_A_FILE:
            self._close()
            path = self._folder / f"failures-{self._after_all():08d}.jsonl"
            self._open, self._written = (path, path.open("xb", buffering=0)), 0
        path, file = self._open
        line = text + b"\n"
        if file.write(line) != len(line):  # the disk has just become full
            raise OSError("no space left on device")
        self._written += 1
        return path

    def _after_all(self) -> int:
        """Return the number of the next file: they are read in the order of their names."""
        names = [path.stem.partition("-")[2] for path in self._folder.glob(_PATTERN)]
        return max((int(name) for name in names if name.isdecimal()), default=0) + 1

    def _remove(self, path: Path) -> None:
        del self._count[path]
        if self._open and self._open[0] == path:
            self._close()
        with contextlib.suppress(OSError):  # the store takes a line twice
            path.unlink(missing_ok=True)

    def _give_up_file(self) -> None:
        """Close the file after a write that failed; remove it if nothing in it is whole."""
        if self._open and not self._count[self._open[0]]:
            self._remove(self._open[0])
        self._close()

    def _close(self) -> None:
        if self._open:
            self._open[1].close()
        self._open = None
