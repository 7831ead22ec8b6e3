"""Shells learn memsnap's commands and options."""

import shutil
import subprocess

import pytest
from builders.profiles import Row, heap

from memsnap.pprof.encode import compress, encode


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(shell, memsnap):
    done = memsnap("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert "_MEMSNAP_COMPLETE" in done.out
    assert "memsnap" in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shells_own_language(shell, memsnap, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(memsnap("completion", shell).out)
    subprocess.run([shell, "-n", script], check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("memsnap ", {"capture", "diff", "demo", "completion"}),
        ("memsnap cap", {"capture"}),
        ("memsnap diff --fo", {"--focus"}),
        ("memsnap diff --by ", {"function", "line", "package"}),
        ("memsnap completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_names_are_completed(shell, typed, offered, process):
    words = typed.split(" ")
    unfinished = words[-1]
    environment = {
        "_MEMSNAP_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": unfinished if shell == "fish" else str(len(words) - 1),
    }
    done = process(env=environment)
    assert done.err == ""
    words = {word for line in done.out.splitlines() for word in line.replace("\t", ",").split(",")}
    assert offered <= words


def test_types_are_completed_from_the_capture_on_the_line(process, tmp_path):
    rows = [Row("main.f a.go:1", 48, 9, 7, type="main.Session"), Row("main.g a.go:2", 8, 1, 1)]
    path = tmp_path / "a.pb.gz"
    path.write_bytes(compress(encode(heap(*rows))))
    line = {"COMP_WORDS": f"memsnap diff {path} --focus *main.S", "COMP_CWORD": "4"}
    done = process(env={"_MEMSNAP_COMPLETE": "bash_complete", **line})
    assert "*main.Session" in done.out
