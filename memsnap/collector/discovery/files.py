"""Lists of targets in files, as Prometheus' file_sd has them, read again when they change."""

import asyncio
import glob
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memsnap.collector.discovery.candidates import Candidate
from memsnap.collector.discovery.lists import parse_list
from memsnap.collector.discovery.polling import Sight
from memsnap.config.settings import FileSearch
from memsnap.errors import FileError, FormatError, MemsnapError

_FILE_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The last good content of a file, and what it looked like from outside."""

    stamp: tuple[int, ...]
    candidates: tuple[Candidate, ...] | None
    problem: str = ""


@dataclass(slots=True, kw_only=True)
class FileLists:
    """Looks into the files of a search; a broken file keeps what it had."""

    search: FileSearch
    _known: dict[str, _Read] = field(default_factory=dict)

    async def look(self) -> Sight:
        """Return the targets of all files.

        Raises:
            FileError: no file could ever be read, though there are some.
        """
        return await asyncio.to_thread(self._look)

    def _look(self) -> Sight:
        paths = sorted({path for pattern in self.search.files for path in _paths(pattern)})
        self._known = {path: self._read(path) for path in paths}
        reads = self._known.values()
        problems = tuple(one.problem for one in reads if one.problem)
        if problems and all(one.candidates is None for one in reads):
            raise FileError("; ".join(problems))
        return Sight(
            candidates=[each for one in reads for each in one.candidates or ()], problems=problems
        )

    def _read(self, path: str) -> _Read:
        """Return what a file holds, or held before it broke."""
        before = self._known.get(path)
        kept = before.candidates if before else None
        stamp: tuple[int, ...] = ()
        try:
            stamp = _stamp(path)
            if before and before.stamp == stamp:
                return before
            return _Read(stamp=stamp, candidates=parse_list(_document(path), name=path))
        except FileNotFoundError:
            # What was a list and is removed lists nothing any more; what never was may be a typo.
            gone: tuple[Candidate, ...] | None = () if kept is not None else None
            return _Read(stamp=(), candidates=gone, problem=f"{path} does not exist")
        except OSError as error:
            problem = f"cannot read {path}: {(error.strerror or str(error)).lower()}"
            return _Read(stamp=stamp, candidates=kept, problem=problem)
        except MemsnapError as error:
            return _Read(stamp=stamp, candidates=kept, problem=error.message)


def _paths(pattern: str) -> list[str]:
    """Return the files of a pattern; one without wildcards is there even if its file is not."""
    return glob.glob(pattern) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207  # Path.glob takes no absolute ones


def _stamp(path: str) -> tuple[int, ...]:
    """Return what changes whenever a file is written or replaced."""
    status = Path(path).stat()
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _document(path: str) -> Any:
    with Path(path).open("rb") as file:
        content = file.read(_FILE_MAX_BYTES + 1)
    if len(content) > _FILE_MAX_BYTES:
        raise FormatError(f"{path} is larger than 64 MB")
    if path.endswith(".json"):
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is not JSON: {error}") from error
    import yaml

    try:
        return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise FormatError(f"{path} is not YAML: {said}") from error
