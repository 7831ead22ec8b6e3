"""Go programs of this machine that listen somewhere, under names that outlive their processes.

Whether they serve pprof is not asked here: the visit probes them.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from memsnap.capture.process import command_line, read_executable
from memsnap.capture.sockets import listeners_of
from memsnap.collector.discovery.candidates import ADDRESS, Candidate
from memsnap.collector.discovery.polling import Sight
from memsnap.config.settings import ProcessSearch
from memsnap.errors import FormatError, TargetError
from memsnap.gobin.buildinfo import Build, read_build

_PROC = Path("/proc")
_NO_PACKAGE = "command-line-arguments"  # the path of what was built from files (cmd/go)

_Life = tuple[int, int]  # PID, and clock ticks from boot to its start
_File = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """A Go process as it is found; `base` names what runs, `command` tells instances apart."""

    life: _Life
    executable: str
    command: tuple[str, ...]
    build: Build
    unit: str
    listeners: tuple[str, ...]

    @property
    def base(self) -> str:
        """What stays the same over restarts, new builds and other folders."""
        package = self.build.info.path
        runs = package if package and package != _NO_PACKAGE else self.executable
        return "process:" + "/".join(part for part in (self.unit, runs.lstrip("/")) if part)

    @property
    def name(self) -> str:
        """The file name of the executable."""
        return PurePosixPath(self.executable).name


@dataclass(slots=True, kw_only=True)
class Processes:
    """Looks at the processes of this machine; remembers which key belongs to which."""

    search: ProcessSearch
    _builds: dict[_File, Build | None] = field(default_factory=dict)
    _programs: dict[_Life, _Program] = field(default_factory=dict)
    _keys: dict[_Life, str] = field(default_factory=dict)

    async def look(self) -> Sight:
        """Return the processes that listen.

        Raises:
            TargetError: this system has no /proc.
        """
        return await asyncio.to_thread(self._look)

    def _look(self) -> Sight:
        if not (_PROC / "self/stat").exists():
            raise TargetError("this system has no /proc to find processes in")
        programs, hidden, files = {}, 0, set()
        for pid in _pids():
            try:
                life, file = (pid, _start_ticks(pid)), _file(pid)
                files.add(file)
                program = self._programs.get(life) or self._program(life, file)
            except PermissionError:
                hidden += 1
                continue
            except (OSError, ValueError, FormatError):
                continue  # it ended while we looked, or has no executable (kernel threads)
            if program:
                programs[life] = program
        self._builds = {file: build for file, build in self._builds.items() if file in files}
        self._programs = programs
        self._keys = _named(programs.values(), self._keys)
        return Sight(
            candidates=[self._candidate(programs[life]) for life in sorted(programs)],
            problems=_unseen(hidden) if hidden and not programs else (),
        )

    def _program(self, life: _Life, file: _File) -> _Program | None:
        """Return a process if it is a Go program that is searched for and listens."""
        pid = life[0]
        executable, command = read_executable(pid), command_line(pid)
        if not self._searched(executable, command):
            return None
        if file not in self._builds:
            self._builds[file] = read_build(f"/proc/{pid}/exe")
        build = self._builds[file]
        if build is None or not (build.info.go_version or build.info.path):
            return None
        listeners = tuple(str(one) for one in listeners_of(pid))
        if not listeners:
            return None
        return _Program(
            life=life,
            executable=executable,
            command=command,
            build=build,
            unit=parse_unit((_PROC / str(pid) / "cgroup").read_text()),
            listeners=listeners,
        )

    def _searched(self, executable: str, command: tuple[str, ...]) -> bool:
        name, words = self.search.executable, self.search.command
        if name and not name.fullmatch(PurePosixPath(executable).name):
            return False
        return not words or words.search(" ".join(command)) is not None

    def _candidate(self, program: _Program) -> Candidate:
        return Candidate(
            labels={
                ADDRESS: f"pid:{program.life[0]}",
                "__meta_process_executable": program.executable,
                "__meta_process_package": program.build.info.path,
                "__meta_process_module": program.build.info.module.path,
                "__meta_process_unit": program.unit,
            },
            service=program.name,
            key=self._keys[program.life],
            expected=bool(self.search.executable or self.search.command),
            listeners=program.listeners,
        )


def _named(programs: Iterable[_Program], before: dict[_Life, str]) -> dict[_Life, str]:
    """Return a key for every process: its own of `before`, else the lowest that is free.

    A process that took the place of another gets its key.  Several of the same base are counted,
    in the order of their command lines, so that a restart of memsnap numbers them alike.
    """
    known = {one.life: one for one in programs}
    keys = {life: key for life, key in before.items() if life in known}
    taken = set(keys.values())
    new = [one for life, one in known.items() if life not in keys]
    for one in sorted(new, key=lambda each: (each.command, each.life[1], each.life[0])):
        number = 1
        while (key := one.base + (f"#{number}" if number > 1 else "")) in taken:
            number += 1
        keys[one.life] = key
        taken.add(key)
    return keys


def _pids() -> Iterator[int]:
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            yield int(folder.name)


def _start_ticks(pid: int) -> int:
    """Return field 22 of /proc/PID/stat (proc(5)); fields count from behind the name's bracket."""
    return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])


def _file(pid: int) -> _File:
    status = (_PROC / str(pid) / "exe").stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def parse_unit(text: str) -> str:
    """Return the systemd service in /proc/PID/cgroup, such as shop@2.service; empty if none.

    What a user starts is in a scope below the service of the user, which is not its own.
    """
    found = re.search(r"/([^/\n]+\.service)$", text, re.MULTILINE)
    return found[1] if found else ""


def _unseen(hidden: int) -> tuple[str, ...]:
    return (
        f"no Go process is seen, but {hidden} of other users may not be inspected: run memsnap as "
        "their user or with CAP_SYS_PTRACE",
    )
