"""Which authorities vouch for a server, and TLS contexts made of that for the event loop."""

import os
import ssl
from pathlib import Path

import certifi

from memsnap.capture.access import Access
from memsnap.capture.failures import file_unreadable, request_failed


def authorities(access: Access) -> str:
    """Return the CA bundle (a file or a folder) that is asked about a server's certificate.

    The given one, else what the usual variables name, else certifi's.
    """
    variables = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    named = (os.environ[variable] for variable in variables if os.environ.get(variable))
    existing = next((path for path in named if Path(path).exists()), "")
    return access.ca_file or existing or certifi.where()


def check_files(access: Access, shown: str, *, with_certificate: bool) -> None:
    """Raise TargetError if a file that TLS needs is not there or may not be read.

    Certificates are renewed while a daemon runs, so that this may fail at any time.
    """
    for path in _files(access, with_certificate=with_certificate):
        if Path(path).is_dir():
            continue
        try:
            Path(path).open("rb").close()
        except OSError as error:
            raise file_unreadable(shown, path, error) from error


class Contexts:
    """TLS contexts, kept for as long as the files that they were made of stay as they are.

    Making one reads some hundred certificates and takes 15 ms of a processor, which is more than
    all the rest of a request.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], tuple[tuple[object, ...], ssl.SSLContext]] = {}

    def context(self, access: Access, shown: str, *, with_certificate: bool) -> ssl.SSLContext:
        """Return the context for one hop; reads files, so it is not for the event loop itself.

        Raises:
            TargetError: a file cannot be read, or holds something else than it should.
        """
        check_files(access, shown, with_certificate=with_certificate)
        files = _files(access, with_certificate=with_certificate)
        key = (access.insecure, files)
        state = tuple(_state(path) for path in files)
        known = self._made.get(key)
        if known is None or known[0] != state:
            try:
                made = _make(access, with_certificate=with_certificate)
            except OSError as error:  # ssl.SSLError is one
                raise request_failed(shown, error, {}) from error
            self._made[key] = known = (state, made)
        return known[1]


def _files(access: Access, *, with_certificate: bool) -> tuple[str, ...]:
    trusted = () if access.insecure else (authorities(access),)
    own = (access.client_certificate, access.client_key) if with_certificate else ()
    return (*trusted, *filter(None, own))


def _state(path: str) -> tuple[int, int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return (0, 0, 0)  # gone since the check; making the context says so
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _make(access: Access, *, with_certificate: bool) -> ssl.SSLContext:
    if access.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        trusted = authorities(access)
        folder = Path(trusted).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else trusted, capath=trusted if folder else None
        )
    context.set_alpn_protocols(["http/1.1"])
    if with_certificate and access.client_certificate:
        context.load_cert_chain(access.client_certificate, access.client_key or None)
    return context
