"""Bearer tokens, by their hashes.

Rule: what a token is, is nowhere here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.access import EVERYTHING, Permissions
from mailseal.core.bearer import BearerToken
from mailseal.core.limits import Limits, Rate
from mailseal.store.engine import Execute, Row, from_ms, from_ms_or_null, to_ms, to_ms_or_null

# bearer_tokens.add: one token.
_ADD = """
INSERT INTO bearer_tokens (token_id, token_hash, account_id, label, allowed_actions, allowed_identities,
    created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

# bearer_tokens.find: the token of that hash with its account's limits.
_FIND = """
SELECT t.token_id, t.account_id, t.label, t.allowed_actions, t.allowed_identities, t.created_at, t.expires_at,
    a.max_identities, a.requests_per_s, a.burst
FROM bearer_tokens t JOIN accounts a ON a.account_id = t.account_id WHERE t.token_hash = ?
"""

# bearer_tokens.list: the tokens of an account.
_LIST = """
SELECT t.token_id, t.account_id, t.label, t.allowed_actions, t.allowed_identities, t.created_at, t.expires_at,
    a.max_identities, a.requests_per_s, a.burst
FROM bearer_tokens t JOIN accounts a ON a.account_id = t.account_id WHERE t.account_id = ? ORDER BY t.token_id
"""

# bearer_tokens.delete: one token goes.
_DELETE = "DELETE FROM bearer_tokens WHERE token_id = ? RETURNING token_id"


class BearerTokens:
    """The table bearer_tokens."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def add(self, token: BearerToken, hashed: bytes, now: datetime) -> None:
        """Keeps a token."""
        allowed = token.permissions
        patterns = (" ".join(allowed.actions), " ".join(allowed.identities))
        times = (to_ms(now), to_ms_or_null(token.expires_at))
        self._execute(_ADD, (token.token_id, hashed, token.account_id, token.label, *patterns, *times))

    def find(self, hashed: bytes) -> BearerToken | None:
        """The token of that hash, ended or not."""
        return next((_token(row) for row in self._execute(_FIND, (hashed,))), None)

    def list(self, account_id: str) -> Sequence[BearerToken]:
        """The tokens of an account in the order of their ids."""
        return [_token(row) for row in self._execute(_LIST, (account_id,))]

    def delete(self, token_id: str) -> bool:
        """Whether there was such a token; it is gone."""
        return bool(self._execute(_DELETE, (token_id,)))


def _token(row: Row) -> BearerToken:
    token_id, account_id, label, actions, identities, created_at, expires_at, most, per_second, burst = row
    allowed = Permissions(tuple(actions.split()), tuple(identities.split()))
    rate = None if per_second is None or burst is None else Rate(per_second, burst)
    return BearerToken(
        token_id,
        account_id,
        label,
        EVERYTHING if allowed == EVERYTHING else allowed,
        from_ms(created_at),
        from_ms_or_null(expires_at),
        Limits(most, rate),
    )
