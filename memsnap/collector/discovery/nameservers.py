"""Asks name servers: UDP first, TCP for what does not fit, the next server after a silence."""

import asyncio
import ipaddress
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memsnap.collector.discovery.dnswire import RecordType, Reply, answers, parse_reply, question
from memsnap.errors import FormatError, MemsnapError, TargetError

_RESOLV_CONF = Path("/etc/resolv.conf")
_PORT = 53
_ROUNDS = 2  # over all servers
_NO_SUCH_NAME = 3
_MEANINGS = {1: "the question is malformed", 2: "it failed itself", 4: "unknown", 5: "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServers:
    """Whom to ask, and how long to wait for one answer.

    `search` are domains that are tried for a name with fewer dots than `dots`, as resolv.conf(5)
    has it.
    """

    addresses: tuple[tuple[str, int], ...]
    search: tuple[str, ...] = ()
    dots: int = 1
    timeout_s: float = 5.0


def parse_server(text: str) -> tuple[str, int]:
    """Return address and port of `10.0.0.2`, `10.0.0.2:5353`, `::1` or `[::1]:5353`.

    Raises:
        TargetError: it is no address; a name would need a name server itself.
    """
    host, separator, port = text.rpartition(":")
    bare = text.count(":") > 1 and not text.startswith("[")
    if bare or not separator:
        host, port = text, str(_PORT)
    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError as error:
        raise TargetError(f"{text!r} is no address of a name server") from error


def parse_resolv_conf(text: str) -> NameServers:
    """Return what resolv.conf(5) says; without a server it is the machine itself."""
    addresses: list[tuple[str, int]] = []
    search: tuple[str, ...] = ()
    dots, timeout_s = 1, 5.0
    for line in text.splitlines():
        keyword, *values = line.split("#")[0].split(";")[0].split() or [""]
        if keyword == "nameserver" and values:
            addresses.append((values[0], _PORT))
        elif keyword in {"search", "domain"}:
            search = tuple(value.rstrip(".") for value in values)
        elif keyword == "options":
            for name, _, value in (option.partition(":") for option in values):
                if name == "ndots" and value.isdecimal():
                    dots = int(value)
                elif name == "timeout" and value.isdecimal():
                    timeout_s = float(max(int(value), 1))
    return NameServers(
        addresses=tuple(addresses) or (("127.0.0.1", _PORT),),
        search=search,
        dots=dots,
        timeout_s=timeout_s,
    )


def name_servers(server: str) -> NameServers:
    """Return the name server of the configuration, or those of this machine if it names none."""
    if server:
        return NameServers(addresses=(parse_server(server),))
    try:
        return parse_resolv_conf(_RESOLV_CONF.read_text())
    except OSError:
        return parse_resolv_conf("")


async def ask(servers: NameServers, name: str, kind: RecordType) -> Reply:
    """Return the records of `name`, or of the first that exists among it and its search domains.

    Raises:
        TargetError: no server answers, or those that do cannot tell.
    """
    reply = Reply(code=_NO_SUCH_NAME, truncated=False)
    for candidate in _candidates(servers, name):
        reply = await _ask_servers(servers, candidate, kind)
        if reply.addresses or reply.services:
            break
    return reply


def _candidates(servers: NameServers, name: str) -> Iterator[str]:
    as_it_is = name.count(".") >= servers.dots
    if as_it_is:
        yield name
    yield from (f"{name}.{domain}" for domain in servers.search)
    if not as_it_is:
        yield name


async def _ask_servers(servers: NameServers, name: str, kind: RecordType) -> Reply:
    problems: dict[str, None] = {}
    for _ in range(_ROUNDS):
        for address in servers.addresses:
            try:
                async with asyncio.timeout(servers.timeout_s):
                    reply = await _ask_server(address, name, kind)
            except TimeoutError:
                problems[f"{address[0]}: no answer within {servers.timeout_s:g} s"] = None
            except OSError as error:
                problems[f"{address[0]}: {(error.strerror or str(error)).lower()}"] = None
            except MemsnapError as error:
                problems[f"{address[0]}: {error.message}"] = None
            else:
                if reply.code in {0, _NO_SUCH_NAME}:
                    return reply
                meaning = _MEANINGS.get(reply.code, f"code {reply.code}")
                problems[f"{address[0]}: {meaning}"] = None
    said = "; ".join(problems)
    raise TargetError(f"no name server tells the {kind.name} records of {name} ({said})")


async def _ask_server(address: tuple[str, int], name: str, kind: RecordType) -> Reply:
    asked = question(secrets.randbelow(1 << 16), name, kind)
    reply = parse_reply(await _over_udp(address, asked), kind)
    return parse_reply(await _over_tcp(address, asked), kind) if reply.truncated else reply


async def _over_udp(address: tuple[str, int], asked: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, waiting = await loop.create_datagram_endpoint(
        lambda: _Waiting(asked, loop.create_future()), remote_addr=address
    )
    try:
        transport.sendto(asked)
        return await waiting.answer
    finally:
        transport.close()


async def _over_tcp(address: tuple[str, int], asked: bytes) -> bytes:
    """Messages over TCP follow their length in two bytes (RFC 1035, 4.2.2)."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(struct.pack(">H", len(asked)) + asked)
        (length,) = struct.unpack(">H", await reader.readexactly(2))
        data = await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise FormatError("the answer of the name server is cut short") from error
    finally:
        writer.transport.abort()
    if not answers(data, asked):
        raise FormatError("the name server answers something else than was asked")
    return data


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the datagram that answers the question, and lets all others pass."""

    def __init__(self, asked: bytes, answer: "asyncio.Future[bytes]") -> None:
        self.asked = asked
        self.answer = answer

    def datagram_received(self, data: bytes, addr: Sequence[object]) -> None:
        """Take what answers the question."""
        if not self.answer.done() and answers(data, self.asked):
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """Take a refusal (ICMP) as the answer."""
        if not self.answer.done():
            self.answer.set_exception(exc)
