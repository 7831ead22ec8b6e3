"""A small disk that may become full, without the rights of root: in a namespace of its own."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_MOUNT = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && echo mounted && exec cat'


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system; `folder` leads into it from outside, for whoever resolves no links.

    Stores and spools do, and have to be opened by a process within, started with `command`.
    """

    folder: Path
    pid: int

    def command(self, folder: Path) -> Sequence[str]:
        """Return what to put before a command that is to run in `folder` of this disk."""
        into = ("nsenter", f"--target={self.pid}", "--user", "--mount", "--preserve-credentials")
        return (*into, f"--wd={folder}", "--")


@contextlib.contextmanager
def small_disk(mount_point: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of `size`, such as 6m; skip the test where the system allows it to nobody."""
    mount_point.mkdir()
    try:
        holder = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", _MOUNT, "sh", size, mount_point],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare (util-linux) here")
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip("user namespaces are not allowed here")
        yield SmallDisk(Path(f"/proc/{holder.pid}/root{mount_point}"), holder.pid)
        assert holder.stdin is not None
        holder.stdin.close()
