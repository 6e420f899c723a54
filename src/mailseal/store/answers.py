"""Answers to mutating calls, kept a while so that the same call made again gets the same answer.

Rule: an answer is kept in the transaction of the change that it tells of.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.store.engine import Execute, to_ms

# answers.load: what the same call was answered.
_LOAD = "SELECT answer FROM answers WHERE access_key_id = ? AND invocation_id = ? AND payload_hash = ?"

# answers.put: an answer, kept until then; the first one given stands.
_PUT = """
INSERT INTO answers (access_key_id, invocation_id, payload_hash, answer, keep_until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (access_key_id, invocation_id, payload_hash) DO NOTHING
"""

# answers.forget: those that have been kept long enough.
_FORGET = "DELETE FROM answers WHERE keep_until < ? RETURNING keep_until"


class Answers:
    """The table answers."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, access_key_id: str, invocation_id: str, payload_hash: str) -> bytes | None:
        """The answer that the same call was given, or None."""
        for (answer,) in self._execute(_LOAD, (access_key_id, invocation_id, payload_hash)):
            return bytes(answer)
        return None

    def save(
        self, access_key_id: str, invocation_id: str, payload_hash: str, answer: bytes, until: datetime
    ) -> None:
        """Keeps a call's answer until then; one that is kept already stays."""
        self._execute(_PUT, (access_key_id, invocation_id, payload_hash, answer, to_ms(until)))

    def forget_before(self, now: datetime) -> int:
        """How many answers were dropped because their time was over at `now`."""
        return len(self._execute(_FORGET, (to_ms(now),)))
