"""`memsnap demo`: the main job on a real leaking service, and nothing left behind."""

import importlib.resources
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from program import MEMSNAP
from toolchains import CACHE

from memsnap.demo import service

pytestmark = pytest.mark.go

SCHEMA = json.loads(
    (importlib.resources.files("memsnap.report") / "schemas/diff-1.json").read_text()
)


def command(*arguments):
    return [*MEMSNAP, "demo", *arguments]


@pytest.fixture
def environment(go, tmp_path):
    """An environment with a temporary folder of its own, and the suite's Go and its cache."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = f"{go.path.parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return kept | {"PATH": path, "TMPDIR": str(scratch), "GOCACHE": str(CACHE / "go-build")}


def leftovers(environment):
    return list(Path(environment["TMPDIR"]).iterdir())


def exists(pid):
    return Path(f"/proc/{pid}").exists()


def pid_in(text):
    return int(re.search(r"capture -p (\d+)", text)[1])


def test_the_first_finding_names_the_leaking_function_and_line(environment, tmp_path):
    keep = tmp_path / "kept"
    done = subprocess.run(
        command("--seconds", "6", "--json", "--keep", keep),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []
    at = document["findings"][0]["at"]
    assert at["function"] == service.LEAKING_FUNCTION
    line = Path(at["file"]).read_text().splitlines()[at["line"] - 1]
    assert "make([]byte" in line
    assert sorted(path.name for path in keep.iterdir()) == ["after.snap", "before.snap"]
    assert not exists(pid_in(done.stderr))
    assert leftovers(environment) == []


def test_the_report_is_read_without_its_files(environment):
    done = subprocess.run(
        command("--seconds", "4"), env=environment, capture_output=True, text=True, check=True
    )
    first = done.stdout.partition("\n1. ")[2].partition("\n\n")[0]
    assert first.startswith(service.LEAKING_FUNCTION)
    assert re.search(r"receipts\.go:\d+", first)
    assert environment["TMPDIR"] not in done.stdout
    assert "memsnap capture -p PID" in done.stdout
    assert leftovers(environment) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
@pytest.mark.parametrize("moment", ["building", "letting it leak"])
def test_a_signal_leaves_no_process_and_no_folder(moment, number, code, environment, tmp_path):
    if moment == "building":  # so that there is something to interrupt
        environment["GOCACHE"] = str(tmp_path / "cold")
    with subprocess.Popen(
        command("--seconds", "100"), env=environment, stderr=subprocess.PIPE, text=True
    ) as demo:
        said = ""
        for line in demo.stderr:
            said += line
            if moment in line:
                break
        if moment == "building":
            work = Path(environment["TMPDIR"])
            while not list(work.glob("*/go-build*")) and demo.poll() is None:
                time.sleep(0.02)
        demo.send_signal(number)
        said += demo.stderr.read()
        assert demo.wait(30) == code
    assert "what was written before is complete" in said
    assert "Traceback" not in said
    assert leftovers(environment) == []
    if moment != "building":
        assert not exists(pid_in(said))


def test_a_folder_that_cannot_be_made_is_named(environment, tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        command("--keep", tmp_path / "file" / "x"), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"memsnap: cannot make {tmp_path}/file/x: not a directory\n")
