"""Makes the access to a target out of its settings, with the secrets as they are now."""

import os
from collections.abc import Mapping
from dataclasses import replace

from memsnap.capture.access import Access, SecretSource, make_access, read_secret
from memsnap.config.settings import AccessSettings, VisitSettings


def access_of(visit: VisitSettings, environment: Mapping[str, str] = os.environ) -> Access:
    """Return the access for one visit; tokens in files may be others with the next.

    Raises:
        UsageError: a variable with a secret is not set.
        FileError: a file with a secret or a certificate cannot be read.
    """
    access = open_access(visit.access, environment)
    return replace(access, timeout_s=visit.timeout_s, max_bytes=visit.max_bytes)


def open_access(settings: AccessSettings, environment: Mapping[str, str] = os.environ) -> Access:
    """Return the access that settings describe, with the default limits; raises as `access_of`."""
    access = make_access(
        headers=settings.headers,
        user=settings.user,
        ca_file=settings.ca,
        client_certificate=settings.cert,
        client_key=settings.key,
        insecure=settings.insecure,
    )
    password = SecretSource(file=settings.password_file, variable=settings.password_env)
    bearer = SecretSource(file=settings.token_file, variable=settings.token_env)
    return replace(
        access,
        password=read_secret(password, environment),
        bearer=read_secret(bearer, environment),
    )
