"""Go processes of this machine are found, and keep their keys over restarts."""

import shutil
from pathlib import Path

import pytest
from following import discovery_of, first, following, keys
from services import running

from memsnap.capture.target import PidTarget
from memsnap.collector.discovery.processes import parse_unit

pytestmark = pytest.mark.go

PACKAGE = "here/process:example.com/listeners/listener"


@pytest.fixture(scope="session")
def listener(go):
    return go.build(Path(__file__).parent / "programs" / "listener")


@pytest.fixture
def program(listener, tmp_path):
    """A copy of the program under a name of this test's own."""
    return Path(shutil.copy(listener, tmp_path / f"shop-{tmp_path.name[-20:]}"))


def search(program, more=""):
    return discovery_of(
        f"[[discover]]\nkind='processes'\nexecutable='{program.name}'\nevery='20ms'\n{more}"
    )


async def test_a_go_process_that_listens_is_found_by_the_name_of_its_file(program, tmp_path):
    socket = str(tmp_path / "a.sock")
    with running(program, socket) as service:
        (one,) = (await first(search(program))).found
    assert one.target == PidTarget(pid=service.pid)
    assert one.seen.key == PACKAGE
    assert one.seen.service == program.name
    assert one.seen.address == f"pid:{service.pid}"
    assert one.listeners == (f"unix:{socket}",)
    assert (one.host, one.expected) == ("here", True)


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/shop@2.service\n", "shop@2.service"),
        ("1:name=systemd:/system.slice/shop.service\n0::/\n", "shop.service"),
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/x.scope\n", ""),
        ("0::/\n", ""),
    ],
)
def test_a_service_of_systemd_is_part_of_the_key(cgroup, unit):
    assert parse_unit(cgroup) == unit


async def test_a_process_that_nobody_named_need_not_have_pprof(program, tmp_path):
    with running(program, tmp_path / "a.sock") as service:
        update = await first(discovery_of("[[discover]]\nkind='processes'"))
    found = {one.target: one for one in update.found}
    assert not found[PidTarget(pid=service.pid)].expected


async def test_it_is_found_as_soon_as_it_listens_and_gone_when_it_ends(program, tmp_path):
    async with following(search(program)) as next_update:
        assert (await next_update()).found == ()
        with running(program, tmp_path / "a.sock"):
            assert keys(await next_update()) == [PACKAGE]
        assert (await next_update()).found == ()


async def test_what_does_not_listen_is_no_target(program):
    with running(program):
        assert (await first(search(program))).found == ()


async def test_the_command_line_can_tell_processes_apart(program, tmp_path):
    with (
        running(program, "-role=api", tmp_path / "a.sock"),
        running(program, "-role=worker", tmp_path / "b.sock") as worker,
    ):
        update = await first(search(program, "command='-role=work'"))
    assert [one.target for one in update.found] == [PidTarget(pid=worker.pid)]


async def test_a_restart_keeps_the_key_though_the_folder_is_another(program, tmp_path):
    async with following(search(program)) as next_update:
        await next_update()
        with running(program, tmp_path / "a.sock") as before:
            first_life = await next_update()
        await next_update()
        (tmp_path / "release-2").mkdir()
        moved = Path(shutil.copy(program, tmp_path / "release-2"))
        with running(moved, tmp_path / "b.sock") as after:
            second_life = await next_update()
    assert before.pid != after.pid
    assert keys(first_life) == keys(second_life) == [PACKAGE]


async def test_of_several_alike_each_has_its_number_and_who_follows_takes_it_over(
    program, tmp_path
):
    async with following(search(program)) as next_update:
        await next_update()
        with running(program, tmp_path / "b.sock") as second:
            await next_update()
            with running(program, tmp_path / "a.sock") as other:
                both = await next_update()
            assert {one.seen.key: one.target.pid for one in both.found} == {
                PACKAGE: second.pid,
                f"{PACKAGE}#2": other.pid,
            }
            alone = await next_update()
            assert keys(alone) == [PACKAGE]
            with running(program, tmp_path / "c.sock") as third:
                again = await next_update()
                assert {one.seen.key: one.target.pid for one in again.found} == {
                    PACKAGE: second.pid,
                    f"{PACKAGE}#2": third.pid,
                }


async def test_numbers_go_by_the_command_lines_so_that_they_outlive_memsnap(program, tmp_path):
    with (
        running(program, "-b", tmp_path / "1.sock") as b,
        running(program, "-a", tmp_path / "2.sock") as a,
    ):
        update = await first(search(program))
    assert {one.seen.key: one.target.pid for one in update.found} == {
        PACKAGE: a.pid,
        f"{PACKAGE}#2": b.pid,
    }


async def test_what_is_known_of_a_process_can_be_used_for_labels(program, tmp_path):
    more = "relabel={package='{__meta_process_package}'}\nkeep={service='shop-.*'}"
    with running(program, tmp_path / "a.sock"):
        (one,) = (await first(search(program, more))).found
    assert one.seen.labels == (("package", "example.com/listeners/listener"),)
