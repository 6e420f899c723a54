"""How long receivers may hold on to a key record that its owner replaces under one and the same selector.

Rule: nothing can be done about it, so the owner is told, before and after; another selector avoids it.
References: RFC 6376 §3.6.2; docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailseal.core.identity import ByoDkim, Identity, Setting


@dataclass(frozen=True, slots=True)
class CacheWindow:
    """What caches may hold of the record that another one follows under the same name."""

    selector: str
    ttl: int | None
    """Seconds for which the old record may be kept; None where it was never seen."""
    until: datetime | None
    """The end of it: known where the new record was seen; before that, as if it were published now."""
    was_replaced: bool

    @property
    def text(self) -> str:
        """The window as a sentence for the owner."""
        end = "" if self.until is None else f"until {self.until:%Y-%m-%d %H:%M:%S} UTC"
        if self.ttl is not None:
            end = f"for {self.ttl} s after it is replaced, {end} if that is now"
        elif not self.was_replaced:
            end = "for as long as its TTL says"
        return (
            f"receivers that cached the old record of selector {self.selector} will refuse mail signed with "
            f"the new key {end}; publish a new selector to avoid that"
        )


def replaces_in_place(newest: Setting, signing: Setting | None) -> bool:
    """Whether the newest setting has another key under the very selector that signs."""
    match newest.method, None if signing is None else signing.method:
        case ByoDkim(selector=new, key=key), ByoDkim(selector=old, key=old_key):
            return new.lower() == old.lower() and key.spki != old_key.spki
        case _:
            return False


def cache_window(identity: Identity, now: datetime) -> CacheWindow | None:
    """What caches may hold against the newest setting's key; None where nothing needs to be told."""
    newest, signing, proof = identity.newest, identity.signing, identity.newest.proof
    if not isinstance(newest.method, ByoDkim):
        return None
    selector = newest.method.selector
    in_place = replaces_in_place(newest, signing)
    signs = signing is not None and signing.setting_id == newest.setting_id
    if proof.stale_until is not None and proof.stale_ttl is None and (in_place or signs):
        return CacheWindow(selector, None, proof.stale_until, True) if proof.stale_until > now else None
    if not in_place or signing is None:
        return None
    ttl = signing.proof.record_ttl if proof.stale_ttl is None else proof.stale_ttl
    until = None if ttl is None else now + timedelta(seconds=ttl)
    return CacheWindow(selector, ttl, until, False)
