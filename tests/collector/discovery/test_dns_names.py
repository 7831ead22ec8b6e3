"""Names become targets by what a real name server says of them."""

import contextlib

import pytest
from following import discovery_of, first, following, keys
from hypothesis import given
from hypothesis import strategies as st
from name_server import AAAA, CNAME, SRV, A, name_server

from memsnap.collector.discovery.dnswire import RecordType, parse_reply, question
from memsnap.collector.discovery.nameservers import (
    NameServers,
    ask,
    parse_resolv_conf,
    parse_server,
)
from memsnap.errors import FormatError

PPROF = "_pprof._tcp.shop.example"


def search(server, names, more=""):
    return discovery_of(
        f"[[discover]]\nkind='dns'\nnames={names}\nserver='{server.address}'\nevery='20ms'\n{more}"
    )


async def test_every_service_of_an_srv_record_is_a_target():
    records = [(0, 5, 6060, "a.shop.example"), (1, 5, 6061, "b.other")]
    async with name_server(zone={(PPROF, SRV): records}) as server:
        update = await first(search(server, [PPROF], "scheme='https'\nlabels={x='y'}"))
    assert keys(update) == [
        "https://a.shop.example:6060/debug/pprof",
        "https://b.other:6061/debug/pprof",
    ]
    assert {one.seen.service for one in update.found} == {"shop"}
    assert update.found[0].seen.labels == (("x", "y"),)


async def test_every_address_of_a_name_is_a_target_behind_its_cname_too():
    zone = {("www.x", CNAME): ["x"], ("x", A): ["10.0.0.2", "10.0.0.1"], ("x", AAAA): ["fd00::1"]}
    async with name_server(zone=zone) as server:
        four = await first(search(server, ["www.x"], "type='A'\nport=6060"))
        six = await first(search(server, ["x"], "type='AAAA'\nport=6060"))
    assert keys(four) == ["http://10.0.0.1:6060/debug/pprof", "http://10.0.0.2:6060/debug/pprof"]
    assert keys(six) == ["http://[fd00::1]:6060/debug/pprof"]


async def test_an_answer_that_is_too_long_for_udp_comes_over_tcp():
    records = [(0, 0, 1000 + i, f"host-{i}.shop.example") for i in range(300)]
    async with name_server(zone={(PPROF, SRV): records}, tcp_only=True) as server:
        update = await first(search(server, [PPROF]))
    assert len(update.found) == 300
    assert server.asked == [(PPROF, SRV, "udp"), (PPROF, SRV, "tcp")]


async def test_a_name_that_is_gone_has_no_targets_and_a_server_that_fails_keeps_them():
    async with (
        name_server(zone={("x.y", A): ["10.0.0.1"]}) as server,
        following(search(server, ["x.y"], "type='A'\nport=1")) as next_update,
    ):
        good = await next_update()
        server.code = 2
        update = await next_update()
        assert update.found == good.found
        assert update.problems == (
            "no name server tells the A records of x.y (127.0.0.1: it failed itself)",
        )
        server.code, server.zone = 0, {}
        update = await next_update()
        assert (update.found, update.problems) == ((), ("x.y has no A records",))


async def test_a_service_that_is_decidedly_not_there_is_no_target():
    async with name_server(zone={(PPROF, SRV): [(0, 0, 0, "")]}) as server:
        update = await first(search(server, [PPROF]))
    assert (update.found, update.problems) == ((), (f"{PPROF} has no SRV records",))


async def test_a_silent_server_is_passed_over():
    zone = {("x", A): ["10.0.0.1"]}
    async with name_server(silent=True) as silent, name_server(zone=zone) as other:
        servers = NameServers(
            addresses=(("127.0.0.1", silent.port), ("127.0.0.1", other.port)), timeout_s=0.2
        )
        reply = await ask(servers, "x", RecordType.A)
    assert reply.addresses == ("10.0.0.1",)


async def test_a_server_that_is_not_there_or_says_nonsense_is_named(unused_tcp_port_factory):
    async with name_server(zone={("x.y", A): ["10.0.0.1"]}, damage=3) as server:
        update = await first(search(server, ["x.y"], "type='A'\nport=1"))
    assert update.found is None
    assert "the answer of the name server is damaged" in update.problems[0]
    server.port = unused_tcp_port_factory()
    update = await first(search(server, ["x.y"], "type='A'\nport=1"))
    assert "127.0.0.1: connection refused" in update.problems[0]


async def test_short_names_are_looked_for_in_the_search_domains():
    async with name_server(zone={("shop.prod.example", A): ["10.0.0.1"]}) as server:
        servers = NameServers(
            addresses=(("127.0.0.1", server.port),), search=("dev.example", "prod.example")
        )
        assert (await ask(servers, "shop", RecordType.A)).addresses == ("10.0.0.1",)
    assert [name for name, _, _ in server.asked] == ["shop.dev.example", "shop.prod.example"]


async def test_without_a_server_the_machine_itself_is_asked():
    text = "[[discover]]\nkind='dns'\nnames=['localhost']\ntype='A'\nport=6060"
    assert keys(await first(discovery_of(text))) == ["here/http://127.0.0.1:6060/debug/pprof"]
    text = "[[discover]]\nkind='dns'\nnames=['no-such-host.invalid']\ntype='A'\nport=6060"
    update = await first(discovery_of(text))
    assert not update.found
    assert len(update.problems) == 1


def test_resolv_conf_is_read_as_its_manual_page_says():
    text = """
    # comment
    nameserver 10.0.0.2 ; comment
    nameserver fd00::2
    search a.example. b.example
    options ndots:5 timeout:1 edns0
    """
    assert parse_resolv_conf(text) == NameServers(
        addresses=(("10.0.0.2", 53), ("fd00::2", 53)),
        search=("a.example", "b.example"),
        dots=5,
        timeout_s=1.0,
    )
    assert parse_resolv_conf("").addresses == (("127.0.0.1", 53),)


def test_a_server_may_have_a_port():
    assert parse_server("10.0.0.2") == ("10.0.0.2", 53)
    assert parse_server("10.0.0.2:5353") == ("10.0.0.2", 5353)
    assert parse_server("::1") == ("::1", 53)
    assert parse_server("[::1]:5353") == ("::1", 5353)


async def test_a_server_by_name_is_a_problem():
    text = "[[discover]]\nkind='dns'\nnames=['x.y']\nserver='dns.example'"
    update = await first(discovery_of(text))
    assert update.problems == ("'dns.example' is no address of a name server",)


@given(st.binary(max_size=200))
def test_no_answer_breaks_the_reader(tail):
    asked = question(7, "x.y", RecordType.SRV)
    for data in (tail, asked[:2] + b"\x84\0\0\1\0\3\0\0\0\0" + asked[12:-11] + tail):
        with contextlib.suppress(FormatError):
            parse_reply(data, RecordType.SRV)


def test_a_name_that_points_to_itself_is_damaged():
    asked = question(7, "x", RecordType.SRV)
    record = b"\xc0\x0c" + b"\0\x21\0\1\0\0\0\0\0\x08" + b"\0" * 6
    at = 12 + len(asked[12:-11]) + len(record)
    data = asked[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + asked[12:-11] + record
    data += (0xC000 | at).to_bytes(2, "big")
    with pytest.raises(FormatError, match="damaged"):
        parse_reply(data, RecordType.SRV)
