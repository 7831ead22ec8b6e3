"""A service with plugins gets types for its own code, and is told of what the plugins allocate."""

import shutil
import subprocess
from pathlib import Path

import pytest
import toolchains
from services import running

from memsnap.capture.blocking import capture
from memsnap.capture.executables import TypeSource
from memsnap.capture.target import PidTarget
from memsnap.errors import FormatError
from memsnap.pprof.heap import string_label

PROGRAMS = Path(__file__).parent.parent / "plugin_programs"
EVERY_OBJECT = {"GODEBUG": "memprofilerate=1"}

pytestmark = [
    pytest.mark.go,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("gcc"), reason="plugins need a C compiler"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the service `host` and its plugin `guest.so`."""
    folder = tmp_path_factory.mktemp("plugins")
    environment = toolchains.build_environment() | {"CGO_ENABLED": "1"}
    for output, *flags in (("guest.so", "-buildmode=plugin"), ("host",)):
        package = f"./{output.removesuffix('.so')}"
        command = [toolchains.current().path, "build", "-o", folder / output, *flags, package]
        subprocess.run(command, cwd=PROGRAMS, env=environment, check=True, timeout=300)
    return folder


def test_a_plugin_is_named_and_the_service_itself_has_types(built):
    with (
        running(built / "host", built / "guest.so", env=EVERY_OBJECT) as service,
        TypeSource() as source,
    ):
        snapshot = source.attribute_if_possible(capture(PidTarget(pid=service.pid)))

    heap = snapshot.heap
    texts = {heap.strings[at] for at in string_label(heap, "type").tolist() if at >= 0}
    assert "main.Host" in texts
    assert "main.Guest" not in texts
    assert snapshot.capture.notes[-1] == (
        f"No types: not for what {built / 'guest.so'} allocates: plugins and shared libraries are "
        "not read."
    )


def test_a_plugin_in_the_place_of_the_executable_is_refused_by_name(built):
    with running(built / "host", built / "guest.so", env=EVERY_OBJECT) as service:
        snapshot = capture(PidTarget(pid=service.pid))
    guest = str(built / "guest.so")

    with (
        TypeSource(file=guest) as source,
        pytest.raises(FormatError, match=r"guest\.so is a Go plugin") as caught,
    ):
        source.attribute(snapshot)

    assert caught.value.hint == "give the executable of the service that loads it"
