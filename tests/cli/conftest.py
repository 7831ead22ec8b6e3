"""Running memsnap: in this process through its own `main` path, or as a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Done, plain_environment, save_capture
from filled_stores import Filled, fill
from program import MEMSNAP

from memsnap.cli.main import run


@pytest.fixture
def memsnap(monkeypatch, capsys) -> Callable[..., Done]:
    """Run a command in this process as the console script does: `memsnap("diff", a, b)`."""

    def call(*args: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["memsnap", *map(str, args)])
        capsys.readouterr()
        code = run()
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


@pytest.fixture
def process(tmp_path) -> Callable[..., Done]:
    """Run a command as a process in `tmp_path`; `env` adds to a plain environment."""

    def call(*args: str | Path, env: dict[str, str] | None = None, cwd: Path = tmp_path) -> Done:
        done = subprocess.run(
            [*MEMSNAP, *map(str, args)],
            cwd=cwd,
            env=plain_environment() | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """Two captures, a minute apart: some 50 MB more in bodies of 32 kB."""
    return (
        save_capture(tmp_path / "a.snap", 10),
        save_capture(tmp_path / "b.snap", 110, minute=1),
    )


@pytest.fixture
def filled(tmp_path, monkeypatch) -> Filled:
    """A store with captures, which is the memsnap.db of the folder that we are in."""
    monkeypatch.chdir(tmp_path)
    for name in ("MEMSNAP_STORE_URL", "MEMSNAP_SERVER", "MEMSNAP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return fill("sqlite:///memsnap.db")
