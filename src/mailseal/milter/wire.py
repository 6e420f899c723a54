"""The milter protocol's packets: cut out of a stream, read, and written.

Rule: bytes in, values out; a packet that is not what it says raises WireError and nothing else, and none is
kept that is longer than an MTA may send. Of version 6 only what a signer needs is known.
References: milter SMFIC_OPTNEG, milter SMFIC_CONNECT, milter SMFIC_MACRO, milter SMFIC_HEADER,
milter SMFIR_INSHEADER.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag, StrEnum

VERSION = 6
MOST_PACKET_BYTES = 1 << 20
"""As much as an MTA sends in a packet once larger bodies were agreed on; usual ones have 64 KB at most."""

_LENGTH = struct.Struct(">I")
_OFFER = struct.Struct(">III")
_PORT = struct.Struct(">H")


class WireError(ValueError):
    """The peer does not speak the milter protocol, or breaks it; the sentence says how."""


class Command(StrEnum):
    """What an MTA says; the letter is the packet's first octet."""

    ABORT = "A"
    BODY = "B"
    CONNECT = "C"
    MACRO = "D"
    BODY_END = "E"
    HELO = "H"
    QUIT_NEW = "K"
    HEADER = "L"
    MAIL = "M"
    HEADER_END = "N"
    NEGOTIATE = "O"
    QUIT = "Q"
    RCPT = "R"
    DATA = "T"
    UNKNOWN = "U"


class Action(IntFlag):
    """What a milter may do to a message (milter SMFIF_ADDHDRS); we add a field and nothing else."""

    ADD_HEADERS = 0x01


class Step(IntFlag):
    """What an MTA may leave out, and how it speaks (milter SMFIP_NOHELO and its like)."""

    NO_HELO = 0x02
    NO_RCPT = 0x08
    NO_REPLY_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    NO_REPLY_CONNECT = 0x1000
    NO_REPLY_HELO = 0x2000
    NO_REPLY_MAIL = 0x4000
    NO_REPLY_RCPT = 0x8000
    NO_REPLY_DATA = 0x10000
    NO_REPLY_UNKNOWN = 0x20000
    NO_REPLY_HEADER_END = 0x40000
    NO_REPLY_BODY = 0x80000
    LEADING_SPACE = 0x100000


WANTED = (
    Step.NO_HELO | Step.NO_RCPT | Step.NO_UNKNOWN | Step.NO_DATA
    | Step.NO_REPLY_CONNECT | Step.NO_REPLY_MAIL
    | Step.NO_REPLY_HEADER | Step.NO_REPLY_HEADER_END | Step.NO_REPLY_BODY
    | Step.LEADING_SPACE
)  # fmt: skip
"""Leave out what we don't look at, and don't wait for answers that are always the same."""

REPLY_UNNEEDED = {
    Command.CONNECT: Step.NO_REPLY_CONNECT,
    Command.HELO: Step.NO_REPLY_HELO,
    Command.MAIL: Step.NO_REPLY_MAIL,
    Command.RCPT: Step.NO_REPLY_RCPT,
    Command.DATA: Step.NO_REPLY_DATA,
    Command.UNKNOWN: Step.NO_REPLY_UNKNOWN,
    Command.HEADER: Step.NO_REPLY_HEADER,
    Command.HEADER_END: Step.NO_REPLY_HEADER_END,
    Command.BODY: Step.NO_REPLY_BODY,
}
"""What the MTA waits for a reply to, unless this step was agreed on."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one side can do (milter SMFIC_OPTNEG)."""

    version: int
    actions: int
    steps: int


class Packets:
    """Bytes as they come in, cut into packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The command and the content of each packet that is complete now; raises WireError."""
        rest = self._rest
        rest += data
        found, start, size = [], 0, len(rest)
        while size - start >= 4:
            (length,) = _LENGTH.unpack_from(rest, start)
            if not 1 <= length <= MOST_PACKET_BYTES:
                raise WireError(f"A packet of {length} octets is not of the milter protocol.")
            end = start + 4 + length
            if end > size:
                break
            found.append((bytes(rest[start + 4 : start + 5]), bytes(rest[start + 5 : end])))
            start = end
        del rest[:start]
        return found


def format_packet(letter: bytes, content: bytes = b"") -> bytes:
    """One packet as it is sent."""
    return _LENGTH.pack(1 + len(content)) + letter + content


CONTINUE = format_packet(b"c")
TEMPFAIL = format_packet(b"t")


def parse_offer(content: bytes) -> Offer:
    """What the MTA offers; raises WireError."""
    if len(content) < _OFFER.size:
        raise WireError("The negotiation is too short.")
    return Offer(*_OFFER.unpack_from(content))


def format_offer(offer: Offer) -> bytes:
    """Our answer to the MTA's offer."""
    return format_packet(b"O", _OFFER.pack(offer.version, offer.actions, offer.steps))


def agreed(offer: Offer) -> Offer:
    """What both sides do from now on.

    Raises WireError for an MTA older than version 6: it would take blanks from the beginnings of values, and
    a signature has to cover what is sent.
    """
    if offer.version < VERSION or not offer.steps & Step.LEADING_SPACE:
        raise WireError(f"The MTA speaks milter version {offer.version}; version {VERSION} is needed.")
    if not offer.actions & Action.ADD_HEADERS:
        raise WireError("The MTA does not let milters add header fields.")
    return Offer(VERSION, Action.ADD_HEADERS, WANTED & offer.steps)


def parse_client(content: bytes) -> str:
    """The client's address, `local` for a unix socket, empty where it is not known; raises WireError.

    (milter SMFIC_CONNECT: host name, family, and unless that is unknown a port and an address.)
    """
    _, nul, rest = content.partition(b"\0")
    if not nul or not rest:
        raise WireError("The connection's client is cut off.")
    family, where = rest[:1], rest[1:]
    if family == b"U":
        return ""
    if family not in (b"4", b"6", b"L") or len(where) < _PORT.size:
        raise WireError("The connection's client is of no known family.")
    if family == b"L":
        return "local"
    text = _text(where[_PORT.size :].removesuffix(b"\0"))
    # Sendmail writes IPv6:2001:db8::1.
    return text[5:] if text[:5].lower() == "ipv6:" else text


def parse_macros(content: bytes) -> tuple[bytes, dict[str, str]]:
    """The command that macros belong to, and their values, names without braces; raises WireError."""
    if not content:
        raise WireError("Macros name no command.")
    pieces = content[1:].split(b"\0")
    if len(pieces) % 2 == 0 or pieces[-1]:
        raise WireError("The macros are cut off.")
    names = (_text(name).removeprefix("{").removesuffix("}") for name in pieces[:-1:2])
    return content[:1], dict(zip(names, map(_text, pieces[1::2]), strict=True))


def parse_header(content: bytes) -> tuple[bytes, bytes]:
    """Name and value of a field, the value with its lines ended as the MTA ends them; raises WireError."""
    name, nul, rest = content.partition(b"\0")
    if not nul or not rest.endswith(b"\0") or not name or rest.find(b"\0") != len(rest) - 1:
        raise WireError("A header field is cut off.")
    return name, rest[:-1]


def format_insert(name: bytes, value: bytes) -> bytes:
    """A field to be put on top of all others, its lines parted by LF alone (milter SMFIR_INSHEADER)."""
    return format_packet(b"i", _LENGTH.pack(0) + name + b"\0" + value + b"\0")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
