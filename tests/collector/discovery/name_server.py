"""A small name server on loopback, over UDP and TCP: real DNS messages, from a zone of the test."""

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

A, CNAME, AAAA, SRV = 1, 5, 28, 33


@dataclass(slots=True)
class Server:
    """`zone` has by name and type the data of records: an address, a name, or an SRV's four parts.

    `code` is answered in place of records; `tcp_only` truncates over UDP; `silent` says nothing.
    """

    zone: dict[tuple[str, int], list] = field(default_factory=dict)
    code: int = 0
    tcp_only: bool = False
    silent: bool = False
    damage: int = 0  # bytes that are cut off
    port: int = 0
    asked: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, query: bytes, over: str) -> bytes:
        number, _, _, _, _, _ = struct.unpack_from(">6H", query)
        name, end = read_name(query, 12)
        (kind,) = struct.unpack_from(">H", query, end)
        self.asked.append((name, kind, over))
        question = query[12 : end + 4]
        exists = any(known == name for known, _ in self.zone)
        code = self.code or (0 if exists else 3)
        records = [] if self.code else list(self._records(name, kind))
        truncated = over == "udp" and self.tcp_only
        flags = 0x8580 | code | (0x0200 if truncated else 0)
        records = [] if truncated else records
        head = struct.pack(">6H", number, flags, 1, len(records), 0, 0)
        message = head + question + b"".join(records)
        return message[: len(message) - self.damage]

    def _records(self, name: str, kind: int):
        pointer = struct.pack(">H", 0xC00C)  # to the name in the question
        for target in self.zone.get((name, CNAME), []):
            data = spelt(target)
            yield pointer + struct.pack(">2HIH", CNAME, 1, 60, len(data)) + data
            yield from (spelt(target) + record[2:] for record in self._records(target, kind))
        for value in self.zone.get((name, kind), []):
            if kind == SRV:
                *numbers, target = value
                # The labels that the target shares with the question are a pointer.
                label, _, rest = target.partition(".")
                shared = rest and name.endswith("." + rest)
                at = 12 + len(name) - len(rest)
                tail = struct.pack(">H", 0xC000 | at) if shared else spelt(rest)
                name_bytes = bytes([len(label)]) + label.encode() + tail if label else b"\0"
                data = struct.pack(">3H", *numbers) + name_bytes
            else:
                data = ipaddress.ip_address(value).packed
            yield pointer + struct.pack(">2HIH", kind, 1, 60, len(data)) + data


def spelt(name: str) -> bytes:
    """Return a name as labels."""
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def read_name(data: bytes, at: int) -> tuple[str, int]:
    """Return an uncompressed name and where it ends."""
    labels = []
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


@contextlib.asynccontextmanager
async def name_server(**settings) -> AsyncIterator[Server]:
    """Run a server until the end of the context."""
    server = Server(**settings)

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            if not server.silent:
                self.transport.sendto(b"not an answer at all", addr)
                self.transport.sendto(server.answer(data, "udp"), addr)

    async def serve(reader, writer):
        (length,) = struct.unpack(">H", await reader.readexactly(2))
        answer = server.answer(await reader.readexactly(length), "tcp")
        writer.write(struct.pack(">H", len(answer)) + answer)
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    stream = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = stream.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", server.port)
    )
    try:
        yield server
    finally:
        transport.close()
        stream.close()
        await stream.wait_closed()
        await asyncio.sleep(0)
