"""`memsnap attribute`: types for a capture, or one line that says why there are none."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typed_services
from commands import Done, plain_environment, save_capture
from program import MEMSNAP

from memsnap.pprof.heap import string_label
from memsnap.storage.snapfile import load, save

pytestmark = pytest.mark.go

Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder where resolved sites are kept, instead of the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMSNAP_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="module")
def exe() -> Path:
    return typed_services.recorded(*typed_services.STRIPPED).executable


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The stripped service's heap as `curl` saves it."""
    file = tmp_path / "heap.pb.gz"
    file.write_bytes(typed_services.recorded(*typed_services.STRIPPED).proto)
    return file


@pytest.fixture
def snap(profile: Path, tmp_path: Path) -> Path:
    """The same as a capture without types."""
    file = tmp_path / "a.snap"
    save(load(profile), file)
    return file


def types_of(file: Path) -> set[str]:
    """Return the types of a file's samples."""
    heap = load(file).heap
    return {heap.strings[at] for at in string_label(heap, "type").tolist() if at >= 0}


def refused(done: Done, *words: str) -> None:
    """Check that a command failed with one line, and at most a hint, that says these words."""
    assert (done.code, done.out) == (1, "")
    assert len(done.lines) <= 2
    assert done.lines[0].startswith("memsnap: ")
    assert all(line.startswith("  try: ") for line in done.lines[1:])
    for word in words:
        assert word in done.lines[0]


def test_types_are_added_to_a_capture_in_its_place(memsnap: Run, snap: Path, exe: Path) -> None:
    done = memsnap("attribute", snap, "--exe", exe)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{snap}  types for 9")
    assert done.out.endswith(f"from {exe}\n")
    assert "http.Request" in types_of(snap)


def test_a_plain_profile_becomes_a_capture_elsewhere(
    memsnap: Run, profile: Path, exe: Path, tmp_path: Path
) -> None:
    before = profile.read_bytes()
    out = tmp_path / "typed.snap"

    done = memsnap("attribute", profile, "--exe", exe, "-o", out)

    assert (done.code, done.err) == (0, "")
    assert "http.Request" in types_of(out)
    assert profile.read_bytes() == before


def test_a_text_profile_is_typed_too(memsnap: Run, exe: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "heap.txt", tmp_path / "typed.snap"
    text.write_bytes(typed_services.recorded(*typed_services.STRIPPED).text)

    assert memsnap("attribute", text, "--exe", exe, "-o", out).code == 0
    assert "http.Request" in types_of(out)


def test_a_folder_of_builds_has_the_right_one(
    memsnap: Run, snap: Path, exe: Path, tmp_path: Path
) -> None:
    for name, source in (("a", typed_services.program(*typed_services.PIE)), ("b", exe)):
        (tmp_path / "builds" / name).mkdir(parents=True)
        shutil.copy(source, tmp_path / "builds" / name / "requests")

    done = memsnap("attribute", snap, "--exe-dir", tmp_path / "builds")

    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("builds/b/requests\n")


def test_attributing_twice_changes_nothing(memsnap: Run, snap: Path, exe: Path) -> None:
    memsnap("attribute", snap, "--exe", exe)
    first = snap.read_bytes()

    assert memsnap("attribute", snap, "--exe", exe).code == 0
    assert snap.read_bytes() == first


def test_what_was_resolved_before_gives_the_same_types(
    memsnap: Run, profile: Path, exe: Path, tmp_path: Path, cache: Path
) -> None:
    for name in ("cold.snap", "warm.snap"):
        assert memsnap("attribute", profile, "--exe", exe, "-o", tmp_path / name).code == 0

    assert list(cache.rglob("*.types"))
    assert (tmp_path / "warm.snap").read_bytes() == (tmp_path / "cold.snap").read_bytes()


def test_another_build_is_refused_and_the_file_stays(memsnap: Run, snap: Path) -> None:
    before = snap.read_bytes()
    other = typed_services.program(*typed_services.PIE)

    done = memsnap("attribute", snap, "--exe", other)

    refused(done, f"{other} is not the executable behind {snap}", "of 400 places")
    assert snap.read_bytes() == before


def test_a_go_program_of_another_source_is_refused(
    memsnap: Run, snap: Path, scenarios: dict[str, Path]
) -> None:
    done = memsnap("attribute", snap, "--exe", scenarios["ring"])

    refused(done, "is not the executable behind", "of 400 places in the code agree")


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"#!/bin/sh\nexit 0\n" * 20, b"\x7fELF", b"\x7fELF\x02\x01\x01" + b"\xff" * 400],
    ids=["empty", "one byte", "script", "magic", "damaged headers"],
)
def test_what_is_no_executable_is_refused(
    memsnap: Run, snap: Path, tmp_path: Path, content: bytes
) -> None:
    before = snap.read_bytes()
    file = tmp_path / "service"
    file.write_bytes(content)

    refused(memsnap("attribute", snap, "--exe", file), str(file))
    assert snap.read_bytes() == before


def test_a_program_that_is_not_gos_is_refused(memsnap: Run, snap: Path) -> None:
    refused(memsnap("attribute", snap, "--exe", "/bin/sh"), "/bin/sh")


def test_a_truncated_executable_is_refused(
    memsnap: Run, snap: Path, exe: Path, tmp_path: Path
) -> None:
    whole = exe.read_bytes()
    file = tmp_path / "service"
    for share in (0.001, 0.2, 0.5):
        file.write_bytes(whole[: int(len(whole) * share)])
        refused(memsnap("attribute", snap, "--exe", file), str(file))


@pytest.mark.parametrize("name", ["nothing", ".", "pipe"])
def test_an_executable_that_cannot_be_read_is_refused(
    memsnap: Run, snap: Path, tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / "pipe")

    refused(memsnap("attribute", snap, "--exe", tmp_path / name), str(tmp_path / name))


def test_a_folder_without_the_build_is_refused(memsnap: Run, snap: Path, tmp_path: Path) -> None:
    (tmp_path / "builds").mkdir()

    refused(memsnap("attribute", snap, "--exe-dir", tmp_path / "builds"), "holds no file")


def test_a_capture_of_a_made_up_service_is_refused(memsnap: Run, exe: Path, tmp_path: Path) -> None:
    made_up = save_capture(tmp_path / "a.snap", 10)

    refused(memsnap("attribute", made_up, "--exe", exe), "0 of 4 places in the code agree")


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.snap",),
        ("a.snap", "--exe", "x", "--exe-dir", "y"),
        ("heap.pb.gz", "--exe", "x"),
        ("http://127.0.0.1:9/heap.snap", "--exe", "x"),
    ],
    ids=["no executable", "two", "no output", "a live target"],
)
def test_what_makes_no_sense_is_a_usage_error(memsnap: Run, arguments: tuple[str, ...]) -> None:
    done = memsnap("attribute", *arguments)

    assert done.code == 2
    assert done.lines[0].startswith("memsnap: ")


def test_standard_output_carries_the_capture_alone(snap: Path, exe: Path, tmp_path: Path) -> None:
    command = [*MEMSNAP, "attribute", str(snap), "--exe", str(exe), "-o", "-"]
    done = subprocess.run(command, env=plain_environment(), capture_output=True, check=True)

    (tmp_path / "out.snap").write_bytes(done.stdout)
    assert "http.Request" in types_of(tmp_path / "out.snap")
