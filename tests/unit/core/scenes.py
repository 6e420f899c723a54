"""Small values for tests of decisions: keys, slots, identities and what the DNS shows of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailseal.core import rotation, settings
from mailseal.core.commands import CreateIdentity
from mailseal.core.identity import Identity
from mailseal.core.keys import KeyRef
from mailseal.core.names import derive_token
from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.core.policy import Policy
from mailseal.core.rotation import Answer, EarlierAnswer, KeySlot, Slots
from mailseal.core.settings import NewIdentity, WantEasy
from mailseal.core.verification import ExpectedRecord

START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
POLICY = Policy()
ACCOUNT, REGION, DOMAIN, ZONE = "000000000001", "us-east-1", "example.com", "dkim.mx.example.net"


def key(number: int, bits: int = 2048) -> KeyRef:
    """A key that differs from all others by its number; its modulus is no product of primes."""
    modulus = (1 << (bits - 1)) + 2 * number + 1
    public = rsa.RSAPublicNumbers(65537, modulus).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyRef(f"key-{number}", bits, spki)


def ed25519_key(number: int) -> KeyRef:
    """An Ed25519 key that differs from all others by its number; nobody has its private half."""
    spki = bytes.fromhex("302a300506032b6570032100") + number.to_bytes(32, "big")
    return KeyRef(f"key-{number}", 256, spki)


def blank_ed25519_slots() -> Slots:
    """The two slots for Ed25519 keys of a domain that never had one."""
    return tuple(
        KeySlot(number, derive_token(b"secret", ACCOUNT, REGION, DOMAIN, number), ZONE) for number in (4, 5)
    )


def blank_slots() -> Slots:
    """The three slots of a domain that was never published."""
    return tuple(
        KeySlot(number, derive_token(b"secret", ACCOUNT, REGION, DOMAIN, number), ZONE)
        for number in (1, 2, 3)
    )


def easy_identity(number: int = 1, bits: int = 2048) -> Identity:
    """A new Easy DKIM identity with its first key placed and published."""
    new = NewIdentity(ACCOUNT, REGION, CreateIdentity(DOMAIN), "setting-1", blank_slots())
    change = settings.created(new, WantEasy(bits), START, POLICY)
    identity = settings.with_fresh_key(change.identity, key(number, bits), START, POLICY).identity
    return published(identity, START)


def published(identity: Identity, now: datetime) -> Identity:
    """The identity after the publisher served its slots, as the store does it."""
    second = tuple(served(slot, now) for slot in identity.ed25519.slots)
    slots = tuple(served(slot, now) for slot in identity.slots)
    return replace(identity, slots=slots, ed25519=replace(identity.ed25519, slots=second))


def served(slot: KeySlot, now: datetime) -> KeySlot:
    """One slot after publication: the answer until now becomes an earlier one."""
    answer = rotation.answer_of(slot, POLICY)
    old = slot.answered
    if old == answer:
        return slot
    earlier = slot.earlier
    if old is not None:
        earlier = (*earlier, EarlierAnswer(old.text, now + old_ttl(old)))
    return replace(slot, answered=answer, earlier=earlier)


def old_ttl(answer: Answer) -> timedelta:
    """An earlier answer's life from the moment it is replaced."""
    return timedelta(seconds=answer.ttl + 1)


def owner_publishes(expected: tuple[ExpectedRecord, ...], slots: Slots) -> tuple[Observation, ...]:
    """What one resolver sees once the owner has published everything that is expected."""
    return tuple(_as_published(record, slots) for record in expected)


def _as_published(record: ExpectedRecord, slots: Slots) -> Observation:
    if record.type is RecordType.TXT:
        return observation(record.owner, texts=(record.value.encode(),))
    slot = next(slot for slot in slots if slot.number == record.slot)
    text = slot.answered.text if slot.answered else None
    if text is None:
        return observation(record.owner, outcome=Outcome.NXDOMAIN, chain=(slot.owner,))
    return observation(record.owner, chain=(slot.owner,), texts=(text,))


def observation(
    name: str,
    *,
    outcome: Outcome = Outcome.ANSWER,
    chain: tuple[str, ...] = (),
    texts: tuple[bytes, ...] = (),
    stage: Stage = Stage.VANTAGE,
    asked: RecordType = RecordType.TXT,
    server: str = "udp://127.0.0.1:53",
    negative_ttl: int | None = None,
) -> Observation:
    """One server's reply."""
    return Observation(
        Question(name, asked),
        Asked(stage, server),
        outcome,
        chain=chain,
        texts=texts,
        negative_ttl=negative_ttl,
    )
