"""What the README says is what happens: every command in it runs, its report is a real one."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import toolchains

from memsnap.demo.service import demo
from memsnap.web.page import is_built

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every shell line of the README but the two that set up (those are .ci/run's)."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "python3 -m venv"))]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, go):
    """A folder to type in, with memsnap and Go on PATH and the demo's service running."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(ROOT / "config.example.toml", folder / "config.toml")
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), str(go.path.parent), os.environ["PATH"]]
    )
    environment = {**toolchains.build_environment(), "PATH": path, "COLUMNS": "112"}
    with demo(lambda text: None) as service:

        def run(line: str) -> subprocess.CompletedProcess[str]:
            line = line.replace("4711", str(service.pid))
            line = line.replace("http://localhost:6060", service.url)
            return subprocess.run(
                ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True
            )

        yield run


@pytest.mark.go
@pytest.mark.timeout(300)
def test_every_command_of_the_readme_runs(workplace):
    for line in commands():
        if "--html" in line and not is_built():
            continue  # a checkout without the npm registry has no page
        if line.startswith("memsnap serve"):  # it runs until it is told to stop
            line = f"timeout --preserve-status -s TERM 12 {line}"
        done = workplace(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.go
def test_the_python_example_of_the_readme_runs(workplace):
    (example,) = blocks("python")
    for line in (
        "memsnap capture -p 4711 -o a.snap",
        "sleep 1",
        "memsnap capture -p 4711 -o b.snap",
    ):
        assert workplace(line).returncode == 0
    done = workplace(f"{shlex.quote(sys.executable)} -c {shlex.quote(example)}")
    assert done.returncode == 0, done.stderr
    assert "main.uploadReceipt" in done.stdout


@pytest.mark.go
def test_the_pasted_report_has_the_form_of_a_real_one(workplace):
    """Numbers, times and file names differ from run to run; the words do not."""

    def form(text: str) -> list[str]:
        text = re.sub(
            r"\d[\d,.]*( [kMGT]?B)?|→|…|[-+]|\S*/\S+|\S+\.snap|\b[0-9a-f]{12}\b", "#", text
        )
        return [" ".join(line.split()) for line in text.splitlines() if line.strip()]

    (pasted,) = blocks("text")
    workplace(
        "memsnap capture -p 4711 -o before.snap; sleep 8; memsnap capture -p 4711 -o after.snap"
    )
    real = form(workplace("memsnap diff before.snap after.snap -n 3").stdout)
    wanted = [line for line in form(pasted) if not line.startswith(("#", "=", "demo", "("))]
    headings = [line for line in wanted if not re.match(r"\W*#", line)]
    missing = [line for line in headings if line not in real]
    assert len(missing) <= len(headings) // 4, (missing, real)


def test_the_readme_has_the_two_commands_that_set_everything_up():
    found = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert found == [
        "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]' && .venv/bin/memsnap demo",
        "python3 -m venv .venv && .venv/bin/pip install -q '.[test]' && .venv/bin/pytest -q",
    ]


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
