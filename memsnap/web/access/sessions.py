"""Sessions of the page: a cookie that stands for a token for some hours.

The cookie holds no token: a browser sends cookies of a host to every port of it.  It names the
hash of the token and the end of the session, signed with a key that lives as long as the process.
A token that leaves the configuration ends its sessions; so does a restart.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

from memsnap.config.settings import TokenSettings

LASTS_S = 12 * 3600


class Sessions:
    """Makes and reads the values of cookies."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def start(self, token: TokenSettings, *, now_s: int) -> str:
        """Return the cookie of a new session."""
        named = f"{token.hash.removeprefix('sha256:')}.{now_s + LASTS_S}"
        return f"{named}.{self._signed(named)}"

    def find(
        self, cookie: str, known: Iterable[TokenSettings], *, now_s: int
    ) -> TokenSettings | None:
        """Return the token that a session stands for; None where it is none or over."""
        parts = re.fullmatch(r"([0-9a-f]{64})\.([0-9]{1,12})\.([0-9a-f]{64})", cookie)
        if parts is None:
            return None
        signature = self._signed(f"{parts[1]}.{parts[2]}")
        if not hmac.compare_digest(signature, parts[3]) or int(parts[2]) <= now_s:
            return None
        return next((each for each in known if each.hash == f"sha256:{parts[1]}"), None)

    def _signed(self, named: str) -> str:
        return hmac.new(self._key, named.encode(), hashlib.sha256).hexdigest()
