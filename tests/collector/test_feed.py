"""Events reach everybody who listens, and nobody who is slow holds up the others."""

import pytest

from memsnap.collector.feed import Event, Feed, Kind, TooManyListeners


def event(number: int) -> Event:
    return Event(kind=Kind.CAPTURE, at_ns=number, target_id=1, snapshot_id=number)


async def test_everybody_hears_everything_in_order():
    feed = Feed()
    with feed.listening() as one, feed.listening() as other:
        for number in range(3):
            feed.publish(event(number))
        for listener in (one, other):
            assert [await listener.next() for _ in range(3)] == [event(at) for at in range(3)]


async def test_nobody_hears_what_was_before():
    feed = Feed()
    feed.publish(event(1))
    with feed.listening() as late:
        feed.publish(event(2))
        assert await late.next() == event(2)


async def test_who_is_too_slow_hears_that_something_was_lost():
    feed = Feed()
    with feed.listening() as slow:
        for number in range(1000):
            feed.publish(event(number))
        heard = []
        while not heard or heard[-1].kind is not Kind.LOST:
            heard.append(await slow.next())
        feed.publish(event(2000))
        assert await slow.next() == event(2000)
    assert heard[0] == event(0)
    assert len(heard) < 1000


async def test_the_end_comes_to_those_who_listen_and_to_those_who_come_later():
    feed = Feed()
    with feed.listening() as full, feed.listening() as early:
        for number in range(300):
            feed.publish(event(number))
            if number < 255:
                await early.next()
        feed.end()
        while await full.next():
            pass
    with feed.listening() as late:
        assert await late.next() is None


async def test_there_is_room_for_so_many(request):
    feed = Feed()
    with pytest.raises(TooManyListeners), _crowd(feed, 101):
        pass
    with feed.listening():
        pass


def _crowd(feed, count):
    import contextlib

    stack = contextlib.ExitStack()
    with stack as rooms:
        for _ in range(count):
            rooms.enter_context(feed.listening())
        return rooms.pop_all()
