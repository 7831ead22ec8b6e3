"""How a target lets us in: headers, credentials, certificates, and the limits of a request.

Secrets come from files or environment variables, are read once, and are never part of a repr,
a message, a note or a snapshot.
"""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from memsnap.errors import FileError, UsageError

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_MAX_BYTES = 256 << 20

_TIMEOUT_MAX_S = 86_400.0
_SECRET_MAX_BYTES = 64 << 10
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What every request to a target carries, and what it may cost.

    `timeout_s` is the deadline of one whole request, from the name lookup to the last byte.
    `max_bytes` limits a body both as sent and after decompression.  `ca_file` is PEM, as are
    `client_certificate` and `client_key` (empty where the certificate's file holds the key).
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    insecure: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_bytes: int = DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= _TIMEOUT_MAX_S:
            raise UsageError(
                "the timeout of a request must be above 0 and at most a day",
                hint="give --timeout 30s",
            )
        if self.max_bytes < 1:
            raise UsageError("the size limit must be above 0", hint="give --max-size 256MB")

    def with_user(self, user: str, password: str) -> "Access":
        """Return an access with basic auth taken from a URL, unless options already set some."""
        if not user or self.user or self.bearer:
            return self
        return replace(self, user=user, password=password)

    def authorization(self) -> str:
        """The Authorization header's value; empty where no credentials are set."""
        if self.bearer:
            return f"Bearer {self.bearer}"
        if self.user:
            pair = f"{self.user}:{self.password}".encode()
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        return ""


DEFAULT_ACCESS = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret is found: a file or an environment variable; neither means no secret."""

    file: str = ""
    variable: str = ""

    def __bool__(self) -> bool:
        return bool(self.file or self.variable)


def read_secret(source: SecretSource, environment: Mapping[str, str] = os.environ) -> str:
    """Return the secret of `source` without white space around it; empty if it names none.

    Raises:
        UsageError: both places are named, or the variable is not set.
        FileError: the file cannot be read or holds nothing.
    """
    if source.file and source.variable:
        raise UsageError("a secret comes from a file or from a variable, not from both")
    if source.variable:
        value = environment.get(source.variable, "").strip()
        if not value:
            raise UsageError(f"the environment variable {source.variable} is not set")
        return _one_line(value, f"the environment variable {source.variable}")
    if not source.file:
        return ""
    try:
        with Path(source.file).open("rb") as file:
            value = file.read(_SECRET_MAX_BYTES).decode().strip()
    except OSError as error:
        raise FileError(f"{source.file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{source.file} holds no text that could be a secret") from error
    if not value:
        raise FileError(f"{source.file} is empty where a secret is expected")
    return _one_line(value, source.file)


def make_access(
    *,
    headers: Sequence[str] = (),
    user: str = "",
    password: SecretSource = SecretSource(),
    bearer: SecretSource = SecretSource(),
    ca_file: str = "",
    client_certificate: str = "",
    client_key: str = "",
    insecure: bool = False,
) -> Access:
    """Return the access that command-line options describe, with the default limits.

    Raises:
        UsageError: a malformed header, two kinds of credentials, a key without certificate.
        FileError: a file of a secret or certificate cannot be read.
    """
    if user and bearer:
        raise UsageError("basic and bearer authentication exclude each other")
    if password and not user:
        raise UsageError("a password needs a user name", hint="add --user NAME")
    if client_key and not client_certificate:
        raise UsageError("a client key needs its certificate", hint="add --cert FILE")
    if insecure and ca_file:
        raise UsageError("--insecure and --ca exclude each other")
    for file in (ca_file, client_certificate, client_key):
        if file:
            _check_pem(file)
    return Access(
        headers=tuple(parse_header(text) for text in headers),
        user=user,
        password=read_secret(password),
        bearer=read_secret(bearer),
        ca_file=ca_file,
        client_certificate=client_certificate,
        client_key=client_key,
        insecure=insecure,
    )


def parse_header(text: str) -> tuple[str, str]:
    """Return name and value of `Name: value`.

    Raises:
        UsageError: not of that form; the message shows the name at most.
    """
    name, separator, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not separator or not _TOKEN.fullmatch(name):
        raise UsageError("a header is not of the form 'Name: value'", hint="-H 'X-Key: abc'")
    if not value.isprintable() or not value.isascii():
        raise UsageError(f"the value of header {name} holds characters that no header may hold")
    return name, value


def _check_pem(file: str) -> None:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise FileError(f"{file} cannot be read: {reason}", hint="give a PEM file") from error
    if b"-----BEGIN " not in content:
        raise FileError(f"{file} is no PEM file", hint="convert it with openssl")
    if b"ENCRYPTED" in content:
        raise FileError(
            f"{file} holds a key that is encrypted",
            hint="decrypt it with: openssl pkey -in KEY -out NEW",
        )


def _one_line(value: str, where: str) -> str:
    if not value.isprintable():
        raise UsageError(f"{where} holds more than one line, so it is no password or token")
    return value
