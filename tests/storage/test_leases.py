"""Collectors share targets: never two on one, none forgotten, each as many as the others."""

import asyncio
import random
import time
from collections import Counter

import pytest
from builders.captures import before
from sqlalchemy import insert, update

from memsnap.storage import fleet, leases
from memsnap.storage.database import Database
from memsnap.storage.errors import LeaseLost
from memsnap.storage.records import Lease, Slot, SnapshotFilter
from memsnap.storage.snapshots import find, save
from memsnap.storage.tables import collectors, targets
from memsnap.storage.tables import leases as rows

LEASE_S = 1000.0  # so long that the time the test itself takes does not count
TURN_S = LEASE_S / fleet.TURNS
NOW_NS = time.time_ns()
ON_POSTGRES = pytest.mark.parametrize(
    "store_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


async def add_targets(store, count, *, first=1):
    """Put targets into the store; return their ids."""
    ids = range(first, first + count)
    values = [
        {
            "id": number,
            "key": f"t{number}",
            "address": "",
            "service": "shop",
            "source": "static",
            "labels": "{}",
            "first_seen_ns": 0,
            "last_seen_ns": 0,
        }
        for number in ids
    ]
    async with store.begin() as connection:
        await connection.execute(insert(targets), values)
    return list(ids)


async def later(store, seconds):
    """Let time pass for the store, whose clock may be its own: make all it knows older."""
    past = round(seconds * 1e9)
    async with store.begin() as connection:
        await connection.execute(update(rows).values(expires_ns=rows.c.expires_ns - past))
        beat = collectors.c.heartbeat_ns - past
        await connection.execute(update(collectors).values(heartbeat_ns=beat))


async def claim(store, owner, want=None, **options):
    """Claim as a collector that lives."""
    await leases.heartbeat(store, owner, now_ns=NOW_NS)
    return await leases.claim(store, owner, want=want, lease_s=LEASE_S, now_ns=NOW_NS, **options)


async def renew(store, owner, held, **options):
    """Renew for another lease time."""
    return await leases.renew(store, owner, held, lease_s=LEASE_S, now_ns=NOW_NS, **options)


async def still_holds(store, owner, lease):
    """Whether a save with this lease would be taken."""
    async with store.begin() as connection:
        return await leases.holds(connection, lease, owner)


def ids_of(held):
    """The targets of leases, in order."""
    return sorted(lease.target_id for lease in held)


class Peer:
    """A collector whose turns the test calls."""

    def __init__(self, store, name, among=None):
        self.store = store
        self.name = name
        self.among = among
        self.held = ()

    async def turn(self, busy=()):
        """Have one turn and keep what it gives."""
        turn = await fleet.tend(
            self.store,
            self.name,
            self.held,
            lease_s=LEASE_S,
            now_ns=NOW_NS,
            among=self.among,
            busy=busy,
        )
        self.held = turn.leases
        return turn

    @property
    def ids(self):
        """The targets that it holds."""
        return ids_of(self.held)


async def turns(store, peers, count):
    """Let all peers have their turns, a turn's time apart."""
    for _ in range(count):
        for peer in peers:
            await peer.turn()
        await later(store, TURN_S)


async def test_a_free_target_is_claimed_once(store):
    await add_targets(store, 3)
    mine = await claim(store, "a")
    assert ids_of(mine) == [1, 2, 3]
    assert await claim(store, "b") == []


async def test_no_more_are_claimed_than_wanted(store):
    await add_targets(store, 5)
    assert len(await claim(store, "a", want=2)) == 2
    assert len(await claim(store, "b", want=0)) == 0
    assert len(await claim(store, "b", want=9)) == 3


async def test_a_retired_target_is_not_claimed(store):
    await add_targets(store, 2)
    async with store.begin() as connection:
        await connection.execute(update(targets).where(targets.c.id == 1).values(retired_ns=1))
    assert ids_of(await claim(store, "a")) == [2]


async def test_only_targets_that_the_collector_can_visit_are_claimed(store):
    await add_targets(store, 4)
    assert ids_of(await claim(store, "a", among={2, 4, 99})) == [2, 4]
    assert await claim(store, "a", among=()) == []


async def test_claims_of_many_targets_come_in_batches(store):
    ids = await add_targets(store, 4500)
    assert ids_of(await claim(store, "a")) == ids


async def test_a_lease_that_ran_out_is_taken_over_with_a_higher_epoch(store):
    await add_targets(store, 1)
    [old] = await claim(store, "a")
    await later(store, LEASE_S + 1)
    [new] = await claim(store, "b")
    assert new.epoch == old.epoch + 1
    assert not await still_holds(store, "a", old)
    assert await still_holds(store, "b", new)


async def test_a_renewed_lease_lasts(store):
    await add_targets(store, 1)
    held = await claim(store, "a")
    await later(store, LEASE_S * 0.9)
    assert ids_of((await renew(store, "a", held)).leases) == [1]
    await later(store, LEASE_S * 0.9)
    assert await claim(store, "b") == []


async def test_a_renewal_does_not_bring_back_what_another_has_taken(store):
    await add_targets(store, 2)
    held = await claim(store, "a")
    await later(store, LEASE_S + 1)
    [taken] = await claim(store, "b", want=1)
    kept = await renew(store, "a", held)
    assert ids_of(kept.leases) == sorted({1, 2} - {taken.target_id})
    assert await still_holds(store, "b", taken)


async def test_a_lease_that_ran_out_and_that_nobody_took_still_holds(store):
    await add_targets(store, 1)
    [lease] = await claim(store, "a")
    await later(store, 10 * LEASE_S)
    assert await still_holds(store, "a", lease)


async def test_a_lease_is_refused_to_another_owner_and_for_another_epoch(store):
    await add_targets(store, 1)
    [lease] = await claim(store, "a")
    assert not await still_holds(store, "b", lease)
    older = Lease(target_id=1, epoch=lease.epoch - 1, expires_ns=lease.expires_ns)
    assert not await still_holds(store, "a", older)


async def test_the_same_owner_after_an_interruption_gets_a_new_epoch(store):
    await add_targets(store, 1)
    [before] = await claim(store, "a")
    await later(store, LEASE_S + 1)
    [after] = await claim(store, "a")
    assert after.epoch > before.epoch
    assert (await renew(store, "a", [before])).leases == ()


async def test_a_claim_whose_answer_got_lost_runs_out_in_spite_of_renewals(store):
    await add_targets(store, 2)
    held = await claim(store, "a", want=1)
    await claim(store, "a", want=1)  # and the connection broke before the answer
    await later(store, LEASE_S * 0.6)
    held = (await renew(store, "a", held)).leases
    await later(store, LEASE_S * 0.6)
    lost = {1, 2} - {lease.target_id for lease in held}
    assert set(ids_of(await claim(store, "b"))) == lost


async def test_leases_of_retired_targets_are_not_renewed(store):
    await add_targets(store, 2)
    held = await claim(store, "a")
    async with store.begin() as connection:
        await connection.execute(update(targets).where(targets.c.id == 1).values(retired_ns=1))
    assert ids_of((await renew(store, "a", held)).leases) == [2]


async def test_released_targets_are_free_at_once(store):
    await add_targets(store, 3)
    held = await claim(store, "a")
    await leases.release(store, "a", held[:2], now_ns=NOW_NS)
    assert ids_of(await claim(store, "b")) == ids_of(held[:2])


async def test_a_release_that_comes_too_late_takes_nothing_from_the_new_owner(store):
    await add_targets(store, 1)
    held = await claim(store, "a")
    await later(store, LEASE_S + 1)
    [taken] = await claim(store, "b")
    await leases.release(store, "a", held, now_ns=NOW_NS)
    assert await still_holds(store, "b", taken)


async def test_who_leaves_gives_everything_back_and_is_not_counted(store):
    await add_targets(store, 4)
    await claim(store, "a")
    await leases.heartbeat(store, "b", now_ns=NOW_NS)
    assert await leases.fair_share(store, lease_s=LEASE_S, now_ns=NOW_NS) == 2
    await leases.leave(store, "a", now_ns=NOW_NS)
    assert await leases.fair_share(store, lease_s=LEASE_S, now_ns=NOW_NS) == 4
    assert len(await claim(store, "b")) == 4


async def test_the_share_is_rounded_up_and_counts_live_collectors_and_active_targets(store):
    await add_targets(store, 11)
    async with store.begin() as connection:
        await connection.execute(update(targets).where(targets.c.id == 11).values(retired_ns=1))
    assert await leases.fair_share(store, lease_s=LEASE_S, now_ns=NOW_NS) == 10
    await leases.heartbeat(store, "dead", now_ns=NOW_NS)
    await later(store, LEASE_S + 1)
    for name in "abc":
        await leases.heartbeat(store, name, now_ns=NOW_NS)
    assert await leases.fair_share(store, lease_s=LEASE_S, now_ns=NOW_NS) == 4


async def test_the_fleet_lists_collectors_with_their_leases(store):
    await add_targets(store, 3)
    await claim(store, "old", want=1)
    await later(store, LEASE_S + 1)
    await claim(store, "new", want=2)
    found = await leases.fleet(store, lease_s=LEASE_S, now_ns=NOW_NS)
    assert [(one.name, one.live) for one in found] == [("new", True), ("old", False)]
    assert found[0].leases == 2


async def test_collectors_silent_for_a_day_leave_the_list(store):
    await leases.heartbeat(store, "old", now_ns=NOW_NS)
    await later(store, 86_401)
    await leases.heartbeat(store, "new", now_ns=NOW_NS)
    found = await leases.fleet(store, lease_s=LEASE_S, now_ns=NOW_NS)
    assert [one.name for one in found] == ["new"]


async def test_a_clock_set_back_does_not_keep_a_dead_collectors_targets(store):
    await add_targets(store, 1)
    await claim(store, "a")
    await later(store, -7200)  # two hours back: its lease seems to last two hours more
    assert len(await claim(store, "b")) == 1


async def test_a_clock_set_back_costs_a_live_collector_nothing(store):
    await add_targets(store, 2)
    peer = Peer(store, "a")
    await peer.turn()
    await later(store, -7200)
    await peer.turn()
    assert await claim(store, "b") == []


async def test_one_collector_takes_everything_in_its_first_turn(store):
    ids = await add_targets(store, 10)
    peer = Peer(store, "a")
    turn = await peer.turn()
    assert peer.ids == ids
    assert turn.claimed == set(ids)


async def test_a_newcomer_has_its_share_within_one_lease_time(store):
    await add_targets(store, 30)
    old = [Peer(store, "a"), Peer(store, "b")]
    await turns(store, old, 3)
    assert [len(peer.ids) for peer in old] == [15, 15]
    peers = [*old, Peer(store, "c")]
    await turns(store, peers, fleet.TURNS)
    assert [len(peer.ids) for peer in peers] == [10, 10, 10]


async def test_a_newcomer_gets_something_where_the_share_rounded_up_leaves_nothing(store):
    await add_targets(store, 4)
    peers = [Peer(store, "a"), Peer(store, "b")]
    await turns(store, peers, 3)
    peers.append(Peer(store, "c"))
    await turns(store, peers, fleet.TURNS)
    assert sorted(len(peer.ids) for peer in peers) == [1, 1, 2]


async def test_a_balanced_fleet_stays_as_it_is(store):
    await add_targets(store, 31)
    peers = [Peer(store, name) for name in "abc"]
    await turns(store, peers, 6)
    before = [peer.ids for peer in peers]
    await turns(store, peers, 6)
    assert [peer.ids for peer in peers] == before


async def test_targets_of_a_killed_collector_move_within_one_lease_time(store):
    ids = await add_targets(store, 30)
    peers = [Peer(store, name) for name in "abc"]
    await turns(store, peers, fleet.TURNS)
    await turns(store, peers[1:], fleet.TURNS)  # "a" was killed right after its last turn
    await peers[1].turn()
    await peers[2].turn()
    assert sorted(peers[1].ids + peers[2].ids) == ids
    assert {len(peer.ids) for peer in peers[1:]} == {15}


async def test_a_look_shows_what_a_killed_collector_has_left_well_before_its_lease_time(store):
    await add_targets(store, 4)
    peers = [Peer(store, "a"), Peer(store, "b")]
    await turns(store, peers, fleet.TURNS)
    theirs = ids_of(peers[0].held)

    async def worth():
        return await fleet.is_worth_a_turn(store, "b", lease_s=LEASE_S, now_ns=NOW_NS, among=theirs)

    await turns(store, peers[1:], 2)  # three turns are over since the last of "a"
    assert await worth()
    await peers[1].turn()
    assert len(peers[1].ids) == 4
    assert not await worth()


async def test_a_collector_that_was_away_for_too_long_learns_what_it_lost(store):
    await add_targets(store, 4)
    peers = [Peer(store, "a"), Peer(store, "b")]
    await turns(store, peers, fleet.TURNS)
    stale = peers[0].held
    await turns(store, peers[1:], 2 * fleet.TURNS)
    assert [await still_holds(store, "a", lease) for lease in stale] == [False, False]
    turn = await peers[0].turn()
    assert turn.lost == {lease.target_id for lease in stale}
    assert turn.leases == ()


async def test_targets_being_visited_are_handed_over_afterwards(store):
    await add_targets(store, 2)
    owner, newcomer = Peer(store, "a"), Peer(store, "b")
    await owner.turn()
    await newcomer.turn()
    await owner.turn(busy={1, 2})
    assert owner.ids == [1, 2]
    turn = await owner.turn()
    assert len(turn.handed_over) == 1
    assert turn.lost == frozenset()
    await newcomer.turn()
    assert sorted(owner.ids + newcomer.ids) == [1, 2]
    assert len(newcomer.ids) == 1


async def test_a_target_that_was_asked_for_by_a_collector_that_died_stays(store):
    await add_targets(store, 2)
    owner, newcomer = Peer(store, "a"), Peer(store, "b")
    await owner.turn()
    await newcomer.turn()
    await later(store, TURN_S)
    await owner.turn(busy={1, 2})
    await later(store, LEASE_S * 0.7)
    turn = await owner.turn()
    assert turn.handed_over == frozenset()
    assert owner.ids == [1, 2]


async def test_a_target_let_go_for_a_collector_that_then_died_is_taken_by_another(store):
    ids = await add_targets(store, 4)
    owner, newcomer = Peer(store, "a"), Peer(store, "b")
    await turns(store, [owner], 2)
    await newcomer.turn()
    await owner.turn()
    assert len(owner.ids) == 2
    await later(store, TURN_S)
    await turns(store, [owner], fleet.TURNS)
    assert owner.ids == ids


async def test_targets_that_only_one_collector_can_visit_are_its_own(store):
    ids = await add_targets(store, 9)
    many, one = Peer(store, "many", ids[:8]), Peer(store, "one", ids[8:])
    await turns(store, [one, many], fleet.TURNS)
    assert many.ids == ids[:8]  # eight, though the share is five
    assert one.ids == ids[8:]
    epochs = [lease.epoch for lease in many.held]
    await turns(store, [one, many], fleet.TURNS)
    assert [lease.epoch for lease in many.held] == epochs


async def test_a_new_target_is_taken_in_the_next_turn(store):
    await add_targets(store, 4)
    peers = [Peer(store, "a"), Peer(store, "b")]
    await turns(store, peers, 4)
    await add_targets(store, 3, first=5)
    await turns(store, peers, 1)
    assert sorted(peers[0].ids + peers[1].ids) == list(range(1, 8))


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_no_target_has_two_owners_or_is_forgotten(store, seed):
    """Collectors join, die and sleep at random; who wakes up must not believe its old leases."""
    chance = random.Random(seed)
    ids = await add_targets(store, 24)
    peers = [Peer(store, f"p{number}") for number in range(3)]
    asleep = []
    for number in range(3, 18):
        event = chance.choice(["join", "kill", "sleep", "wake", "nothing", "nothing"])
        if event == "join" and len(peers) < 6:
            peers.append(Peer(store, f"p{number}"))
        elif event in {"kill", "sleep"} and len(peers) > 1:
            gone = peers.pop(chance.randrange(len(peers)))
            asleep += [gone] if event == "sleep" else []
        elif event == "wake" and asleep:
            peers.append(asleep.pop())
        for peer in chance.sample(peers, len(peers)):
            await peer.turn()
        holders = Counter([lease for peer in peers for lease in peer.ids])
        assert max(holders.values()) == 1
        await later(store, TURN_S)
    await turns(store, peers, 3 * fleet.TURNS)
    assert sorted(lease for peer in peers for lease in peer.ids) == ids
    sizes = [len(peer.ids) for peer in peers]
    assert max(sizes) - min(sizes) <= 1


async def test_a_capture_of_a_lease_that_moved_is_not_stored(store):
    await add_targets(store, 1)
    [old] = await claim(store, "a")
    await later(store, LEASE_S + 1)
    [new] = await claim(store, "b")
    slot = Slot(target_id=1, at_ns=NOW_NS)
    with pytest.raises(LeaseLost):
        await save(store, slot, before(), lease=old, owner="a", now_ns=NOW_NS)
    assert await find(store, SnapshotFilter()) == []
    await save(store, slot, before(), lease=new, owner="b", now_ns=NOW_NS)
    assert len(await find(store, SnapshotFilter())) == 1


@ON_POSTGRES
async def test_collectors_that_claim_at_the_same_time_never_get_the_same_target(store, store_url):
    await add_targets(store, 400)
    claimed = Counter()

    async def grab(name):
        async with await Database.open(store_url) as own:
            while got := await claim(own, name, want=7):
                claimed.update(lease.target_id for lease in got)

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(grab(f"c{number}"))
    assert claimed == Counter(range(1, 401))


@ON_POSTGRES
async def test_a_lease_cannot_move_between_its_check_and_the_commit(store):
    await add_targets(store, 1)
    [lease] = await claim(store, "a")
    await later(store, LEASE_S + 1)
    async with store.begin() as connection:
        assert await leases.holds(connection, lease, "a")
        assert await claim(store, "b") == []  # locked, hence passed over
    assert len(await claim(store, "b")) == 1
