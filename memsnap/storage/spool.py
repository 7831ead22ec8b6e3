"""Captures kept as files while the database is away, and handed over in order once it is back.

A folder within a bound of bytes: a `.snap` per capture, its slot, its target's key hash and its
reason in the name, and a small JSON file per target that says which one that is.  What does not
fit drops the oldest and is reported.  What can never be stored is set aside, for people to look
at.  Knows no database: `drain` is given what stores a capture.
"""

import errno
import fcntl
import hashlib
import os
import re
from asyncio import to_thread
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import RLock
from typing import BinaryIO, Self
from urllib.parse import quote, unquote

import msgspec

from memsnap.errors import FileError, FormatError
from memsnap.snapshot import Snapshot
from memsnap.storage.errors import Refused
from memsnap.storage.records import SeenTarget
from memsnap.storage.snapfile import from_bytes, to_bytes, write_atomically

_NAME = re.compile(r"(?P<slot>\d{19})-(?P<target>[0-9a-f]{20})-(?P<reason>[\w.~%-]{1,150})\.snap")
_HALF = re.compile(r"\..*\.[0-9a-f]{8}\.tmp")  # what write_atomically leaves behind when killed
_REASON_CHARS = 150  # file names end at 255 bytes
_MOST_ASIDE = 16  # files in each folder of `Aside`
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Spooled:
    """One capture in the spool; orders by its slot.  `target` is the hash of the target's key."""

    slot_ns: int
    target: str
    reason: str
    path: Path = field(compare=False)
    size_bytes: int = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A capture that the spool gave up; `seen` is None where nobody knows the target any more."""

    seen: SeenTarget | None
    slot_ns: int
    reason: str


class Aside(Enum):
    """Why a capture is set aside, and the name of the folder in the spool's that has it then."""

    UNREADABLE = "unreadable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A capture that can never be stored; `seen` is None where nobody knows its target."""

    seen: SeenTarget | None
    slot_ns: int
    reason: str
    why: Aside
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What became of the spool: captures handed over, set aside, still waiting."""

    stored: int
    set_aside: int
    waiting: int


class Spool:
    """The folder, open: held by one process at a time, known in memory after one look.

    Its methods read and write files and may block for as long as a disk does; call them in
    threads, from as many as you like.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        """Open `folder`, made if missing, and remove what a killed process left half written.

        Raises FileError where that fails, or where another process holds the folder.
        """
        self.folder = folder
        self.max_bytes = max_bytes
        self.dropped = 0
        self._guard = RLock()
        self._targets: dict[str, SeenTarget] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder)
            found, aside = _sweep(folder), _set_aside_in(folder)
        except OSError as error:
            raise _folder_error(folder, error) from error
        self._waiting = found
        self._count = Counter(entry.target for entry in found.values())
        self._bytes = sum(entry.size_bytes for entry in found.values())
        self._aside = dict(sorted(aside))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have the folder; what waits in it stays."""
        self._lock.close()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size_bytes(self) -> int:
        """Bytes of the captures that wait; those set aside, which go first, come on top."""
        return self._bytes

    def holds(self, key: str) -> bool:
        """Whether captures of the target with this key wait."""
        return self._count[_hash(key)] > 0

    def waiting(self) -> tuple[Spooled, ...]:
        """Return what waits, oldest slot first."""
        with self._guard:
            return tuple(sorted(self._waiting.values()))

    def put(
        self, seen: SeenTarget, snapshot: Snapshot, *, slot_ns: int, reason: str
    ) -> tuple[Dropped, ...]:
        """Keep a capture and return what had to go for it, oldest first.

        That may be the capture itself, where it alone is over the bound.  One of the same target
        and slot is replaced.  Raises FileError where the disk is full of other files, or not
        writable.
        """
        data = to_bytes(snapshot)
        target = _hash(seen.key)
        name = f"{slot_ns:019d}-{target}-{quote(reason, safe='')[:_REASON_CHARS]}.snap"
        entry = Spooled(
            slot_ns=slot_ns,
            target=target,
            reason=reason,
            path=self.folder / name,
            size_bytes=len(data),
        )
        with self._guard:
            if len(data) > self.max_bytes:
                self.dropped += 1
                return (Dropped(seen=seen, slot_ns=slot_ns, reason=reason),)
            dropped = self._make_room(self._held_bytes() + len(data) - self.max_bytes)
            try:
                self._write(entry, seen, data)
            except FileError as error:
                if not _is_full(error) or not (self._waiting or self._aside):
                    raise
                dropped += self._make_room(2 * len(data))
                self._write(entry, seen, data)
        return tuple(dropped)

    def load(self, entry: Spooled) -> tuple[SeenTarget, Snapshot]:
        """Return the target and the capture; FileError or FormatError where one is unreadable."""
        with self._guard:
            seen = self._target(entry.target)
        try:
            data = entry.path.read_bytes()
        except OSError as error:
            raise FileError(f"cannot read {entry.path}: {error.strerror}") from error
        return seen, from_bytes(data, name=entry.path.name)

    def remove(self, entry: Spooled) -> None:
        """Forget a capture and its file."""
        with self._guard:
            try:
                entry.path.unlink(missing_ok=True)
                self._forget(entry)
            except OSError as error:
                raise _folder_error(self.folder, error) from error

    def set_aside(self, entry: Spooled, why: Aside) -> None:
        """Move a capture to the folder of those that never can be stored, which keeps a few.

        Their files count to the spool's bound, and are the first to go for captures that wait.
        """
        folder = self.folder / why.value
        with self._guard:
            try:
                folder.mkdir(exist_ok=True)
                if entry.path.exists():
                    entry.path.replace(folder / entry.path.name)
                    self._aside[folder / entry.path.name] = entry.size_bytes
                self._forget(entry)
                kept = sorted(path for path in self._aside if path.parent == folder)
                for old in kept[:-_MOST_ASIDE]:
                    self._unlink_aside(old)
            except OSError as error:
                raise _folder_error(self.folder, error) from error

    async def drain(
        self,
        store: Callable[[SeenTarget, Spooled, Snapshot], Awaitable[None]],
        told: Callable[[SetAside], None],
    ) -> DrainReport:
        """Hand every capture to `store`, oldest slot first, and forget those that it took.

        A capture goes once `store` has returned, so that it has to accept the same one again
        after a crash.  Those that it refuses (Refused) and those that cannot be read are set
        aside and `told`, and the others go on; whatever else it raises ends the draining and
        leaves the rest for the next time.
        """
        stored = aside = 0
        for entry in self.waiting():
            seen = None
            try:
                seen, snapshot = await to_thread(self.load, entry)
                await store(seen, entry, snapshot)
            except (FileError, FormatError, Refused) as error:
                if self._is_waiting(entry):  # else it was dropped for a newer one meanwhile
                    lost = SetAside(
                        seen=seen or self._known_target(entry),
                        slot_ns=entry.slot_ns,
                        reason=entry.reason,
                        why=Aside.REFUSED if seen else Aside.UNREADABLE,
                        message=error.message,
                    )
                    await to_thread(self.set_aside, entry, lost.why)
                    told(lost)
                    aside += 1
                continue
            await to_thread(self.remove, entry)
            stored += 1
        return DrainReport(stored=stored, set_aside=aside, waiting=len(self))

    def _is_waiting(self, entry: Spooled) -> bool:
        return self._waiting.get((entry.slot_ns, entry.target)) is entry

    def _write(self, entry: Spooled, seen: SeenTarget, data: bytes) -> None:
        if self._targets.get(entry.target) != seen or not self._count[entry.target]:
            write_atomically(self._sidecar(entry.target), msgspec.json.encode(seen))
            self._targets[entry.target] = seen
        write_atomically(entry.path, data)
        before = self._waiting.get((entry.slot_ns, entry.target))
        if before is not None:
            self._bytes -= before.size_bytes
            if before.path != entry.path:
                before.path.unlink(missing_ok=True)
        else:
            self._count[entry.target] += 1
        self._waiting[entry.slot_ns, entry.target] = entry
        self._bytes += entry.size_bytes

    def _make_room(self, size_bytes: int) -> list[Dropped]:
        """Drop the oldest until `size_bytes` are freed, or nothing is left."""
        dropped: list[Dropped] = []
        before = self._held_bytes()
        while self._aside and before - self._held_bytes() < size_bytes:
            self._unlink_aside(next(iter(self._aside)))
        while self._waiting and before - self._held_bytes() < size_bytes:
            entry = min(self._waiting.values())
            seen = self._known_target(entry)
            self.remove(entry)
            dropped.append(Dropped(seen=seen, slot_ns=entry.slot_ns, reason=entry.reason))
        self.dropped += len(dropped)
        return dropped

    def _forget(self, entry: Spooled) -> None:
        if not self._is_waiting(entry):  # dropped or replaced while its storing was awaited
            return
        del self._waiting[entry.slot_ns, entry.target]
        self._bytes -= entry.size_bytes
        self._count[entry.target] -= 1
        if not self._count[entry.target]:
            del self._count[entry.target]
            self._targets.pop(entry.target, None)
            self._sidecar(entry.target).unlink(missing_ok=True)

    def _held_bytes(self) -> int:
        return self._bytes + sum(self._aside.values())

    def _unlink_aside(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _folder_error(self.folder, error) from error
        del self._aside[path]

    def _known_target(self, entry: Spooled) -> SeenTarget | None:
        try:
            with self._guard:
                return self._target(entry.target)
        except (FileError, FormatError):
            return None

    def _sidecar(self, target: str) -> Path:
        return self.folder / f"{target}.target.json"

    def _target(self, target: str) -> SeenTarget:
        known = self._targets.get(target)
        if known is None:
            path = self._sidecar(target)
            try:
                known = msgspec.json.decode(path.read_bytes(), type=SeenTarget)
            except OSError as error:
                raise FileError(f"cannot read {path}: {error.strerror}") from error
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise FormatError(f"{path} does not say which target it is: {error}") from error
            if _hash(known.key) != target:
                raise FormatError(f"{path} names another target than its name says")
            self._targets[target] = known
        return known


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _lock(folder: Path) -> BinaryIO:
    """Hold the folder until the file is closed or the process ends, however it ends."""
    file = (folder / ".lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise FileError(
            f"the spool folder {folder} is in use by another process",
            hint="give each collector a folder of its own: spool-dir in [store]",
        ) from error
    return file


def _sweep(folder: Path) -> dict[tuple[int, str], Spooled]:
    """Return the captures of the folder; remove half files and targets without captures."""
    entries: dict[tuple[int, str], Spooled] = {}
    for item in os.scandir(folder):
        if _HALF.fullmatch(item.name):
            Path(item.path).unlink(missing_ok=True)
        elif match := _NAME.fullmatch(item.name):
            entry = Spooled(
                slot_ns=int(match["slot"]),
                target=match["target"],
                reason=unquote(match["reason"]),
                path=Path(item.path),
                size_bytes=item.stat().st_size,
            )
            if entries.setdefault((entry.slot_ns, entry.target), entry) is not entry:
                entry.path.unlink(missing_ok=True)  # killed while it replaced the other
    used = {entry.target for entry in entries.values()}
    for path in folder.glob("*.target.json"):
        if path.name.partition(".")[0] not in used:
            path.unlink(missing_ok=True)
    return entries


def _set_aside_in(folder: Path) -> list[tuple[Path, int]]:
    """Return the files that were set aside, with their sizes."""
    folders = [folder / each.value for each in Aside]
    files = [path for each in folders if each.is_dir() for path in each.iterdir()]
    return [(path, path.stat().st_size) for path in files]


def _is_full(error: FileError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def _folder_error(folder: Path, error: OSError) -> FileError:
    return FileError(
        f"cannot use the spool folder {folder}: {error.strerror or error}",
        hint="set spool-dir in [store] to a folder that this user may write to, or to none",
    )
