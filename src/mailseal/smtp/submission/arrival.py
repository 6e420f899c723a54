"""A message as it arrives: after DATA until CRLF.CRLF, or in chunks of which each says its length.

Rule: only CRLF.CRLF ends DATA; a CR or LF that stands alone is content until then, and refuses the message
afterwards. Beyond the limit octets are counted and forgotten.
References: RFC 5321 §2.3.8, RFC 5321 §4.1.1.4, RFC 5321 §4.5.2, RFC 3030 §2.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"
_DOT = b"\r\n."


class Arriving:
    """The octets of one message; `at_most` of them are kept."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        # DATA's own CRLF counts as the one before the first line, so that a dot may come at once.
        self._wire = bytearray(b"\r\n")
        self._forgotten = 0

    @property
    def is_too_large(self) -> bool:
        """Whether more came than may be kept."""
        return self._forgotten > 0

    @property
    def kept(self) -> int:
        """How many octets are held in memory."""
        return len(self._wire)

    def forget(self) -> None:
        """Keeps nothing from now on but what is needed to find the end."""
        self._forgotten += max(len(self._wire) - len(_END), 1)
        del self._wire[: -len(_END)]

    def dotted(self, piece: bytes) -> bytes | None:
        """None while the message goes on; after the final dot the octets that follow it."""
        wire = self._wire
        start = max(len(wire) - len(_END) + 1, 0)
        wire += piece
        end = wire.find(_END, start)
        if end >= 0:
            rest = bytes(wire[end + len(_END) :])
            del wire[end + 2 :]
            return rest
        if self.is_too_large or len(wire) > self._at_most:
            self.forget()
        return None

    def chunk(self, piece: bytes) -> None:
        """A piece of a chunk, in which a dot is a dot."""
        self._wire += piece
        if self.is_too_large or len(self._wire) > self._at_most:
            self.forget()

    def from_dots(self) -> bytes:
        """The message that ended with the final dot, the dots doubled by the sender single again."""
        wire = self._wire
        return bytes((wire.replace(_DOT, b"\r\n") if _DOT in wire else wire)[2:])

    def from_chunks(self) -> bytes:
        """The message whose last chunk has come."""
        return bytes(self._wire[2:])


def stray_line_end(message: bytes) -> str:
    """Which of CR and LF stands alone in the message; empty where they come in pairs only."""
    if message.replace(b"\r", b"").replace(b"\n", b"\r\n") == message:
        return ""
    return "LF" if b"\n" in message.replace(b"\r\n", b"") else "CR"
