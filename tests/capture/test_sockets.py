"""Listeners are read from the kernel's tables."""

import os
import socket

from memsnap.capture.sockets import (
    TcpListener,
    UnixListener,
    find_tcp_owner,
    find_unix_owner,
    listeners_of,
    parse_tcp_table,
    parse_unix_table,
)

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid inode\n"
TCP = HEAD + (
    "   0: 0100007F:17AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1597 1 0\n"
    "   1: 0100007F:17AC 0100007F:D431 01 00000000:00000000 00:00000000 00000000  0  0 1598 1 0\n"
    "   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1599 1 0\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000  0  0 7 1 0\n"
    "   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000  0  0 8 1 0\n"
    "   2: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000  0  0 9 1 0\n"
)
UNIX = """Num       RefCount Protocol Flags    Type St Inode Path
00000000dc303829: 00000003 00000000 00000000 0001 03  1594
00000000dc303830: 00000002 00000000 00010000 0001 01  1600 /run/app with space.sock
00000000dc303831: 00000002 00000000 00010000 0005 01  1601 /run/packets.sock
00000000dc303832: 00000002 00000000 00000000 0001 01  1602 /run/client.sock
00000000dc303833: 00000002 00000000 00010000 0001 01  1603 @abstract
"""


def test_listening_rows_of_ipv4_are_read():
    assert parse_tcp_table(TCP) == (
        TcpListener(address="127.0.0.1", port=6060, inode=1597),
        TcpListener(address="0.0.0.0", port=80, inode=1599),
    )


def test_listening_rows_of_ipv6_are_read():
    assert parse_tcp_table(TCP6) == (
        TcpListener(address="::", port=8080, inode=7),
        TcpListener(address="127.0.0.1", port=8081, inode=8),
        TcpListener(address="::1", port=8082, inode=9),
    )


def test_listening_stream_sockets_with_names_are_read():
    assert parse_unix_table(UNIX) == (
        UnixListener(path="/run/app with space.sock", inode=1600),
        UnixListener(path="@abstract", inode=1603),
    )


def test_an_empty_table_has_no_listeners():
    assert parse_tcp_table("") == ()
    assert parse_unix_table("") == ()


def test_a_wildcard_is_reached_by_loopback():
    def hosts(address):
        return TcpListener(address=address, port=1, inode=1).hosts

    assert hosts("0.0.0.0") == ("127.0.0.1",)
    assert hosts("::") == ("127.0.0.1", "::1")
    assert hosts("10.1.2.3") == ("10.1.2.3",)


def test_our_own_listeners_are_found(tmp_path):
    path = str(tmp_path / "own.sock")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        port = tcp.getsockname()[1]
        found = {str(listener) for listener in listeners_of(os.getpid())}
        assert {f"127.0.0.1:{port}", f"unix:{path}"} <= found
        assert find_tcp_owner("127.0.0.1", port) == os.getpid()
        assert find_tcp_owner("localhost", port) == os.getpid()
        assert find_unix_owner(path) == os.getpid()
    assert find_tcp_owner("127.0.0.1", port) is None
    assert find_unix_owner(path) is None
