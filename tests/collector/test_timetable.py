"""When targets are visited: slots, backoff, pauses and clocks that jump."""

from hypothesis import given
from hypothesis import strategies as st

from memsnap.collector.timetable import Pace, Timetable, phase_of, slot_at

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOW = 1_795_000_000 * SECOND
PACE = Pace(interval_ns=MINUTE, backoff_max_ns=16 * MINUTE)


def planned(*keys: str, now_ns: int = NOW) -> Timetable:
    table = Timetable()
    for key in keys:
        table.add(key, PACE, now_ns=now_ns, last_slot_ns=slot_at(now_ns, key, MINUTE))
    return table


def simulate(table: Timetable, start_ns: int, end_ns: int, step_ns: int) -> list[tuple[str, int]]:
    return [
        (due.key, due.slot_ns) for now in range(start_ns, end_ns, step_ns) for due in table.due(now)
    ]


@given(st.text(), st.integers(1, 10**15), st.integers(0, 2 * 10**18))
def test_a_slot_is_on_the_grid_and_never_ahead(key: str, interval: int, now: int) -> None:
    slot = slot_at(now, key, interval)

    assert slot <= now < slot + interval
    assert (slot - phase_of(key, interval)) % interval == 0


def test_targets_spread_evenly_over_the_interval() -> None:
    tenths = [phase_of(f"http://host-{i}:6060", MINUTE) * 10 // MINUTE for i in range(1000)]

    assert all(70 < tenths.count(tenth) < 130 for tenth in range(10))


def test_a_new_target_is_visited_at_once_in_its_current_slot() -> None:
    table = Timetable()
    table.add("a", PACE, now_ns=NOW)

    assert [(due.key, due.slot_ns) for due in table.due(NOW)] == [("a", slot_at(NOW, "a", MINUTE))]


def test_a_target_taken_over_waits_for_the_slot_after_the_last_that_was_stored() -> None:
    table = planned("a")

    assert table.due(NOW) == []
    assert table.next_ns() == slot_at(NOW, "a", MINUTE) + MINUTE


def test_a_slot_lost_with_its_collector_is_due_at_once_for_the_next_one() -> None:
    table = Timetable()
    table.add("a", PACE, now_ns=NOW, last_slot_ns=slot_at(NOW, "a", MINUTE) - MINUTE)

    assert len(table.due(NOW)) == 1


def test_slots_that_passed_while_nobody_had_the_target_are_told_as_missed() -> None:
    table = Timetable()
    current = slot_at(NOW, "a", MINUTE)
    table.add("a", PACE, now_ns=NOW, last_slot_ns=current - 3 * MINUTE, lookback_ns=9 * MINUTE)
    (due,) = table.due(NOW)

    assert due.slot_ns == current
    assert due.missed_ns == (current - 2 * MINUTE, current - MINUTE)


def test_slots_from_long_before_a_restart_are_not_told_as_missed() -> None:
    table = Timetable()
    current = slot_at(NOW, "a", MINUTE)
    table.add("a", PACE, now_ns=NOW, last_slot_ns=current - 999 * MINUTE, lookback_ns=2 * MINUTE)
    (due,) = table.due(NOW)

    assert due.slot_ns == current
    assert due.missed_ns == (current - MINUTE,)


def test_slots_that_a_backoff_leaves_out_are_not_missed_by_who_takes_the_target_over() -> None:
    table = Timetable()
    current = slot_at(NOW, "a", MINUTE)
    taken = {"now_ns": NOW, "lookback_ns": 9 * MINUTE}
    table.add("a", PACE, last_slot_ns=current - 3 * MINUTE, failures=4, **taken)

    assert table.due(NOW) == []
    (due,) = table.due(current + MINUTE)
    assert (due.slot_ns, due.missed_ns) == (current + MINUTE, ())


def test_a_backoff_goes_on_at_who_takes_the_target_over() -> None:
    table = Timetable()
    current = slot_at(NOW, "a", MINUTE)
    table.add("a", PACE, now_ns=NOW, last_slot_ns=current, failures=3)
    (due,) = table.due(current + MINUTE)

    assert table.failed("a", due.slot_ns) == due.slot_ns + 8 * MINUTE


def test_slots_after_the_end_of_a_backoff_are_missed() -> None:
    table = Timetable()
    current = slot_at(NOW, "a", MINUTE)
    taken = {"now_ns": NOW, "lookback_ns": 9 * MINUTE}
    table.add("a", PACE, last_slot_ns=current - 6 * MINUTE, failures=3, **taken)
    (due,) = table.due(NOW)

    assert due.slot_ns == current
    assert due.missed_ns == (current - 2 * MINUTE, current - MINUTE)


def test_every_slot_is_due_once() -> None:
    visits = simulate(planned("a", "b"), NOW, NOW + 10 * MINUTE, SECOND)

    assert len(visits) == len(set(visits)) == 20


def test_after_a_pause_the_last_slot_is_due_and_the_others_were_missed() -> None:
    table = planned("a")
    first = slot_at(NOW, "a", MINUTE) + MINUTE
    (due,) = table.due(first + 3 * MINUTE + SECOND)

    assert due.slot_ns == first + 3 * MINUTE
    assert due.missed_ns == (first, first + MINUTE, first + 2 * MINUTE)


def test_failures_double_the_wait_up_to_the_cap_and_stay_on_the_grid() -> None:
    table = planned("b")
    waits = []
    slot = slot_at(NOW, "b", MINUTE) + MINUTE
    for _ in range(7):
        following = table.failed("b", slot)
        assert following is not None
        waits.append((following - slot) // MINUTE)
        slot = following

    assert waits == [1, 2, 4, 8, 16, 16, 16]


def test_success_ends_the_backoff() -> None:
    table = planned("a")
    slot = slot_at(NOW, "a", MINUTE) + MINUTE
    for _ in range(4):
        slot = table.failed("a", slot) or 0
    assert len(table.due(slot)) == 1
    table.succeeded("a")

    assert table.next_ns() == slot + MINUTE


def test_a_clock_set_back_does_not_leave_targets_alone_until_it_has_caught_up() -> None:
    table = planned("a")
    earlier = NOW - 3600 * SECOND
    table.clock_set_back(earlier)

    visits = simulate(table, earlier, earlier + 5 * MINUTE, SECOND)

    assert len(visits) == 5


def test_a_clock_set_back_by_a_second_changes_nothing() -> None:
    table = planned("a")
    before = table.next_ns()
    table.clock_set_back(NOW - SECOND)

    assert table.next_ns() == before


def test_a_removed_target_is_never_due() -> None:
    table = planned("a", "b")
    table.remove("a")

    assert {key for key, _ in simulate(table, NOW, NOW + 3 * MINUTE, SECOND)} == {"b"}


def test_another_pace_of_a_target_that_is_not_planned_plans_nothing() -> None:
    table = Timetable()
    table.change("a", PACE, now_ns=NOW)

    assert table.next_ns() is None


def test_another_pace_takes_effect_on_its_own_grid() -> None:
    table = planned("a")
    table.change("a", Pace(interval_ns=10 * SECOND, backoff_max_ns=MINUTE), now_ns=NOW)

    visits = simulate(table, NOW, NOW + MINUTE, SECOND)

    assert len(visits) == 6


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_whatever_happens_each_target_stays_planned_within_its_cap(
    outcomes: list[tuple[str, bool]],
) -> None:
    table, now = planned("a", "b", "c"), NOW
    for key, failed in outcomes:
        now += 7 * SECOND
        for due in table.due(now):
            if due.key == key and failed:
                table.failed(key, due.slot_ns)
            else:
                table.succeeded(due.key)

    visits = simulate(table, now, now + 17 * MINUTE, SECOND)

    assert {key for key, _ in visits} == {"a", "b", "c"}
