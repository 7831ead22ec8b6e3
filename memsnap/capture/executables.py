"""Finds the executable behind a snapshot, and has it typed.

Types are an addition: where they cannot be had, the capture stands as it is, with a note.
"""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from memsnap.attribution import NO_TYPES, Attributor, Known
from memsnap.errors import FileError, FormatError, MemsnapError, UsageError
from memsnap.gobin.executable import Executable
from memsnap.gobin.image import open_image
from memsnap.snapshot import Snapshot

_MOST_FILES = 10_000  # looked at in a folder of executables
_MOST_CANDIDATES = 20  # of them, compared with a profile


class Memory(Protocol):
    """Keeps what is known of builds between runs; see `storage.typecache`."""

    def load(self, build: str) -> Known:
        """Return what is known of a build."""
        ...

    def save(self, build: str, known: Known) -> None:
        """Keep what is known of a build."""
        ...


class TypeSource:
    """Where executables come from: a file, a folder of builds, or the process itself.

    Executables stay open for the snapshots that follow, those used last where they are many, and
    what was resolved goes to `memory` when one is closed.  Use it as a context manager.
    """

    def __init__(
        self,
        *,
        file: str = "",
        folder: str = "",
        memory: Memory | None = None,
        most_open: int = 32,
    ) -> None:
        if file and folder:
            raise UsageError("give either --exe FILE or --exe-dir DIR")
        self._file, self._folder, self._memory = file, folder, memory
        self._most_open = most_open
        self._open: dict[tuple[str, int | None], Attributor] = {}

    def __enter__(self) -> "TypeSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def open_files(self) -> tuple[str, ...]:
        """The paths of what is open, the one used last at the end."""
        return tuple(path for path, _ in self._open)

    def close(self) -> None:
        """Close all executables, and keep what was found out about them."""
        while self._open:
            self._close_oldest()

    def _close_oldest(self) -> None:
        attributor = self._open.pop(next(iter(self._open)))
        build = attributor.executable.image.content_id
        if self._memory and build and attributor.is_extended:
            self._memory.save(build, attributor.known)
        attributor.executable.close()

    def attribute(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types.

        Raises FileError where no executable can be found or read, FormatError where it is no Go
        executable or of another build.
        """
        process = snapshot.capture.process
        if self._file:
            return self.attribute_by(self._file, snapshot)
        if self._folder:
            return self._by_folder(Path(self._folder), snapshot)
        if process.pid is None:
            raise FileError(
                "the executable is on another machine",
                hint="memsnap attribute FILE.snap --exe ./service",
            )
        # The link of /proc leads to the file that runs, though it be deleted or replaced, and
        # into containers.
        path, name = f"/proc/{process.pid}/exe", process.executable or f"pid {process.pid}"
        return self.attribute_by(path, snapshot, name=name, started=process.start_time_ns)

    def attribute_if_possible(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types, or as it is with a note that says why it has none."""
        try:
            return self.attribute(snapshot)
        except MemsnapError as error:
            hint = f" (try: {error.hint})" if error.hint else ""
            note = f"{NO_TYPES}{error.message}{hint}."
            capture = snapshot.capture
            return replace(snapshot, capture=replace(capture, notes=(*capture.notes, note)))

    def attribute_by(
        self, path: str, snapshot: Snapshot, *, name: str = "", started: int | None = None
    ) -> Snapshot:
        """Return `snapshot` with types of the executable at `path`, which errors call `name`.

        `started` tells processes of one id apart.  Raises as `attribute`.
        """
        attributor = self._open.pop((path, started), None)
        if attributor is None:
            executable = Executable.open(path, name=name or path)
            build = executable.image.content_id
            known = self._memory.load(build) if self._memory and build else None
            attributor = Attributor(executable, known)
        self._open[path, started] = attributor  # the one used last
        if len(self._open) > self._most_open:
            self._close_oldest()
        return attributor.attribute(snapshot)

    def _by_folder(self, folder: Path, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types of the file below `folder` that is its build."""
        candidates = _in_folder(folder, snapshot)
        refusals = []
        for path in candidates:
            try:
                return self.attribute_by(str(path), snapshot)
            except (FileError, FormatError) as error:
                refusals.append(error)
        if len(refusals) == 1:
            raise refusals[0]
        raise FormatError(
            f"none of the {len(candidates)} files in {folder} that are named like it is the "
            f"executable behind {snapshot.name}",
            hint="name the executable itself: --exe FILE",
        )


def _in_folder(folder: Path, snapshot: Snapshot) -> list[Path]:
    """Return what may be the build of `snapshot` below `folder`: by build id, then by name."""
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder", hint="give a folder of executables")
    try:
        files = sorted(islice((path for path in folder.rglob("*") if path.is_file()), _MOST_FILES))
    except OSError as error:
        raise FileError(f"{folder} cannot be searched: {error.strerror}") from error
    process = snapshot.capture.process
    mapped = next((mapping for mapping in snapshot.heap.mappings if mapping.file), None)
    build_id = process.build_id or (mapped.build_id if mapped else "")
    wanted = Path(process.executable or (mapped.file if mapped else "")).name
    # A profile's build id is that of the file at the path of the executable, which may have been
    # replaced: what is named alike comes after it.
    same_build = [path for path in files if _is_build(path, build_id, process.go_build_id)]
    same_name = [path for path in files if path.name == wanted and path not in same_build]
    if not same_build + same_name:
        parts = [f"named {wanted}"] if wanted else []
        parts += [f"of build {build_id[:12]}"] if build_id else []
        raise FileError(
            f"{folder} holds no file {' or '.join(parts) or 'that fits'}",
            hint="name the executable itself: --exe FILE",
        )
    return [*same_build, *same_name][:_MOST_CANDIDATES]


def _is_build(path: Path, build_id: str, go_build_id: str) -> bool:
    if not (build_id or go_build_id):
        return False
    try:
        with open_image(path, name=str(path)) as image:
            pairs = ((go_build_id, image.go_build_id), (build_id, image.build_id))
    except (FormatError, FileError):
        return False  # no executable: not the one
    return any(mine == other for mine, other in pairs if mine)
