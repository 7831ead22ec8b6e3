"""Where the server may listen, and under which names it may be asked."""

import ipaddress
import re

from memsnap.config.settings import HttpSettings, Listen, Settings
from memsnap.errors import UsageError


def check_exposure(settings: Settings) -> None:
    """Refuse to be open to a network by accident.

    Raises:
        UsageError: others than this machine can connect, and no token keeps them out.
    """
    http = settings.http
    if http.listen is None or is_local(http.listen):
        return
    if not settings.tokens and not http.listen_without_token:
        raise UsageError(
            f"{http.listen} is open to the network, and there is no token that keeps anybody out",
            hint="`memsnap token create` makes one for the configuration; or say "
            "listen-without-token = true in [http], which lets everybody read",
        )


def is_local(listen: Listen) -> bool:
    """Whether only this machine can connect: a unix socket, a loopback address, `localhost`."""
    if listen.path or listen.host == "localhost":
        return True
    address = _address(listen.host)
    return address is not None and address.is_loopback


def is_known_host(host: str, http: HttpSettings) -> bool:
    """Whether the header `Host` names this server by an address, as localhost, or as configured.

    Another name may be that of a page which has had it point here (DNS rebinding); an address
    cannot.  No header at all is no browser.
    """
    name = host_name(host)
    if not name or _address(name) or name == "localhost" or name.endswith(".localhost"):
        return True
    listen = http.listen.host if http.listen else ""
    return name in {*http.hosts, listen.lower()}


def host_name(host: str) -> str:
    """Return the name or address in a header `Host`, without its port."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](:[0-9]*)?", host)
    name = bracketed[1] if bracketed else host.rpartition(":")[0] if ":" in host else host
    return name.lower().rstrip(".")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
