"""A row and the finding that names its line speak with one voice."""

from dataclasses import replace

import numpy as np
import pytest
from builders.series import capture_times, filling, leaking, recorded, replaced
from builders.simulation import bucket

from memsnap import api
from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Cause
from memsnap.analysis.findings import find, settled
from memsnap.analysis.select import Selection
from memsnap.analysis.table import By

PUT = "main.put put.go:8 < main.main main.go:9"
FILL = "main.fill fill.go:3 < main.main main.go:9"
CALM = "main.logIn s.go:7 < main.main main.go:9"


@pytest.fixture(scope="module")
def taken():
    """A service that leaks at one line, fills a cache at another, and replaces at a third."""
    rng = np.random.default_rng(11)
    buckets = [
        bucket(rng, PUT, 4096, leaking(rng, 60)),
        bucket(rng, FILL, 1024, filling(rng, 40_000, 9.0)),
        bucket(rng, CALM, 512, replaced(rng, 30_000, 300)),
    ]
    return recorded(buckets, capture_times(7))


def words(compared, by=By.SITE):
    return {row.function or row.package: row.verdict for row in compared.rows(by)}


def test_a_row_has_the_verdict_of_the_finding_on_its_line(taken):
    compared, found = settled(diff(taken))
    causes = {one.function: one.verdict for one in found if one.sites}
    assert causes["main.put"] is Cause.LEAK
    for by in (By.SITE, By.FUNCTION, By.LINE):
        told = words(compared, by)
        assert {name: told[name] for name in causes} == causes


def test_a_group_says_the_most_important_of_its_rows(taken):
    compared, _ = settled(diff(taken))
    assert words(compared, By.PACKAGE) == {"main": Cause.LEAK}


def test_rows_without_findings_never_leak(taken):
    assert Cause.LEAK not in words(diff(taken)).values()


def test_what_is_selected_settles_anew(taken):
    whole, _ = settled(diff(taken))
    part, found = settled(whole.narrowed(Selection(function="main.fill")))
    assert {one.function for one in found} <= {"main.fill"}
    assert words(part)["main.fill"] is not Cause.LEAK


def test_findings_are_sought_once(taken):
    compared, found = settled(diff(taken))
    assert settled(compared) == (compared, found)
    assert find(compared) is found
    assert find(replace(compared, found=None)) == found


def test_the_interface_gives_settled_rows(taken):
    assert words(api.diff(*taken))["main.put"] is Cause.LEAK
