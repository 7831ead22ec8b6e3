"""Go programs whose executables are read back: built here, in every way that Go links."""

import functools
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import toolchains

from memsnap.gobin.executable import Executable

PROGRAMS = Path(__file__).parent / "programs"
NAMES = ("tiny", "zoo", "retain")


@pytest.fixture(scope="session")
def program(go: toolchains.Go) -> Callable[..., Path]:
    """A function that returns an executable: `program("zoo", flags=["-buildmode=pie"])`."""

    def build(name: str, *, flags: Sequence[str] = (), with_go: toolchains.Go = go) -> Path:
        return with_go.build_all(PROGRAMS, NAMES, flags=flags)[name]

    return build


@pytest.fixture(scope="session")
def program_in(go: toolchains.Go, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that builds in another environment: `program_in({"GOARCH": "arm64"}, "zoo")`."""

    def build(environment: dict[str, str], name: str, *, flags: Sequence[str] = ()) -> Path:
        target = tmp_path_factory.mktemp("built") / name
        subprocess.run(
            [go.path, "build", "-o", target, *flags, f"./{name}"],
            cwd=PROGRAMS,
            env=toolchains.build_environment() | environment,
            check=True,
            timeout=300,
        )
        return target

    return build


@pytest.fixture(scope="session")
def arm64_program(program_in: Callable[..., Path]) -> Callable[..., Path]:
    """A function that cross-compiles: `arm64_program("zoo", flags=["-buildmode=pie"])`."""
    return functools.partial(program_in, {"GOARCH": "arm64"})


@pytest.fixture
def zoo(program: Callable[..., Path]) -> Iterator[Executable]:
    """The executable of many types."""
    with Executable.open(program("zoo")) as executable:
        yield executable
