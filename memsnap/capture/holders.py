"""Which processes hold a socket: asked again and again by a daemon, so that little is asked twice.

A look through the file descriptors of all processes takes 20 ms and more.  What another process
has opened comes to a new one by fork; so only those that were not there before are looked at, and
those that held the socket are asked whether they still do.  (A process may also send a descriptor
to one that runs already; nobody does that with a listener but to a child of its own.)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

_MOST_SOCKETS = 4_000  # remembered; beyond it, all are looked up anew


@dataclass(slots=True)
class _Known:
    """What is known of one socket: a link in /proc of each holder, and who was looked at."""

    holders: dict[int, Path] = field(default_factory=dict)
    looked_at: set[int] = field(default_factory=set)


class Holders:
    """Finds the processes that hold sockets, and remembers them; for several threads."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._guard = Lock()

    def of(self, inode: int) -> frozenset[int]:
        """Return the processes that hold the socket of this inode, as far as they may be seen."""
        with self._guard:
            running = _running()
            known = self._known.get(inode, _Known())
            still = {pid: link for pid, link in known.holders.items() if _is(link, inode)}
            # Once nobody is left, whoever has it now may have been there all the time.
            seen = known.looked_at & running if still or not known.holders else set()
            for pid in running - seen:
                link = _find(pid, inode)
                if link is not None:
                    still[pid] = link
            if len(self._known) >= _MOST_SOCKETS:
                self._known.clear()
            self._known[inode] = _Known(holders=still, looked_at=running)
            return frozenset(still)


def socket_links(pid: int) -> Iterator[tuple[Path, int]]:
    """Return the sockets among the file descriptors of a process: link in /proc, inode.

    Raises:
        OSError: they cannot be read (another user's process, or gone).
    """
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
        except FileNotFoundError:
            continue  # closed while we looked
        if match:
            yield link, int(match[1])


def _running() -> set[int]:
    return {int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()}


def _find(pid: int, inode: int) -> Path | None:
    try:
        return next((link for link, found in socket_links(pid) if found == inode), None)
    except OSError:
        return None  # another user's process, or one that ended meanwhile


def _is(link: Path, inode: int) -> bool:
    try:
        return str(link.readlink()) == f"socket:[{inode}]"
    except OSError:
        return False
