"""Tokens: made here, known by their hash alone, and compared in constant time.

A token is 32 random bytes, which nobody guesses; one round of SHA-256 is all its hash needs.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from memsnap.config.settings import TokenSettings

_PREFIX = "memsnap_"  # by which scanners for leaked secrets know one
_LONGEST = 512  # letters; what is longer is none


def new_token() -> str:
    """Return a token that nobody has."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """Return what the configuration has of a token: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def find_token(given: str, known: Iterable[TokenSettings]) -> TokenSettings | None:
    """Return the token that was given, None where it is none; every known one is compared."""
    if not given or len(given) > _LONGEST:
        return None
    hashed, found = hash_of(given), None
    for token in known:
        if hmac.compare_digest(hashed, token.hash):
            found = token
    return found


def token_of_header(authorization: str) -> str:
    """Return the token in a header `Authorization`; empty where there is none.

    `Bearer TOKEN`, or `Basic` with the token as password, which is what `go tool pprof` makes of
    `http://token:TOKEN@host/...`.
    """
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                decoded = base64.b64decode(value.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError, ValueError):
                return ""
            return decoded.partition(":")[2]
    return ""
