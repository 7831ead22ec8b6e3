"""Room set aside beside a SQLite store, without which a full disk could not be freed.

SQLite writes a deletion to its write-ahead log first, and a log that has come to the end of the
disk can neither grow nor be moved into a file that would have to grow.  So a few megabytes are
kept in a file of their own, `memsnap.db-reserve`, and given up for that moment.
"""

import contextlib
import os
import shutil
from pathlib import Path

SIZE_BYTES = 8 << 20  # twice the length at which SQLite empties its log


def path_of(store: str) -> Path:
    """Return the file of the reserve of a store, given its database's file."""
    return Path(f"{store}-reserve")


def make(store: str) -> None:
    """Set the room aside, where the disk has several times as much; else do nothing."""
    path = path_of(store)
    with contextlib.suppress(OSError):
        if path.exists() and path.stat().st_size >= SIZE_BYTES:
            return
        if shutil.disk_usage(path.parent).free < 4 * SIZE_BYTES:
            return
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, SIZE_BYTES)


def give_up(store: str) -> bool:
    """Free the room that was set aside; whether there was any."""
    try:
        path_of(store).unlink()
    except OSError:
        return False
    return True


def is_short(store: str) -> bool:
    """Whether the disk has less room than `make` asks for."""
    try:
        return shutil.disk_usage(path_of(store).parent).free < 4 * SIZE_BYTES
    except OSError:
        return False
