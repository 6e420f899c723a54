"""One MTA's talk with us: what it says of clients and letters, gathered until a letter is whole.

Rule: pure; what was said of one letter is never taken for the next one, and of two things said the later
counts. A letter's bytes are those that the MTA sends on.
References: milter SMFIC_MACRO, milter SMFIC_MAIL, milter SMFIC_ABORT, milter SMFIC_BODYEOB, RFC 5322 §2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto

from mailseal.milter.wire import (
    CONTINUE,
    REPLY_UNNEEDED,
    Command,
    WireError,
    agreed,
    format_offer,
    parse_client,
    parse_header,
    parse_macros,
    parse_offer,
)

MOST_LETTER_BYTES = 64 << 20
"""A larger letter is deferred, never passed unsigned; an MTA's own limit is usually far below."""
FIELD_COSTS = 64
"""Bytes that a header field costs besides its text, so that empty ones have a price too."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A whole letter with all that says who hands it in; `raw` is None for one that is too large."""

    client: str
    login: str
    queue_id: str
    raw: bytes | None


class Say(StrEnum):
    """What is to be done besides sending a reply."""

    NOTHING = auto()
    LETTER = auto()
    """The letter is whole: take it and answer for it."""
    GOODBYE = auto()


class Conversation:
    """What has been said on one connection of the MTA."""

    def __init__(self, most_bytes: int = MOST_LETTER_BYTES) -> None:
        self._most_bytes = most_bytes
        self._steps: int | None = None
        self._client = ""
        self._mail_macros: dict[str, str] = {}
        """What came for the next MAIL."""
        self._login = ""
        self._queue_id = ""
        self._header: list[bytes] = []
        self._body: list[bytes] = []
        self.size = 0
        """Bytes that the letter under way holds in memory."""
        self._is_too_large = False

    def hear(self, letter: bytes, content: bytes) -> tuple[bytes, Say]:
        """The reply to a packet, empty where none is awaited, and what else to do; raises WireError."""
        try:
            command = Command(letter.decode("latin-1"))
        except ValueError:
            raise WireError(f"A command {letter!r} is not of the milter protocol.") from None
        if command is Command.NEGOTIATE:
            offer = agreed(parse_offer(content))
            self._steps = offer.steps
            return format_offer(offer), Say.NOTHING
        if self._steps is None:
            raise WireError("The MTA did not negotiate.")
        return self._hear_agreed(command, content, self._steps)

    def _hear_agreed(self, command: Command, content: bytes, steps: int) -> tuple[bytes, Say]:
        match command:
            case Command.HEADER:
                self._hear_header(content)
            case Command.BODY:
                self._hear_body(content)
            case Command.BODY_END:
                self._hear_body(content)
                return b"", Say.LETTER
            case Command.MACRO:
                self._hear_macros(content)
                return b"", Say.NOTHING
            case Command.CONNECT:
                self._forget_client()
                self._client = parse_client(content)
            case Command.MAIL:
                self._forget_text()
                self._login, self._mail_macros = self._mail_macros.get("auth_authen", ""), {}
            case Command.ABORT:
                self._end_letter()
                return b"", Say.NOTHING
            case Command.QUIT_NEW:
                self._forget_client()
                return b"", Say.NOTHING
            case Command.QUIT:
                return b"", Say.GOODBYE
            case _:
                pass
        unneeded = REPLY_UNNEEDED[command]
        return b"" if steps & unneeded else CONTINUE, Say.NOTHING

    def _hear_header(self, content: bytes) -> None:
        name, value = parse_header(content)
        # Postfix and Sendmail part the lines of a value by LF alone.
        raw = name + b":" + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        self._keep(self._header, raw, len(raw) + FIELD_COSTS)

    def _hear_body(self, content: bytes) -> None:
        if content:
            self._keep(self._body, content, len(content))

    def _keep(self, place: list[bytes], piece: bytes, cost: int) -> None:
        if self._is_too_large or self.size + cost > self._most_bytes:
            self.give_up()
            return
        self.size += cost
        place.append(piece)

    def give_up(self) -> None:
        """Keeps nothing more of the letter under way, which will be deferred."""
        self._is_too_large = True
        self._header.clear()
        self._body.clear()
        self.size = 0

    def take_letter(self) -> Letter:
        """The letter that has just become whole; nothing of it is left behind."""
        raw = None if self._is_too_large else b"".join([*self._header, b"\r\n", *self._body])
        letter = Letter(self._client, self._login, self._queue_id, raw)
        self._end_letter()
        return letter

    def _hear_macros(self, content: bytes) -> None:
        command, macros = parse_macros(content)
        if command == Command.MAIL.encode():
            self._mail_macros = macros
        self._queue_id = macros.get("i") or self._queue_id

    def _forget_text(self) -> None:
        self._header, self._body, self.size = [], [], 0
        self._is_too_large = False

    def _end_letter(self) -> None:
        """Forgets all that was said of a letter, its macros too: the next may come without any."""
        self._forget_text()
        self._login, self._queue_id, self._mail_macros = "", "", {}

    def _forget_client(self) -> None:
        self._end_letter()
        self._client = ""
