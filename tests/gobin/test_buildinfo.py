"""Build info is what `go version -m` prints."""

import pytest

from memsnap.gobin.buildinfo import BuildInfo, Module, parse_module_text
from memsnap.gobin.executable import Executable

TEXT = """\
path\texample.com/svc/cmd
mod\texample.com/svc\tv1.2.3\th1:abc=
=>\t../svc\t(devel)\t
dep\tgolang.org/x/net\tv0.1.0\th1:def=
dep\tgolang.org/x/sys\tv0.2.0
=>\texample.com/fork/sys\tv0.2.1\th1:ghi=
build\t-ldflags="-X main.v=\\"1\\" -s"
build\tvcs.revision=0123abcd
build\tvcs.modified=true
build\todd=a=b
"""


def test_module_text_becomes_modules_and_settings():
    assert parse_module_text(TEXT, go_version="go1.22.5") == BuildInfo(
        go_version="go1.22.5",
        path="example.com/svc/cmd",
        module=Module("example.com/svc", "v1.2.3", "h1:abc=", Module("../svc", "(devel)")),
        dependencies=(
            Module("golang.org/x/net", "v0.1.0", "h1:def="),
            Module(
                "golang.org/x/sys",
                "v0.2.0",
                "",
                Module("example.com/fork/sys", "v0.2.1", "h1:ghi="),
            ),
        ),
        settings={
            "-ldflags": '-X main.v="1" -s',
            "vcs.revision": "0123abcd",
            "vcs.modified": "true",
            "odd": "a=b",
        },
    )


@pytest.mark.parametrize(
    ("settings", "revision"),
    [
        ({}, ""),
        ({"vcs.modified": "true"}, ""),
        ({"vcs.revision": "abc"}, "abc"),
        ({"vcs.revision": "abc", "vcs.modified": "false"}, "abc"),
        ({"vcs.revision": "abc", "vcs.modified": "true"}, "abc+dirty"),
    ],
)
def test_a_revision_says_when_the_tree_had_changes(settings, revision):
    assert BuildInfo(settings=settings).vcs_revision == revision


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("go1.27.3", (1, 27)),
        ("go1.19", (1, 19)),
        ("devel go1.28-abcdef Mon Jan 1", (1, 28)),
        ("go1.25rc1 X:nodwarf5", (1, 25)),
        ("devel +abcdef", None),
        ("", None),
    ],
)
def test_the_release_comes_from_the_version(version, release):
    assert BuildInfo(go_version=version).release == release


@pytest.mark.go
@pytest.mark.parametrize("flags", [[], ["-ldflags=-s -w"], ["-buildmode=pie"]])
def test_build_info_is_what_go_prints(program, go, flags):
    path = program("tiny", flags=flags)
    first, *lines = go.run("version", "-m", str(path)).splitlines()

    with Executable.open(path) as executable:
        info = executable.build_info

    text = "".join(f"{line.removeprefix(chr(9))}\n" for line in lines)
    assert info == parse_module_text(text, go_version=first.rpartition(" ")[2])
    assert (info.path, info.module.path) == ("memsnap.test/programs/tiny", "memsnap.test/programs")
    assert info.settings["GOARCH"] == "amd64"
