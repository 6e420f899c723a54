"""What one submission listener and its sessions may cost.

Rule: every number has its reason beside it; memory is taken before octets are kept.
References: RFC 5321 §4.5.3.1, RFC 5321 §4.5.3.2, RFC 4954 §4.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mailseal.core.sending import MOST_BYTES, MOST_RECIPIENTS


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers and seconds; tests give smaller ones."""

    message_bytes: int = MOST_BYTES
    recipients: int = MOST_RECIPIENTS
    command_line: int = 2048
    """Octets with CRLF: a path of 254 octets and every parameter that is offered fit well."""
    auth_line: int = 12288
    """RFC 4954 §4."""
    before_sign_in_s: float = 60.0
    """Until somebody has signed in, all commands together."""
    command_s: float = 300.0
    """RFC 5321 §4.5.3.2.7."""
    block_s: float = 180.0
    """RFC 5321 §4.5.3.2.5."""
    message_s: float = 900.0
    """A whole message: 40 MB on a slow line."""
    session_s: float = 3600.0
    auth_tries: int = 3
    auth_penalty_s: float = 1.0
    errors: int = 20
    """Replies of 5xx to commands, refused recipients among them."""
    idle_commands: int = 100
    """NOOP, RSET and the like between two messages."""
    messages_waiting_bytes: int = 256 * 1024 * 1024
    """All messages that are arriving or being signed and handed over, of one process."""


class Full(Exception):
    """There is no room for another connection."""


class Room:
    """What all sessions of a process take together: connections, by address too, and octets of messages."""

    def __init__(self, connections: int, per_client: int, message_bytes: int) -> None:
        self._connections = connections
        self._per_client = per_client
        self._message_bytes = message_bytes
        self._taken: Counter[str] = Counter()
        self._bytes = 0

    def enter(self, client: str) -> None:
        """Counts one connection more; raises Full."""
        if self._taken.total() >= self._connections or self._taken[client] >= self._per_client:
            raise Full
        self._taken[client] += 1

    def leave(self, client: str) -> None:
        """Counts one connection less."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]

    def take(self, octets: int) -> bool:
        """Whether there was room for so many octets, which are taken now."""
        if self._bytes + octets > self._message_bytes:
            return False
        self._bytes += octets
        return True

    def give_back(self, octets: int) -> None:
        """Makes room again."""
        self._bytes -= octets
