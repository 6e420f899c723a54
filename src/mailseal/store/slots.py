"""Key slots: the three places of a domain for keys, which outlive the identity.

Rule: token and zone are written once; a row is never deleted; what a slot has answered is read from the
zone's tables and never written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailseal.core.keys import KeyRef
from mailseal.core.rotation import Answer, EarlierAnswer, KeySlot, Slots, SlotState
from mailseal.core.stored import DueSlots
from mailseal.dkim.keyrecord import format_key_record
from mailseal.store.engine import Execute, Row, Value, from_ms, from_ms_or_null, to_ms, to_ms_or_null
from mailseal.store.keys import Keys
from mailseal.store.loaded import Loaded, Place
from mailseal.store.zone import Zone

# The columns of a slot as it is shown to the core: key and served answer beside it.
_COLUMNS = """
SELECT s.number, s.token, s.zone, s.state, s.key_id, k.bits, k.spki, s.placed_at, s.seen_at, s.has_signed,
    s.blank_at, s.retired_at, s.withdraw_at, s.is_withdrawn, v.owner IS NOT NULL, v.text, v.ttl
FROM slots s LEFT JOIN private_keys k ON k.key_id = s.key_id LEFT JOIN served v ON v.owner = s.owner
"""

# slots.load: the slots of a domain in the order of their numbers.
_LOAD = _COLUMNS + "WHERE s.account_id = ? AND s.region = ? AND s.domain = ? ORDER BY s.number"

# slots.find: the slot that is published at an owner name.
_FIND = _COLUMNS + "WHERE s.owner = ?"

# earlier_answers.load: what the slots of a domain gave before.
_EARLIER = """
SELECT s.number, e.text, e.expires_at FROM slots s JOIN earlier_answers e ON e.owner = s.owner
WHERE s.account_id = ? AND s.region = ? AND s.domain = ? ORDER BY e.expires_at
"""

# earlier_answers.find: what one name gave before.
_EARLIER_AT = "SELECT text, expires_at FROM earlier_answers WHERE owner = ? ORDER BY expires_at"

# slots.insert: a slot that is new, token and zone for good.
_INSERT = """
INSERT INTO slots (owner, account_id, region, domain, number, token, zone, state, key_id, placed_at, seen_at,
    has_signed, blank_at, retired_at, withdraw_at, is_withdrawn)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# slots.update: the state and key of a slot.
_UPDATE = """
UPDATE slots SET state = ?, key_id = ?, placed_at = ?, seen_at = ?, has_signed = ?, blank_at = ?,
    retired_at = ?, withdraw_at = ?, is_withdrawn = ? WHERE owner = ?
"""

# domains.put: the anchor row, due at that time, no longer leased.
_PUT_DOMAIN = """
INSERT INTO domains (account_id, region, domain, claim_at, is_leased) VALUES (?, ?, ?, ?, 0)
ON CONFLICT (account_id, region, domain) DO UPDATE SET claim_at = excluded.claim_at, is_leased = 0
"""

# domains.set_due: the same for a domain that has its row; nothing where it is so already.
_SET_DOMAIN_DUE = """
UPDATE domains SET claim_at = ?, is_leased = 0 WHERE account_id = ? AND region = ? AND domain = ?
AND (is_leased <> 0 OR claim_at IS DISTINCT FROM ?)
"""

# domains.claim: those that are due, oldest first, under a lease.
_CLAIM = """
UPDATE domains SET claim_at = ?, is_leased = 1 WHERE (account_id, region, domain) IN (
    SELECT account_id, region, domain FROM domains WHERE claim_at <= ? ORDER BY claim_at LIMIT ?
    /*pg FOR UPDATE SKIP LOCKED pg*/
) RETURNING account_id, region, domain
"""

# domains.release: those under a lease that ends in that stretch are due at once.
_RELEASE = """
UPDATE domains SET claim_at = ?, is_leased = 0 WHERE claim_at > ? AND claim_at <= ? AND is_leased = 1
RETURNING domain
"""


class SlotRows:
    """The tables domains and slots."""

    def __init__(self, execute: Execute, keys: Keys, zone: Zone, loaded: Loaded) -> None:
        self._execute = execute
        self._keys = keys
        self._zone = zone
        self._loaded = loaded

    def load(self, account_id: str, region: str, domain: str) -> Slots | None:
        """The slots of a domain, or None where it never had any."""
        place = (account_id, region, domain)
        rows = self._execute(_LOAD, place)
        if not rows:
            self._loaded.slots[place] = ()
            return None
        earlier: dict[int, list[EarlierAnswer]] = {}
        for number, text, expires_at in self._execute(_EARLIER, place):
            earlier.setdefault(number, []).append(EarlierAnswer(text, from_ms(expires_at)))
        slots = tuple([_slot(row, tuple(earlier.get(row[0], ()))) for row in rows])
        self._loaded.slots[place] = slots
        return slots

    def find(self, owner: str) -> KeySlot | None:
        """The slot that is published at an owner name, or None."""
        for row in self._execute(_FIND, (owner,)):
            answers = self._execute(_EARLIER_AT, (owner,))
            return _slot(row, tuple(EarlierAnswer(text, from_ms(at)) for text, at in answers))
        return None

    def save(self, account_id: str, region: str, domain: str, slots: Slots, due_at: datetime | None) -> None:
        """Saves state and keys of the slots, marks names whose answer has to change, erases unused keys."""
        place = (account_id, region, domain)
        self._write(place, self._stored(place), slots, due_at)
        self._keys.erase_unreferenced(*place)

    def _stored(self, place: Place) -> Slots:
        """The slots of a domain as they are stored at this moment."""
        known = self._loaded.slots.get(place)
        return (self.load(*place) or ()) if known is None else known

    def _write(self, place: Place, stored: Slots, slots: Slots, due_at: datetime | None) -> None:
        """Writes what differs from `stored`, with the time at which the slots are due; erases nothing."""
        self._loaded.slots.pop(place, None)
        due_ms = to_ms_or_null(due_at)
        if stored:
            self._execute(_SET_DOMAIN_DUE, (due_ms, *place, due_ms))
        else:
            self._execute(_PUT_DOMAIN, (*place, due_ms))
        known = {slot.number: slot for slot in stored}
        for zone in {slot.zone for slot in slots if slot.number not in known}:
            self._zone.add(zone)
        for slot in slots:
            old = known.get(slot.number)
            if old is None:
                self._insert(place, slot)
            elif old is not slot:
                self._update(old, slot)

    def _insert(self, place: Place, slot: KeySlot) -> None:
        names = (slot.owner, *place, slot.number, slot.token, slot.zone)
        self._execute(_INSERT, names + _state(slot))
        self._zone.mark(slot.owner)

    def _update(self, old: KeySlot, slot: KeySlot) -> None:
        if (old.token, old.zone) != (slot.token, slot.zone):
            raise ValueError("token and zone of a slot are for life")
        state = _state(slot)
        if _state(old) != state:
            self._execute(_UPDATE, (*state, slot.owner))
            if _answer_differs(slot, old):
                self._zone.mark(slot.owner)

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueSlots]:
        """The domains whose slots are due, oldest first, claimed until the lease ends."""
        rows = self._execute(_CLAIM, (to_ms(lease_until), to_ms(now), limit))
        return [DueSlots(account, region, domain, lease_until) for account, region, domain in rows]

    def release(self, now: datetime, until: datetime) -> int:
        """How many domains were under a lease that ends until then; their slots are due at once."""
        return len(self._execute(_RELEASE, (to_ms(now), to_ms(now), to_ms(until))))


_STATES = {str(state): state for state in SlotState}


def _slot(row: Row, earlier: tuple[EarlierAnswer, ...]) -> KeySlot:
    number, token, zone, state, key_id, bits, spki, placed_at, seen_at, has_signed, *rest = row
    blank_at, retired_at, withdraw_at, is_withdrawn, is_served, text, ttl = rest
    return KeySlot(
        number=number,
        token=token,
        zone=zone,
        state=_STATES[state],
        key=None if key_id is None else KeyRef(key_id, bits, spki),
        placed_at=from_ms_or_null(placed_at),
        seen_at=from_ms_or_null(seen_at),
        has_signed=bool(has_signed),
        blank_at=from_ms_or_null(blank_at),
        retired_at=from_ms_or_null(retired_at),
        withdraw_at=from_ms_or_null(withdraw_at),
        withdrawn=bool(is_withdrawn),
        answered=Answer(text, ttl) if is_served else None,
        earlier=earlier,
    )


def _state(slot: KeySlot) -> tuple[Value, ...]:
    """What `save` may write of a slot, in the order of the statements."""
    return (
        slot.state,
        None if slot.key is None else slot.key.key_id,
        to_ms_or_null(slot.placed_at),
        to_ms_or_null(slot.seen_at),
        int(slot.has_signed),
        to_ms_or_null(slot.blank_at),
        to_ms_or_null(slot.retired_at),
        to_ms_or_null(slot.withdraw_at),
        int(slot.withdrawn),
    )


def _answer_differs(slot: KeySlot, stored: KeySlot) -> bool:
    """Whether the name serves something else than the slot as it is now asks for; its TTL does not count."""
    served = stored.answered
    if served is None:
        return True
    if slot.withdrawn:
        return served.text is not None
    return served.text != (b"" if slot.key is None else format_key_record(slot.key.spki))
