"""`import memsnap`: typed, frozen values for scripts and notebooks, and cheap to import."""

import dataclasses
import inspect
import subprocess
import sys

import numpy as np
import pytest
from builders.profiles import Row, heap

import memsnap
from memsnap import api
from memsnap.errors import FileError, UsageError
from memsnap.pprof.encode import compress, encode

SERVE = "net/http.(*conn).serve server.go:2009 < main.main main.go:5"


@pytest.fixture
def pair(tmp_path):
    """Two plain profiles: 32 kB objects of a type grow, 64 byte ones stay."""
    paths = []
    for name, count in (("a.pb.gz", 10), ("b.pb.gz", 110)):
        leak = Row(f"main.read shop.go:40 < {SERVE}", 32768, count, count, "[]uint8", "make")
        rest = Row(f"main.load shop.go:12 < {SERVE}", 64, 9, 9, "main.product", "new")
        (tmp_path / name).write_bytes(compress(encode(heap(leak, rest))))
        paths.append(tmp_path / name)
    return paths


def test_the_documented_steps_work(pair):
    before, after = (memsnap.load(path) for path in pair)
    diff = memsnap.diff(before, after, focus="[]byte")
    (site,) = diff.top(10)
    assert (site.function, site.line, site.type) == ("main.read", 40, "[]uint8")
    assert site.growth_limits.low_bytes < site.growth.bytes < site.growth_limits.high_bytes


def test_paths_stand_wherever_snapshots_do(pair):
    by_path = memsnap.diff(*map(str, pair))
    assert by_path.top() == memsnap.diff(*map(memsnap.load, pair)).top()


def test_columns_are_arrays_of_one_length(pair):
    sites = memsnap.diff(*pair).sites
    columns = (sites.growth.bytes, sites.after.objects, sites.significant, sites.p_value)
    assert all(isinstance(column, np.ndarray) for column in columns)
    assert {len(column) for column in columns} == {len(sites)} == {2}


def test_values_are_frozen(pair):
    diff = memsnap.diff(*pair)
    for value, name in ((diff, "threshold"), (diff.sites, "by"), (diff.top()[0], "line")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)


def test_every_filter_is_a_keyword(pair):
    wanted = {
        "focus": "main.product",
        "function": "main.load",
        "package": "main",
        "file": "shop.go",
    }
    for name, text in wanted.items():
        functions = {site.function for site in memsnap.diff(*pair, **{name: text}).top()}
        assert "main.load" in functions
    assert [site.line for site in memsnap.diff(*pair, min_bytes=1 << 20).top()] == [40]


def test_what_is_saved_is_loaded(pair, tmp_path):
    snapshot = memsnap.load(pair[0])
    size = memsnap.save(snapshot, tmp_path / "a.snap")
    assert (tmp_path / "a.snap").stat().st_size == size
    assert memsnap.diff(tmp_path / "a.snap", pair[1]).top() == memsnap.diff(*pair).top()


@pytest.mark.parametrize("source", ["http://h", "HTTPS://h", "unix:/x", "pid:1"])
def test_a_scheme_makes_a_target(source):
    assert api.is_target(source)


@pytest.mark.parametrize("source", ["a.snap", "./http:", "host:6060", "/tmp/pid:1", "C:\\a.snap"])
def test_anything_else_is_a_file(source):
    assert not api.is_target(source)


def test_mistakes_are_memsnaps_own_errors(pair):
    with pytest.raises(FileError, match="cannot read gone"):
        memsnap.load("gone")
    with pytest.raises(UsageError, match="two captures or more"):
        memsnap.diff(pair[0])
    with pytest.raises(UsageError, match="nothing on any stack matches"):
        memsnap.diff(*pair, function="no.such")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        memsnap.nonsense  # noqa: B018


def test_the_public_names_are_documented_functions():
    names = [name for name in memsnap.__all__ if name != "__version__"]
    assert {"diff", "load", "save"} <= set(names) <= set(dir(memsnap))
    for name in names:
        function = getattr(memsnap, name)
        assert inspect.isfunction(function), name
        assert function.__doc__


def test_the_public_names_stay_functions_whatever_is_imported():
    program = (
        "import inspect, memsnap, memsnap.cli.capture, memsnap.cli.diff, memsnap.capture.visit\n"
        "import memsnap.analysis.diff, memsnap.storage.snapfile, memsnap.report.document\n"
        "names = [name for name in memsnap.__all__ if name != '__version__']\n"
        "print([name for name in names if not inspect.isfunction(getattr(memsnap, name))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_importing_memsnap_costs_nothing():
    program = "import sys, memsnap; print('numpy' in sys.modules, 'click' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"


@pytest.mark.go
def test_a_live_process_is_loaded_like_a_file(service):
    with service("subslice") as running:
        before = memsnap.load(f"pid:{running.pid}")
        running.step(1000)
        after = memsnap.load(running.address)
    assert memsnap.diff(before, after).top(1)[0].function == "main.readBody"
    assert api.capture is not None
