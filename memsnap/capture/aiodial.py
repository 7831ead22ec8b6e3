"""Opens a socket for the event loop: TCP, unix, and inside another process's network namespace.

What can block happens in a thread of its own: name lookups, joining a namespace (a thread that
joined one must not be used for anything else), and paths of unix sockets, which may lead into the
file system of a container.  Connecting over TCP is the loop's own work, so that cancelling it
leaves nothing behind.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import Future
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from memsnap.capture.dial import close_late, dial_unix, in_own_thread, join_network
from memsnap.capture.endpoint import Route
from memsnap.capture.failures import dial_failed

_Address = tuple[socket.AddressFamily, Any]  # the address as `socket.connect` takes it

# With any timeout a unix socket connects at once or not at all: EAGAIN if nobody accepts.
_UNIX_TIMEOUT_S = 1.0


async def open_socket(route: Route, host: str, port: int, *, shown: str) -> socket.socket:
    """Return a connected, non-blocking socket.

    The caller sets the deadline, by cancelling.

    Raises:
        TargetError: it cannot be opened; `shown` names the target.
        TimeoutError: the kernel gave up.
    """
    try:
        if route.unix_path:
            return await _open_unix(route, shown)
        return await _open_tcp(route, host, port, shown)
    except TimeoutError:
        raise
    except OSError as error:
        raise dial_failed(shown, error) from error


async def _open_unix(route: Route, shown: str) -> socket.socket:
    def dial() -> socket.socket:
        if route.namespace_pid is not None:
            join_network(route.namespace_pid, shown)
        return dial_unix(route.unix_path, _UNIX_TIMEOUT_S)

    opened = await _socket_of_thread(in_own_thread(dial, f"dial {shown}"))
    opened.setblocking(False)
    return opened


async def _open_tcp(route: Route, host: str, port: int, shown: str) -> socket.socket:
    """Try the addresses of `host` one after another; the last failure is told."""
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for family, address in await _addresses(host, port):
        opened = await _new_socket(route, family, shown)
        try:
            opened.setblocking(False)
            await asyncio.get_running_loop().sock_connect(opened, address)
        except OSError as error:
            opened.close()
            failure = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise failure


async def _new_socket(route: Route, family: socket.AddressFamily, shown: str) -> socket.socket:
    """Return a socket that is not connected; it stays in the namespace where it was made."""
    pid = route.namespace_pid
    if pid is None:
        return socket.socket(family, socket.SOCK_STREAM)

    def make() -> socket.socket:
        join_network(pid, shown)
        return socket.socket(family, socket.SOCK_STREAM)

    return await _socket_of_thread(in_own_thread(make, f"namespace of {pid}"))


async def _socket_of_thread(outcome: Future[socket.socket]) -> socket.socket:
    try:
        return await asyncio.wrap_future(outcome)
    except asyncio.CancelledError:
        close_late(outcome)
        raise


async def _addresses(
    host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
) -> list[_Address]:
    """Return the addresses of a host name or of an address, which takes no lookup."""

    def lookup() -> list[_Address]:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        return [(one[0], one[4]) for one in found]

    if _is_address(host):
        return lookup()
    return await asyncio.wrap_future(in_own_thread(lookup, f"lookup {host}"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Resolver(AbstractResolver):
    """Looks up the names of proxies for aiohttp, in threads of their own."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host` in aiohttp's form."""
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=found,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for found, address in await _addresses(host, port, family)
        ]

    async def close(self) -> None:
        """Do nothing: a lookup leaves nothing open."""
