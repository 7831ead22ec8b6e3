"""Who answered: the process behind an endpoint where it is local, and a short name for people."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from memsnap.capture.command import parse_command, without_secrets
from memsnap.capture.endpoint import Endpoint, is_loopback
from memsnap.capture.exchange import Steps, get
from memsnap.capture.failures import ProcessGone
from memsnap.capture.probe import Located
from memsnap.capture.process import (
    ProcessFacts,
    command_line,
    memory_and_process,
    read_memory,
    start_time,
)
from memsnap.capture.sockets import find_tcp_owner, find_unix_owner
from memsnap.capture.target import Target
from memsnap.errors import TargetError
from memsnap.pprof.profile import Profile
from memsnap.snapshot import Process, ProcessMemory

# Names of executables that say nothing of the service; then the module's name is better.
_GENERIC = frozenset({"", "main", "app", "server", "service", "exe", "bin", "__debug_bin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The process that answered; `facts` only if it runs on this machine and may be seen."""

    process: Process
    service: str
    facts: ProcessFacts | None = None

    def older_than(self, major: int, minor: int) -> bool:
        """Whether the process runs on a Go before `major.minor`; False if its Go is unknown."""
        match = re.match(r"go(\d+)\.(\d+)", self.process.go_version)
        return match is not None and (int(match[1]), int(match[2])) < (major, minor)


def identify(target: Target, place: Located, heap: Profile) -> Steps[Identity]:
    """Return who answered at `place`.

    Behind a URL or socket, a local process is named only if it both listens there and has the
    command line that the endpoint gives: it may be a tunnel to another machine.

    Raises:
        TargetError: the target is a process that ended, or whose PID was given to another.
    """
    facts: ProcessFacts | None
    command: tuple[str, ...] = ()
    if place.pid is not None:
        _check_alive(place.pid, place.start_time_ns)
        facts = memory_and_process(place.pid)
    else:
        command = yield from _ask_command(place)
        facts = _facts_of_owner(place.endpoint, command)
    process = facts.process if facts else Process(command=without_secrets(command))
    return Identity(process=process, service=name_service(process, heap, str(target)), facts=facts)


def process_memory_of(place: Located) -> Steps[ProcessMemory | None]:
    """Return the memory of the process at `place`; None unless it is one of this machine for sure.

    Raises:
        TargetError: the target is a process that ended, or whose PID was given to another.
    """
    pid = place.pid
    if pid is None:
        command = yield from _ask_command(place)
        pid = _local_pid(place.endpoint, command)
    else:
        _check_alive(pid, place.start_time_ns)
    return None if pid is None else read_memory(pid)


def _check_alive(pid: int, started_ns: int | None) -> None:
    if start_time(pid) != started_ns:
        raise ProcessGone(
            f"pid:{pid}: the process ended during the capture, and another has its PID",
            hint="look up the PID of the new process",
        )


def name_service(process: Process, heap: Profile, target: str) -> str:
    """Return a name fit for a file: of the executable, of the module, or of the host.

    A version suffix of a module (`/v2`) is no name.
    """
    mapped = heap.mappings[0].file if heap.mappings else ""
    paths = (process.executable, process.command[0] if process.command else "", mapped)
    names = [PurePosixPath(path).name for path in paths]
    module = re.sub(r"/v\d+$", "", process.module)
    host = urlsplit(target).hostname or target.partition(":")[2]
    for name in (*names[:1], PurePosixPath(module).name, *names[1:]):
        if name.lower() not in _GENERIC:
            return _clean(name)
    return _clean(next(filter(None, names), host))


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "service"


def _ask_command(place: Located) -> Steps[tuple[str, ...]]:
    try:
        answer = yield from get(place.endpoint, place.access, f"{place.endpoint.prefix}/cmdline")
    except TargetError:
        return ()
    return parse_command(answer, place.access.max_bytes)


def _facts_of_owner(endpoint: Endpoint, command: tuple[str, ...]) -> ProcessFacts | None:
    """Return the facts of the local process behind an endpoint; None if there is none for sure."""
    pid = _local_pid(endpoint, command)
    try:
        return None if pid is None else memory_and_process(pid)
    except (OSError, TargetError):
        return None


def _local_pid(endpoint: Endpoint, command: tuple[str, ...]) -> int | None:
    try:
        pid = _owner(endpoint)
    except OSError:
        return None
    return pid if pid is not None and command and command_line(pid) == command else None


def _owner(endpoint: Endpoint) -> int | None:
    if endpoint.route.unix_path:
        return find_unix_owner(endpoint.route.unix_path)
    parts = urlsplit(endpoint.origin)
    host = parts.hostname or ""
    if not is_loopback(host):
        return None
    return find_tcp_owner(host, parts.port or (443 if parts.scheme == "https" else 80))
