"""Tells systemd how the daemon is: ready, reloading, stopping, alive (sd_notify(3)).

The protocol is one datagram of text to the socket that NOTIFY_SOCKET names; without that variable
nobody listens, and nothing is sent.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from memsnap.errors import UsageError


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The service manager, if there is one.

    `address` is empty where there is none.  `watchdog_s` is the time within which it wants to hear
    that the daemon is alive; None if it does not.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Supervisor":
        """Return the service manager that started this process.

        Raises:
            UsageError: its variables make no sense.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        if address and address[0] not in "/@":
            raise UsageError(f"NOTIFY_SOCKET={address} is no unix socket", hint="unset it")
        watchdog = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        if not (address and watchdog and meant):
            return cls(address)
        if not watchdog.isdecimal() or int(watchdog) == 0:
            raise UsageError(f"WATCHDOG_USEC={watchdog} is no time", hint="unset it")
        return cls(address, int(watchdog) / 1e6)

    def ready(self, status: str) -> None:
        """Say that the daemon does its work; `status` is what `systemctl status` shows."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """Say that the daemon does not hang."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def reloading(self, monotonic_us: int) -> None:
        """Say that the configuration is read anew; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        """Say that the daemon ends."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message.replace("\n\n", "\n").encode(), address)
            except OSError:
                return  # a supervisor that does not listen must not stop the work
