"""Lines of the audit on disk: in order, within a bound, whole after a kill."""

import resource
from pathlib import Path

import pytest
from stores import seen

from memsnap.errors import FileError
from memsnap.storage.records import Cause
from memsnap.storage.unwritten import Unwritten, UnwrittenLines


def line(number: int) -> Unwritten:
    """Return a failure of that slot."""
    return Unwritten(
        seen=seen("a", labels=(("zone", "ö"),)),
        slot_ns=number,
        at_ns=number + 1,
        cause=Cause.TIMEOUT,
        message="too\nslow",
        collector="one",
    )


def slots(lines: UnwrittenLines) -> list[int]:
    return [each.slot_ns for _, each in lines.oldest(100_000)]


def test_lines_come_back_in_a_later_life_as_they_were(tmp_path: Path) -> None:
    first = UnwrittenLines(tmp_path)
    for number in range(2500):
        first.append(line(number))
    second = UnwrittenLines(tmp_path)

    assert slots(second) == list(range(2500))
    assert second.oldest(1) == [(0, line(0))]
    first.close()


def test_what_is_forgotten_leaves_no_file_behind(tmp_path: Path) -> None:
    lines = UnwrittenLines(tmp_path)
    for number in range(2500):
        lines.append(line(number))
    assert len(list(tmp_path.iterdir())) == 3
    lines.forget(lines.oldest(1500)[-1][0])
    assert len(list(tmp_path.iterdir())) == 2
    lines.forget(lines.oldest(1500)[-1][0])

    assert list(tmp_path.iterdir()) == []
    lines.append(line(1))
    assert slots(UnwrittenLines(tmp_path)) == [1]
    lines.close()


def test_lines_of_several_lives_keep_their_order(tmp_path: Path) -> None:
    for life in range(12):
        lines = UnwrittenLines(tmp_path)
        lines.append(line(life))
        lines.close()

    assert slots(UnwrittenLines(tmp_path)) == list(range(12))


def test_a_line_that_a_kill_has_cut_off_is_left_out(tmp_path: Path) -> None:
    lines = UnwrittenLines(tmp_path)
    lines.append(line(1))
    lines.append(line(2))
    lines.close()
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-10])

    assert slots(UnwrittenLines(tmp_path)) == [1]


def test_of_too_many_lines_the_oldest_go(tmp_path: Path) -> None:
    lines = UnwrittenLines(tmp_path)
    for number in range(21_500):
        lines.append(line(number))
    lines.close()

    assert lines.lost == 1500
    assert slots(lines) == slots(UnwrittenLines(tmp_path)) == list(range(1500, 21_500))


def test_lines_that_find_no_room_on_the_disk_wait_in_memory(tmp_path: Path) -> None:
    lines = UnwrittenLines(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for number in range(5):
            lines.append(line(number))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert slots(lines) == list(range(5))
    assert list(tmp_path.iterdir()) == []
    lines.append(line(5))
    assert slots(UnwrittenLines(tmp_path)) == [5]
    lines.close()


def test_a_file_that_cannot_be_read_is_an_error_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "failures-00000001.jsonl").mkdir()

    with pytest.raises(FileError, match=str(tmp_path)):
        UnwrittenLines(tmp_path)
