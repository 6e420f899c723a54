"""What the service needs of the store about what is lent out: share links and bearer tokens.

Rule: Protocols only, satisfied by shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mailseal.core.bearer import BearerToken
from mailseal.core.sharing import ShareLink


class ShareLinks(Protocol):
    """Share links by their ids."""

    def add(self, link: ShareLink) -> None: ...

    def load(self, link_id: str) -> ShareLink | None: ...

    def list(self, account_id: str, region: str, name: str, now: datetime) -> Sequence[ShareLink]: ...

    def delete(self, account_id: str, region: str, name: str, link_id: str) -> bool: ...

    def delete_all(self, account_id: str, region: str, name: str) -> None: ...

    def forget_ended(self, account_id: str, region: str, name: str, now: datetime) -> None: ...


class BearerTokens(Protocol):
    """Bearer tokens, found by the hash of what was sent."""

    def add(self, token: BearerToken, hashed: bytes, now: datetime) -> None: ...

    def find(self, hashed: bytes) -> BearerToken | None: ...

    def list(self, account_id: str) -> Sequence[BearerToken]: ...

    def delete(self, token_id: str) -> bool: ...
