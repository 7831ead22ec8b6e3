"""DNS messages (RFC 1035; SRV: RFC 2782): a question out, the records of an answer in.

Only what finding targets needs, since the standard library asks for addresses but not for SRV
records: dnspython would be 1.5 MB on disk and 7 MB of memory for this one question, and the mere
presence of aiodns changes how aiohttp looks up every name.
"""

import ipaddress
import struct
from dataclasses import dataclass
from enum import Enum

from memsnap.errors import FormatError

_HEADER = struct.Struct(">6H")
_QUESTION = struct.Struct(">2H")
_RECORD = struct.Struct(">2HIH")
_SRV = struct.Struct(">3H")
_OPT = b"\0" + struct.pack(">2HIH", 41, 1232, 0, 0)  # RFC 6891; 1232 bytes pass without fragments

_IN, _RESPONSE, _TRUNCATED, _RECURSE = 1, 0x8000, 0x0200, 0x0100
_POINTER, _MOST_POINTERS, _NAME_MAX_BYTES = 0xC0, 64, 255


class RecordType(Enum):
    """Types of records by their numbers."""

    A = 1
    CNAME = 5
    AAAA = 28
    SRV = 33


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """An SRV record; its weight is of no use to who visits all of them."""

    priority: int
    target: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a question: addresses or services, sorted.

    `code` is 0 for success, 3 for a name that does not exist; `truncated` asks for TCP.
    """

    code: int
    truncated: bool
    addresses: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()


def question(number: int, name: str, kind: RecordType) -> bytes:
    """Return the message that asks for the records of `name`, which is ASCII."""
    labels = name.rstrip(".").split(".")
    spelt = b"".join(bytes([len(one)]) + one.encode("ascii") for one in labels) + b"\0"
    header = _HEADER.pack(number, _RECURSE, 1, 0, 0, 1)
    return header + spelt + _QUESTION.pack(kind.value, _IN) + _OPT


def answers(data: bytes, asked: bytes) -> bool:
    """Whether `data` is an answer to the message `asked`: its number and its question."""
    if len(data) < _HEADER.size or data[:2] != asked[:2]:
        return False
    flags, questions = _HEADER.unpack_from(data)[1:3]
    end = _HEADER.size + len(asked) - _HEADER.size - len(_OPT)
    same = data[_HEADER.size : end].lower() == asked[_HEADER.size : end].lower()
    return bool(flags & _RESPONSE) and questions == 1 and same


def parse_reply(data: bytes, kind: RecordType) -> Reply:
    """Return what an answer says, of the records of type `kind`.

    CNAMEs are followed by the name server: its answer holds the records at their end.

    Raises:
        FormatError: it is damaged.
    """
    try:
        return _parse(data, kind)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise FormatError("the answer of the name server is damaged") from error


def _parse(data: bytes, kind: RecordType) -> Reply:
    _, flags, questions, count, _, _ = _HEADER.unpack_from(data)
    at = _HEADER.size
    for _ in range(questions):
        at = _skip_name(data, at) + _QUESTION.size
    addresses, services = set(), set()
    for _ in range(count):
        at = _skip_name(data, at)
        type_, class_, _, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        body = data[at : at + length]
        if len(body) != length:
            if flags & _TRUNCATED:
                break
            raise struct.error
        if (type_, class_) == (kind.value, _IN):
            if kind is RecordType.SRV:
                priority, _, port = _SRV.unpack_from(body)
                services.add(Service(priority, _name(data, at + _SRV.size), port))
            else:
                addresses.add(str(_address(body)))
        at += length
    return Reply(
        code=flags & 15,
        truncated=bool(flags & _TRUNCATED),
        addresses=tuple(sorted(addresses)),
        # A target of "." says that the service is decidedly not there (RFC 2782).
        services=tuple(sorted(one for one in services if one.target)),
    )


def _address(body: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if len(body) not in {4, 16}:
        raise struct.error
    return ipaddress.ip_address(body)


def _skip_name(data: bytes, at: int) -> int:
    """Return where the name at `at` ends: at its root label or behind its pointer."""
    while True:
        length = data[at]
        if length >= _POINTER:
            return at + 2
        at += 1 + length
        if not length:
            return at


def _name(data: bytes, at: int) -> str:
    """Return the name at `at`, without the dot at its end."""
    labels: list[str] = []
    pointers = size = 0
    while length := data[at]:
        if length >= _POINTER:
            at = struct.unpack_from(">H", data, at)[0] & 0x3FFF
            pointers += 1
        else:
            labels.append(data[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
            size += 1 + length
        if pointers > _MOST_POINTERS or size > _NAME_MAX_BYTES:
            raise struct.error
    return ".".join(labels)
