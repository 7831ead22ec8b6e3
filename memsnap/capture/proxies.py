"""Which proxy of the environment a request goes through; the same rule for every transport."""

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str:
    """Return the URL of the proxy that `http_proxy`, `https_proxy` or `all_proxy` name for `url`.

    Empty if there is none, or if `no_proxy` lists the host: by name, by a domain above it, with
    or without its port, by address, or by network (`10.0.0.0/8`).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or not host:
        return ""
    with_port = f"{host}:{parts.port}" if parts.port else host
    if proxy_bypass(with_port) or _in_network(host, proxies.get("no", "")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _in_network(host: str, listed: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(_contains(entry.strip(), address) for entry in listed.split(","))


def _contains(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False  # a name, or nothing that could be read
