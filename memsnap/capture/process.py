"""What Linux tells of a process: when it started, what it runs, how much memory it has (proc(5)).

Everything that is not readable stays unknown and leaves a note; only a process that does not
exist, or that we may not see at all, is an error.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from memsnap.capture.cgroup import cgroup_memory
from memsnap.capture.command import without_secrets
from memsnap.capture.failures import ProcessGone
from memsnap.errors import TargetError
from memsnap.gobin.buildinfo import Build, read_build
from memsnap.snapshot import Process, ProcessMemory

_STATUS_FIELDS = {
    "VmRSS": "rss",
    "RssAnon": "rss_anon",
    "RssFile": "rss_file",
    "VmSwap": "swap",
    "VmSize": "virtual",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A process and its memory at one moment, with a note for each fact that could not be had."""

    process: Process
    memory: ProcessMemory
    notes: tuple[str, ...] = ()


def memory_and_process(pid: int) -> ProcessFacts:
    """Return what the operating system says of a process right now.

    Raises:
        TargetError: there is no such process.
    """
    notes: list[str] = []
    start_time_ns = start_time(pid)
    executable = read_executable(pid)
    build, note = _read_build(pid)
    notes += [note] if note else []
    process = Process(
        pid=pid,
        start_time_ns=start_time_ns,
        command=without_secrets(command_line(pid)),
        executable=executable,
        build_id=build.build_id,
        go_build_id=build.go_build_id,
        go_version=build.info.go_version,
        module=build.info.module.path,
        module_version=build.info.module.version,
        vcs_revision=build.info.vcs_revision,
    )
    return ProcessFacts(process=process, memory=read_memory(pid), notes=tuple(notes))


def start_time(pid: int) -> int:
    """Return when a process started, in ns since 1970, to a clock tick (10 ms).

    `/proc/PID/stat` counts ticks since boot in field 22; `/proc/stat` has the boot time in whole
    seconds, so that two reads agree to the digit unless the clock was set in between.

    Raises:
        TargetError: there is no such process.
    """
    if not Path("/proc/self/stat").exists():
        raise TargetError(
            f"pid:{pid}: this system has no /proc", hint="give the URL of pprof instead of the PID"
        )
    stat = _read(f"/proc/{pid}/stat")
    boot_s = next(
        (int(line[6:]) for line in _read("/proc/stat").splitlines() if line.startswith("btime ")),
        None,
    )
    state, *fields = stat.rpartition(")")[2].split() or [""]
    if state in {"", "Z", "X"} or boot_s is None:  # a zombie has ended, though it is not reaped
        raise ProcessGone(
            f"pid:{pid}: there is no such process",
            hint="look it up with pgrep; from inside a container only its own processes are seen",
        )
    ticks = int(fields[18])
    return boot_s * 1_000_000_000 + ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def command_line(pid: int) -> tuple[str, ...]:
    """Return the arguments of a process; empty if unknown or if it has erased them."""
    text = _read(f"/proc/{pid}/cmdline")
    return tuple(text.removesuffix("\0").split("\0")) if text else ()


def read_executable(pid: int) -> str:
    """Return the path of the executable in the process's own file system; empty if unknown.

    A file that was replaced or removed since the start keeps the path that it had.
    """
    try:
        path = str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""
    return path.removesuffix(" (deleted)")


def read_memory(pid: int) -> ProcessMemory:
    """Return the memory of a process in bytes; None for what may not be read."""
    fields = parse_status(_read(f"/proc/{pid}/status"))
    current, limit = cgroup_memory(_read(f"/proc/{pid}/cgroup"))
    return ProcessMemory(
        **fields,
        pss=parse_rollup(_read(f"/proc/{pid}/smaps_rollup")),
        cgroup_current=current,
        cgroup_limit=limit,
    )


def parse_status(text: str) -> dict[str, int]:
    """Return the memory lines of /proc/PID/status by field of ProcessMemory, in bytes."""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in _STATUS_FIELDS:
            fields[_STATUS_FIELDS[name]] = _kilobytes(value)
    return fields


def parse_rollup(text: str) -> int | None:
    """Return the proportional set size of /proc/PID/smaps_rollup in bytes; None if not there."""
    values = (line[4:] for line in text.splitlines() if line.startswith("Pss:"))
    return next(map(_kilobytes, values), None)


def _kilobytes(value: str) -> int:
    """Return the bytes of `  123 kB`; the kernel's kB are 1024 bytes."""
    return int(value.split()[0]) * 1024


def _read_build(pid: int) -> tuple[Build, str]:
    """Return the build behind /proc/PID/exe, which opens even a deleted file, and a note."""
    try:
        build = read_build(f"/proc/{pid}/exe")
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        return Build(), f"The executable of process {pid} could not be read: {reason}."
    if build is None:
        return Build(), f"The executable of process {pid} is no ELF file."
    if not build.info.go_version:
        return build, f"The executable of process {pid} has no readable Go build info."
    return build, ""


def _read(path: str) -> str:
    """Return a file of /proc; empty if it may not be read or its process is gone."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
