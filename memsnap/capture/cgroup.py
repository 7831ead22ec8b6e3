"""Memory use and limit of a control group, version 2 and 1 (Linux, admin-guide/cgroup-v2)."""

from pathlib import Path, PurePosixPath

# Version 1 writes "no limit" as the largest multiple of a page below 2**63.
_NO_LIMIT = 1 << 62

_MOUNT = Path("/sys/fs/cgroup")


def cgroup_memory(membership: str, mount: Path = _MOUNT) -> tuple[int | None, int | None]:
    """Return the bytes in use by a process's control group, and the limit that holds for it.

    `membership` is the text of /proc/PID/cgroup.  The limit is the least of the group's and its
    ancestors', as far up as `mount` shows them.  None: unknown, or no limit.
    """
    for path, folder, use, limit in _candidates(membership, mount):
        current = _number(folder / use)
        if current is not None:
            limits = [_number(above / limit) for above in _up_to_mount(folder, path)]
            known = [value for value in limits if value is not None and value < _NO_LIMIT]
            return current, min(known, default=None)
    return None, None


def _candidates(membership: str, mount: Path) -> list[tuple[str, Path, str, str]]:
    """Return path within the hierarchy, folder, and the names of the two files.

    Version 2 is mounted at `mount`, or at `unified` below it beside version 1's `memory`.
    """
    found = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.lstrip("/")
        if ".." in PurePosixPath(inside).parts:
            continue  # the group lies outside what our cgroup namespace shows
        if "memory" in controllers.split(","):
            files = "memory.usage_in_bytes", "memory.limit_in_bytes"
            found.append((inside, mount / "memory" / inside, *files))
        elif not controllers:
            files = "memory.current", "memory.max"
            found += [(inside, top / inside, *files) for top in (mount, mount / "unified")]
    return found


def _up_to_mount(folder: Path, inside: str) -> list[Path]:
    return [folder, *folder.parents[: len(PurePosixPath(inside).parts)]]


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return None
