"""A message that comes in pieces of any size, checked and hashed while it comes, and not kept.

Rule: what is read is what `parse_message` reads of the whole, wherever it was cut; what is kept is the
header and one line at most.
References: RFC 5322 §2.1, RFC 6376 §3.4.3, RFC 6376 §3.4.4, RFC 6376 §3.7.
"""

from dataclasses import dataclass

from mailseal.dkim.canonicalization import BodyHasher, Canonicalization
from mailseal.dkim.message import (
    MAX_HEADER_BYTES,
    MAX_LINE_OCTETS,
    HeaderField,
    MessageRefused,
    check_lines,
    parse_message,
)


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """What signing needs of a message: its header fields, and the hash of its body in one canonical form."""

    fields: tuple[HeaderField, ...]
    body_hash: bytes
    body_form: Canonicalization
    size: int
    """Octets in all."""


class MessageReader:
    """Reads one message; `update` and `finish` raise MessageRefused, after which it is of no use."""

    def __init__(self, body_form: Canonicalization = Canonicalization.SIMPLE) -> None:
        self._form = body_form
        self._hasher = BodyHasher(body_form)
        self._header = bytearray()
        self._fields: tuple[HeaderField, ...] | None = None
        self._rest = b""  # the beginning of a line of the body
        self._size = 0

    def update(self, piece: bytes) -> None:
        """Take the next octets."""
        self._size += len(piece)
        if self._fields is None:
            piece = self._read_header(piece)
        if piece:
            self._read_body(piece)

    def finish(self) -> ReadMessage:
        """What was read, once the last piece was taken."""
        if self._fields is None:
            parse_message(bytes(self._header))
            raise MessageRefused("no_separator", "No empty line separates the header from the body.")
        if self._rest:
            check_lines(self._rest)
            raise MessageRefused("no_final_crlf", "The last line of the message does not end in CRLF.")
        return ReadMessage(self._fields, self._hasher.digest(), self._form, self._size)

    def _read_header(self, piece: bytes) -> bytes:
        """What of the piece belongs to the body."""
        sought_from = max(0, len(self._header) - 3)
        self._header += piece
        end = self._header.find(b"\r\n\r\n", sought_from)
        if end < 0 and len(self._header) <= MAX_HEADER_BYTES + 4:
            return b""
        stop = len(self._header) if end < 0 else end + 4
        self._fields = parse_message(bytes(self._header[:stop])).fields
        body = bytes(self._header[stop:])
        self._header.clear()
        return body

    def _read_body(self, piece: bytes) -> None:
        data = self._rest + piece if self._rest else piece
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        if cut:
            lines = data[:cut]
            check_lines(lines)
            self._hasher.update(lines)
        if len(self._rest) > MAX_LINE_OCTETS + 1:  # one more for the CR whose LF comes later
            raise MessageRefused("line_too_long", f"A line is longer than {MAX_LINE_OCTETS} octets.")
