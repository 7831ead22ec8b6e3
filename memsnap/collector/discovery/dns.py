"""Targets behind names: every address of A and AAAA records, every host and port of SRV records."""

import asyncio
import socket
from dataclasses import dataclass

from memsnap.collector.discovery.candidates import ADDRESS, SCHEME, Candidate
from memsnap.collector.discovery.dnswire import RecordType
from memsnap.collector.discovery.nameservers import ask, name_servers
from memsnap.collector.discovery.polling import Sight
from memsnap.config.settings import DnsRecord, DnsSearch
from memsnap.errors import TargetError

_FAMILIES = {DnsRecord.A: socket.AF_INET, DnsRecord.AAAA: socket.AF_INET6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Looks up the names of a search."""

    search: DnsSearch

    async def look(self) -> Sight:
        """Return the targets of all names; a name without records is a problem and no failure.

        Raises:
            TargetError: a name could not be asked about.
        """
        each = await asyncio.gather(*(self._places(name) for name in self.search.names))
        by_name = dict(zip(self.search.names, each, strict=True))
        kind = self.search.type.value
        return Sight(
            candidates=[
                self._candidate(name, place) for name in by_name for place in by_name[name]
            ],
            problems=tuple(
                f"{name} has no {kind} records" for name, places in by_name.items() if not places
            ),
        )

    async def _places(self, name: str) -> tuple[str, ...]:
        """Return the `host:port` that a name stands for, sorted."""
        search = self.search
        if search.type is not DnsRecord.SRV and not search.server:
            addresses = await _resolve(name, _FAMILIES[search.type])
        else:
            servers = await asyncio.to_thread(name_servers, search.server)
            reply = await ask(servers, name, RecordType[search.type.value])
            if search.type is DnsRecord.SRV:
                return tuple(f"{one.target}:{one.port}" for one in reply.services)
            addresses = reply.addresses
        return tuple(_with_port(address, search.port) for address in addresses)

    def _candidate(self, name: str, place: str) -> Candidate:
        parts = [part for part in name.split(".") if not part.startswith("_")]
        labels = {ADDRESS: place, SCHEME: self.search.scheme.value, "__meta_dns_name": name}
        return Candidate(labels=labels, service=parts[0] if parts else name)


async def _resolve(name: str, family: socket.AddressFamily) -> tuple[str, ...]:
    """Return the addresses that the machine itself knows a name by, /etc/hosts included."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY}:
            return ()
        reason = (error.strerror or str(error)).lower()
        raise TargetError(f"{name} cannot be looked up: {reason}") from error
    return tuple(sorted({str(address[0]) for *_, address in found}))


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
