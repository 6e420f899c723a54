"""Answers to mutating calls, kept a while so that the same call made again gets the same answer.

Rule: an answer is kept in the transaction of the change that it tells of.
"""

from __future__ import annotations

from datetime import datetime

from mailseal.store.engine import Execute, to_ms

# answers.load: what the same call was answered, as long as that counts.
_LOAD = """
SELECT answer FROM answers
WHERE access_key_id = ? AND invocation_id = ? AND payload_hash = ? AND keep_until > ?
"""

# answers.put: an answer, kept until then; one that counts already stands.
_PUT = """
INSERT INTO answers (access_key_id, invocation_id, payload_hash, answer, keep_until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (access_key_id, invocation_id, payload_hash) DO UPDATE
SET answer = excluded.answer, keep_until = excluded.keep_until WHERE answers.keep_until <= ?
RETURNING keep_until
"""

# answers.forget: the oldest of those that have been kept long enough.
_FORGET = """
DELETE FROM answers WHERE (access_key_id, invocation_id, payload_hash) IN (
    SELECT access_key_id, invocation_id, payload_hash FROM answers WHERE keep_until <= ?
    ORDER BY keep_until LIMIT ? /*pg FOR UPDATE SKIP LOCKED pg*/
) RETURNING keep_until
"""


class Answers:
    """The table answers."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, access_key_id: str, invocation_id: str, request_hash: str, now: datetime) -> bytes | None:
        """The answer that the same call was given, or None."""
        for (answer,) in self._execute(_LOAD, (access_key_id, invocation_id, request_hash, to_ms(now))):
            return bytes(answer)
        return None

    def save(
        self,
        access_key_id: str,
        invocation_id: str,
        request_hash: str,
        answer: bytes,
        now: datetime,
        until: datetime,
    ) -> bool:
        """Whether the answer is kept until then; False where the call has one that still counts."""
        call = (access_key_id, invocation_id, request_hash)
        return bool(self._execute(_PUT, (*call, answer, to_ms(until), to_ms(now))))

    def forget_before(self, now: datetime, at_most: int) -> int:
        """How many answers were dropped because their time was over at `now`, the oldest first."""
        return len(self._execute(_FORGET, (to_ms(now), at_most)))
