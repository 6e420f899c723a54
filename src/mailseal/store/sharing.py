"""Links that show an identity's records to whoever runs its DNS.

Rule: what opens a link is computed, never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.sharing import ShareLink
from mailseal.store.engine import Execute, Row, from_ms, to_ms

# share_links.add: one link.
_ADD = """
INSERT INTO share_links (link_id, account_id, region, name, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
"""

# share_links.load: one link, whosesoever.
_LOAD = """
SELECT link_id, account_id, region, name, created_at, expires_at FROM share_links WHERE link_id = ?
"""

# share_links.list: those of an identity that have not ended, the one that ends first before the others.
_LIST = """
SELECT link_id, account_id, region, name, created_at, expires_at FROM share_links
WHERE account_id = ? AND region = ? AND name = ? AND expires_at > ? ORDER BY expires_at, link_id
"""

# share_links.delete: one link of an identity goes.
_DELETE = """
DELETE FROM share_links WHERE account_id = ? AND region = ? AND name = ? AND link_id = ? RETURNING link_id
"""

# share_links.delete_all: all links of an identity go.
_DELETE_ALL = "DELETE FROM share_links WHERE account_id = ? AND region = ? AND name = ?"

# share_links.forget: those of an identity that have ended.
_FORGET = "DELETE FROM share_links WHERE account_id = ? AND region = ? AND name = ? AND expires_at <= ?"


class ShareLinks:
    """The table share_links."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def add(self, link: ShareLink) -> None:
        """Keeps a link."""
        times = (to_ms(link.created_at), to_ms(link.expires_at))
        self._execute(_ADD, (link.link_id, link.account_id, link.region, link.name, *times))

    def load(self, link_id: str) -> ShareLink | None:
        """The link of that id, ended or not."""
        return next((_link(row) for row in self._execute(_LOAD, (link_id,))), None)

    def list(self, account_id: str, region: str, name: str, now: datetime) -> Sequence[ShareLink]:
        """The links of an identity that have not ended."""
        return [_link(row) for row in self._execute(_LIST, (account_id, region, name, to_ms(now)))]

    def delete(self, account_id: str, region: str, name: str, link_id: str) -> bool:
        """Whether the identity had that link; it is gone."""
        return bool(self._execute(_DELETE, (account_id, region, name, link_id)))

    def delete_all(self, account_id: str, region: str, name: str) -> None:
        """Takes all links of an identity back."""
        self._execute(_DELETE_ALL, (account_id, region, name))

    def forget_ended(self, account_id: str, region: str, name: str, now: datetime) -> None:
        """Erases those of an identity that have ended."""
        self._execute(_FORGET, (account_id, region, name, to_ms(now)))


def _link(row: Row) -> ShareLink:
    link_id, account_id, region, name, created_at, expires_at = row
    return ShareLink(link_id, account_id, region, name, from_ms(created_at), from_ms(expires_at))
