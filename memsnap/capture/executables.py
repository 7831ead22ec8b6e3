"""Finds the executable behind a snapshot, and has it typed.

Types are an addition: where they cannot be had, the capture stands as it is, with a note.
"""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from memsnap.attribution import Answers, Attributor
from memsnap.errors import FileError, FormatError, MemsnapError
from memsnap.gobin.executable import Executable
from memsnap.snapshot import Snapshot

_MOST_FILES = 10_000  # looked at in a folder of executables


class Memory(Protocol):
    """Keeps answers between runs, by build; see `storage.typecache`."""

    def load(self, build: str) -> Answers:
        """Return what is known of a build."""
        ...

    def save(self, build: str, answers: Answers) -> None:
        """Keep what is known of a build."""
        ...


class TypeSource:
    """Where executables come from: a file, a folder of builds, or the process itself.

    Executables stay open for the snapshots of one series, and what was resolved goes to `memory`
    in the end.  Use it as a context manager.
    """

    def __init__(self, *, file: str = "", folder: str = "", memory: Memory | None = None) -> None:
        self._file, self._folder, self._memory = file, folder, memory
        self._open: dict[str, Attributor] = {}

    def __enter__(self) -> "TypeSource":
        return self

    def __exit__(self, *_: object) -> None:
        for attributor in self._open.values():
            build = attributor.executable.image.go_build_id
            if self._memory and build and attributor.is_extended:
                self._memory.save(build, attributor.answers)
            attributor.executable.close()

    def attribute(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types.

        Raises FileError where no executable can be found or read, FormatError where it is no Go
        executable or of another build.
        """
        path, name = self._find(snapshot)
        if path not in self._open:
            executable = Executable.open(path, name=name)
            build = executable.image.go_build_id
            known = self._memory.load(build) if self._memory and build else None
            self._open[path] = Attributor(executable, known)
        return self._open[path].attribute(snapshot)

    def attribute_if_possible(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types, or as it is with a note that says why it has none."""
        try:
            return self.attribute(snapshot)
        except MemsnapError as error:
            note = f"No types: {error.message}."
            capture = snapshot.capture
            return replace(snapshot, capture=replace(capture, notes=(*capture.notes, note)))

    def _find(self, snapshot: Snapshot) -> tuple[str, str]:
        """Return the path to open and the name that errors call it."""
        process = snapshot.capture.process
        if self._file:
            return self._file, self._file
        if self._folder:
            found = str(_in_folder(Path(self._folder), snapshot))
            return found, found
        if process.pid is None:
            raise FileError(
                "the executable is on another machine",
                hint="memsnap attribute FILE.snap --exe ./service",
            )
        # The link of /proc leads to the file that runs, though it be deleted or replaced, and
        # into containers.
        return f"/proc/{process.pid}/exe", process.executable or f"pid {process.pid}"


def _in_folder(folder: Path, snapshot: Snapshot) -> Path:
    """Return the build of `snapshot` among the files below `folder`: by build id, else by name."""
    process = snapshot.capture.process
    mapped = next((mapping for mapping in snapshot.heap.mappings if mapping.file), None)
    build_id = process.build_id or (mapped.build_id if mapped else "")
    wanted = Path(process.executable or (mapped.file if mapped else "")).name
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())[:_MOST_FILES]
    except OSError as error:
        raise FileError(f"{folder} cannot be searched: {error.strerror}") from error
    for path in files if build_id else []:
        if _build_id(path) == build_id:
            return path
    named = [path for path in files if wanted and path.name == wanted]
    if len(named) == 1:
        return named[0]
    what = f"build {build_id[:12]}" if build_id else f"a file named {wanted or '?'}"
    raise FileError(
        f"{folder} holds {'several files named ' + wanted if named else 'no ' + what}",
        hint="name the executable itself: --exe FILE",
    )


def _build_id(path: Path) -> str:
    try:
        with Executable.open(path) as executable:
            return executable.image.build_id
    except (FormatError, FileError):
        return ""  # no Go executable: not the one
