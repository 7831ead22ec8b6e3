"""Every door of a real Go service opens to both transports: sockets, TLS, credentials."""

import os
import shutil
import socket
import subprocess
from dataclasses import replace

import pytest

from memsnap.capture.access import Access, SecretSource, make_access
from memsnap.capture.target import parse_target
from memsnap.capture.visit import Options, locate_steps, visit_steps
from memsnap.errors import TargetError

pytestmark = pytest.mark.go

TCP = ("-listen", "127.0.0.1:0")
HINTED = "--token-file"


@pytest.fixture
def visit(run):
    """A function that takes a whole capture."""

    def visit(text, access=None, prefix=None):
        target = parse_target(text)
        place = run(locate_steps(target, access or Access(timeout_s=20), prefix))
        return run(visit_steps(target, place, options=Options()))

    return visit


def test_a_capture_by_pid_finds_a_wildcard_and_ipv6(visit, service, doors):
    with service(doors, "-listen", ":0") as running:
        assert visit(f"pid:{running.pid}").capture.gc.proven
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    with service(doors, "-listen", "[::1]:0") as running:
        by_pid, by_url = visit(f"pid:{running.pid}").capture, visit(running.address).capture
    assert by_pid.gc.proven
    assert by_url.process.pid == running.pid


def test_a_capture_by_pid_finds_a_unix_socket(visit, service, doors, tmp_path):
    path = str(tmp_path / "app.sock")
    with service(doors, "-listen", f"unix:{path}") as running:
        by_pid = visit(f"pid:{running.pid}")
        by_path = visit(f"unix:{path}")
        assert by_pid.capture.gc.proven
        assert by_pid.capture.notes[0].endswith(f"unix:{path}:/debug/pprof.")
        assert by_path.capture.target == f"unix:{path}"
        assert by_path.capture.process.pid == running.pid


def test_a_capture_by_pid_finds_an_abstract_socket(visit, service, doors, tmp_path):
    name = f"@memsnap-{os.getpid()}-{tmp_path.name}"
    with service(doors, "-listen", f"unix:{name}") as running:
        assert visit(f"pid:{running.pid}").capture.gc.proven
        assert visit(f"unix:{name}").capture.process.pid == running.pid


@pytest.fixture(scope="session")
def isolated():
    """How to run a program in a network namespace of its own, with loopback up."""
    shell = 'ip link set lo up && exec "$0" "$@"'
    command = ["unshare", "-n", "sh", "-c", shell]
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("needs unshare and ip")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may make no network namespace")
    return shutil.which("unshare"), command[1:]


def test_a_capture_by_pid_enters_its_network_namespace(visit, service, doors, isolated):
    program, command = isolated
    with service(program, *command, str(doors), *TCP) as running:
        snapshot = visit(f"pid:{running.pid}")
        assert snapshot.capture.gc.proven
        assert snapshot.capture.service == "doors"
        with pytest.raises(TargetError, match="refused"):
            visit(running.address)


def test_a_capture_by_pid_finds_a_socket_in_its_mount_namespace(visit, service, doors, tmp_path):
    shell = 'mount -t tmpfs none "$FOLDER" && exec "$0" "$@"'
    command = ["-m", "sh", "-c", shell]
    unshare = shutil.which("unshare")
    environment = {**os.environ, "FOLDER": str(tmp_path)}
    tried = unshare and subprocess.run(
        [unshare, *command, "true"], env=environment, capture_output=True, check=False
    )
    if not tried or tried.returncode:
        pytest.skip("this user may make no mount namespace")
    path = tmp_path / "app.sock"
    listen = ("-listen", f"unix:{path}")
    with service(unshare, *command, str(doors), *listen, env={"FOLDER": str(tmp_path)}) as running:
        assert not path.exists()
        assert visit(f"pid:{running.pid}").capture.gc.proven


def test_of_two_doors_one_is_taken_and_the_other_named(visit, service, doors):
    with service(doors, *TCP, *TCP, "-silent", "127.0.0.1:0") as running:
        notes = visit(f"pid:{running.pid}").capture.notes
    assert len(notes) == 2
    assert "was visited at http://127.0.0.1:" in notes[0]
    assert "It also answers as pprof at http://127.0.0.1:" in notes[1]


def test_tls_is_verified_by_the_given_authority_only(visit, service, doors, certificates):
    pair = ("-cert", certificates.server, "-key", certificates.server_key)
    with service(doors, *TCP, *pair) as running:
        assert running.address.startswith("https://")
        trusted = Access(ca_file=certificates.ca)
        assert visit(running.address, trusted).capture.gc.proven
        assert visit(running.address, Access(insecure=True)).capture.gc.proven
        for access in (Access(), Access(ca_file=certificates.other_ca)):
            with pytest.raises(TargetError, match="certificate is not trusted") as caught:
                visit(running.address, access)
            assert "--ca" in caught.value.hint
            assert "--insecure" in caught.value.hint
        with pytest.raises(TargetError, match="answered 400") as caught:
            visit(running.address.replace("https:", "http:"))
        assert "https://" in caught.value.hint
        by_pid = visit(f"pid:{running.pid}").capture
        assert by_pid.gc.proven
        assert "certificate was not checked" in by_pid.notes[1]
        checked = visit(f"pid:{running.pid}", trusted).capture
        assert len(checked.notes) == 1


def test_files_that_do_not_fit_are_told(visit, service, doors, certificates):
    pair = ("-cert", certificates.server, "-key", certificates.server_key)
    crossed = Access(client_certificate=certificates.client, client_key=certificates.ca_key)
    with (
        service(doors, *TCP, *pair) as running,
        pytest.raises(TargetError, match="key values mismatch") as caught,
    ):
        visit(running.address, replace(crossed, insecure=True))
    assert "--key" in caught.value.hint


def test_a_client_certificate_opens_the_door(visit, service, doors, certificates):
    pair = ("-cert", certificates.server, "-key", certificates.server_key)
    access = make_access(ca_file=certificates.ca)
    with service(doors, *TCP, *pair, "-client-ca", certificates.ca) as running:
        with pytest.raises(TargetError) as caught:
            visit(running.address, access)
        assert "--cert" in caught.value.hint
        known = replace(
            access,
            client_certificate=certificates.client,
            client_key=certificates.client_key,
        )
        assert visit(running.address, known).capture.gc.proven


def test_basic_auth_opens_the_door_and_is_never_told(visit, service, doors, tmp_path):
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    with service(doors, *TCP, "-user", "ann:s3cret") as running:
        with pytest.raises(TargetError, match="answered 401") as caught:
            visit(running.address)
        assert HINTED in caught.value.hint
        with pytest.raises(TargetError, match="/debug/pprof/cmdline: answered 401") as caught:
            visit(f"pid:{running.pid}")
        assert HINTED in caught.value.hint
        access = make_access(user="ann", password=SecretSource(file=str(file)))
        for snapshot in (
            visit(running.address, access),
            visit(running.address.replace("//", "//ann:s3cret@")),
            visit(f"pid:{running.pid}", access),
        ):
            assert snapshot.capture.gc.proven
            assert "s3cret" not in repr(snapshot.capture.target) + repr(snapshot.capture.notes)
            assert "@" not in snapshot.name


def test_a_bearer_token_opens_the_door(visit, service, doors, monkeypatch):
    monkeypatch.setenv("DOOR_TOKEN", "t0ken")
    with service(doors, *TCP, "-token", "t0ken") as running:
        access = make_access(bearer=SecretSource(variable="DOOR_TOKEN"))
        assert visit(running.address, access).capture.gc.proven
        with pytest.raises(TargetError, match="answered 401"):
            visit(running.address, replace(access, bearer="wrong"))


def test_a_host_that_is_not_allowed_is_told_and_a_header_helps(visit, service, doors):
    with service(doors, *TCP, "-host", "admin.local") as running:
        with pytest.raises(TargetError, match="answered 403") as caught:
            visit(running.address)
        assert "allowed hosts" in caught.value.hint
        access = make_access(headers=["Host: admin.local"])
        assert visit(running.address, access).capture.gc.proven
