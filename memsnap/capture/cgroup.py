"""Memory use and limit of a control group, version 2 and 1 (Linux, admin-guide/cgroup-v2)."""

from pathlib import Path, PurePosixPath

# Version 1 writes "no limit" as the largest multiple of a page below 2**63.
_NO_LIMIT = 1 << 62

_MOUNTS_V2 = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_MOUNT_V1 = Path("/sys/fs/cgroup/memory")


def cgroup_memory(membership: str) -> tuple[int | None, int | None]:
    """Return the bytes in use by a process's control group, and the limit that holds for it.

    `membership` is the text of /proc/PID/cgroup.  The limit is the least of the group's and its
    ancestors', as far up as this mount shows them.  None: unknown, or no limit.
    """
    for path, folder, use, limit in _candidates(membership):
        current = _number(folder / use)
        if current is not None:
            limits = [_number(above / limit) for above in _up_to_mount(folder, path)]
            known = [value for value in limits if value is not None and value < _NO_LIMIT]
            return current, min(known, default=None)
    return None, None


def _candidates(membership: str) -> list[tuple[str, Path, str, str]]:
    """Return path within the hierarchy, folder, and the names of the two files."""
    found = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.lstrip("/")
        if ".." in PurePosixPath(inside).parts:
            continue  # the group lies outside what our cgroup namespace shows
        if "memory" in controllers.split(","):
            files = "memory.usage_in_bytes", "memory.limit_in_bytes"
            found.append((inside, _MOUNT_V1 / inside, *files))
        elif not controllers:
            files = "memory.current", "memory.max"
            found += [(inside, mount / inside, *files) for mount in _MOUNTS_V2]
    return found


def _up_to_mount(folder: Path, inside: str) -> list[Path]:
    return [folder, *folder.parents[: len(PurePosixPath(inside).parts)]]


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return None
