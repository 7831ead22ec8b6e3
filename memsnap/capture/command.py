"""Command lines: as pprof's `cmdline` gives them, compared, and shown without their secrets."""

import re

from memsnap.capture.exchange import Answer
from memsnap.errors import FormatError
from memsnap.pprof.envelope import unwrap

HIDDEN = "***"

_SENSITIVE = r"(pass(word|wd|phrase)?|secret|token|api[-_.]?key|auth[-_.]?key|credentials?)"
# The name of a flag or variable that ends in such a word: `--db-password`, `-rc-pass`, `TOKEN`.
_SENSITIVE_NAME = re.compile(rf"(.*[-_.])?{_SENSITIVE}", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")


def parse_command(answer: Answer, max_bytes: int) -> tuple[str, ...]:
    """Return the arguments in an answer of `/cmdline`; empty if it is something else.

    net/http/pprof joins os.Args with NULs (Go 1.27, Cmdline); the kernel appends one as well.
    """
    if answer.status != 200 or not answer.content_type.startswith("text/plain"):
        return ()
    try:
        text = unwrap(answer.body, name=answer.url, max_bytes=max_bytes).decode("utf-8", "replace")
    except FormatError:
        return ()
    return tuple(text.removesuffix("\0").split("\0")) if text.strip() else ()


def is_command(answer: Answer, command: tuple[str, ...], max_bytes: int) -> bool:
    """Whether an answer of `/cmdline` is this command line."""
    return bool(command) and parse_command(answer, max_bytes) == command


def without_secrets(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command line fit for a file that is passed on.

    Hidden are the values of flags and variables whose names end like a secret's, and passwords
    in URLs.  A name that is spelt in other ways is not recognised.
    """
    shown: list[str] = []
    after_secret = False
    for argument in command:
        if after_secret and not argument.startswith("-"):
            shown.append(HIDDEN)
            after_secret = False
            continue
        name, separator, _ = argument.partition("=")
        secret = _SENSITIVE_NAME.fullmatch(name.lstrip("-")) is not None
        after_secret = secret and not separator and argument.startswith("-")
        hidden = f"{name}={HIDDEN}" if secret and separator else argument
        shown.append(_URL_PASSWORD.sub(rf"\1:{HIDDEN}@", hidden))
    return tuple(shown)
