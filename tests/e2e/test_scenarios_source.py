"""The Go sources that tests and the demo rest on are as Go's own tools want them."""

import subprocess
from pathlib import Path

import pytest
from scenario_truth import SCENARIOS, all_truths
from toolchains import Go

from memsnap.demo.service import SOURCE

pytestmark = pytest.mark.go

VERDICTS = {"leak", "cache", "load", "churn", "one-time", "steady"}


@pytest.mark.parametrize("module", [SCENARIOS, SOURCE], ids=["scenarios", "demo"])
def test_go_vet_has_nothing_to_say(module: Path, go: Go) -> None:
    assert go.run("vet", "./...", cwd=module) == ""


@pytest.mark.parametrize("module", [SCENARIOS, SOURCE], ids=["scenarios", "demo"])
def test_sources_are_formatted(module: Path, go: Go) -> None:
    gofmt = go.path.resolve().with_name("gofmt")
    done = subprocess.run([gofmt, "-l", module], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_every_scenario_has_a_verdict_and_a_reason() -> None:
    for truth in all_truths():
        assert truth.verdict in VERDICTS, truth.name
        assert bool(truth.trap) == truth.leaks, truth.name
        assert bool(truth.shape) != truth.leaks, truth.name
        assert truth.sites, truth.name


def test_every_marked_line_belongs_to_a_site_and_to_its_function() -> None:
    for truth in all_truths():
        lines = truth.file.read_text().splitlines()
        marked = {number for number, line in enumerate(lines, 1) if "// site: " in line}
        assert marked == {site.line for site in truth.sites}, truth.name
