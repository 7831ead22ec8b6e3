"""Which sockets a process listens on, and which process listens on a socket (proc(5), Linux).

The tables of /proc/PID/net are those of the process's own network namespace; which rows belong to
the process is told by the socket inodes among its file descriptors.
"""

import ipaddress
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from memsnap.capture.holders import Holders, socket_links

_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_ACCEPTS = 0x10000  # __SO_ACCEPTCON, include/linux/net.h
_STREAM = "0001"  # SOCK_STREAM

_HOLDERS = Holders()


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpListener:
    """A listening TCP socket; `address` is as bound, `0.0.0.0` and `::` included."""

    address: str
    port: int
    inode: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to connect to, most likely first: a wildcard is reached by loopback.

        Go binds `:port` to `::` for IPv4 as well, but `::` may also be IPv6 alone.
        """
        if not _is_wildcard(self.address):
            return (self.address,)
        return ("127.0.0.1", "::1") if ":" in self.address else ("127.0.0.1",)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixListener:
    """A listening unix stream socket; `path` starts with `@` in the abstract namespace."""

    path: str
    inode: int

    def __str__(self) -> str:
        return f"unix:{self.path}"


Listener = TcpListener | UnixListener


def parse_tcp_table(text: str) -> tuple[TcpListener, ...]:
    """Return the listening rows of /proc/net/tcp or tcp6."""
    listeners = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 10 or columns[3] != _LISTEN:
            continue
        address, _, port = columns[1].partition(":")
        listeners.append(
            TcpListener(address=_address(address), port=int(port, 16), inode=int(columns[9]))
        )
    return tuple(listeners)


def parse_unix_table(text: str) -> tuple[UnixListener, ...]:
    """Return the listening stream sockets of /proc/net/unix that have a name."""
    listeners = []
    for line in text.splitlines()[1:]:
        columns = line.split(maxsplit=7)
        if len(columns) == 8 and columns[4] == _STREAM and int(columns[3], 16) & _ACCEPTS:
            listeners.append(UnixListener(path=columns[7], inode=int(columns[6])))
    return tuple(listeners)


def listeners_of(pid: int) -> tuple[Listener, ...]:
    """Return the listening sockets of a process: IPv4, IPv6, unix, each by port or name.

    Raises:
        OSError: its file descriptors cannot be read (another user's process, or gone).
    """
    inodes = {inode for _, inode in socket_links(pid)}
    net = Path(f"/proc/{pid}/net")
    tcp = [*parse_tcp_table(_text(net / "tcp")), *parse_tcp_table(_text(net / "tcp6"))]
    tcp.sort(key=lambda one: (one.port, one.address))
    unix = sorted(parse_unix_table(_text(net / "unix")), key=lambda one: one.path)
    found: tuple[Listener, ...] = (*tcp, *unix)
    return tuple(listener for listener in found if listener.inode in inodes)


def find_tcp_owner(host: str, port: int) -> int | None:
    """Return the process of this namespace that listens on a loopback address; None if unknown.

    Several processes may hold the socket (a parent that passed it on): then none is named.
    """
    net = Path("/proc/self/net")
    tables = (_text(net / "tcp"), _text(net / "tcp6"))
    rows = [row for table in tables for row in parse_tcp_table(table) if row.port == port]
    wanted = {"127.0.0.1", "::1"} if host == "localhost" else {host}
    exact = {row.inode for row in rows if row.address in wanted}
    return _owner(exact or {row.inode for row in rows if _is_wildcard(row.address)})


def find_unix_owner(path: str) -> int | None:
    """Return the process of this namespace that listens on a unix socket; None if unknown."""
    rows = parse_unix_table(_text(Path("/proc/self/net/unix")))
    return _owner({row.inode for row in rows if row.path == path})


def same_namespace(pid: int, kind: str) -> bool:
    """Whether a process shares our namespace of this kind (`net`, `mnt`); True if unknown."""
    try:
        theirs = Path(f"/proc/{pid}/ns/{kind}").readlink()
        return theirs == Path(f"/proc/self/ns/{kind}").readlink()
    except OSError:
        return True


def _owner(inodes: set[int]) -> int | None:
    owners = {pid for inode in inodes for pid in _HOLDERS.of(inode)}
    return owners.pop() if len(owners) == 1 else None


def _is_wildcard(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified


def _address(text: str) -> str:
    """Return the address of 32-bit words in the byte order of the machine, printed as hex."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    order = "<" if sys.byteorder == "little" else ">"
    packed = struct.pack(f"{order}{len(words)}I", *words)
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _text(path: Path) -> str:
    """Return a table of /proc; empty where the kernel has none (IPv6 switched off)."""
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return ""
