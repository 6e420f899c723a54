"""An identity and its DKIM settings, and what a change of settings makes of it.

Rule: two settings at most are alive: the *newest*, and the *signing* setting, which is the newest that was
proven; often they are one and the same. A newer setting never stops the signing one before it is proven.
References: AWS SESv2 EmailIdentity, AWS SESv2 PutEmailIdentityDkimSigningAttributesRequest,
AWS SESv2 DkimAttributes; docs/divergences.md.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mailseal.core import ed25519, rotation
from mailseal.core.ed25519 import Ed25519
from mailseal.core.keys import KeyRef
from mailseal.core.lifecycle import DkimStatus, ErrorType, Proof, started
from mailseal.core.observations import SoaRecord
from mailseal.core.policy import Policy
from mailseal.core.regions import replica_origin
from mailseal.core.rotation import Slots, Wish


@dataclass(frozen=True, slots=True)
class EasyDkim:
    """Keys made by us, in the domain's three slots; `bits` is the length of the next key."""

    bits: int


@dataclass(frozen=True, slots=True)
class ByoDkim:
    """One key of the customer's under a selector of the customer's."""

    selector: str
    key: KeyRef


class ParentKind(StrEnum):
    """What a replica finds under its own name in the parent's region."""

    EASY = "EASY"
    BYODKIM = "BYODKIM"
    REPLICA = "REPLICA"
    NOT_THERE = "NOT_THERE"


@dataclass(frozen=True, slots=True)
class Parent:
    """The identity that a replica borrows tokens and keys from, as it stood when the replica was loaded."""

    kind: ParentKind
    slots: Slots = ()
    bits: int | None = None
    last_key_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """The tokens and keys of the identity of the same name in another region (Deterministic Easy DKIM).

    `parent` is a view that is read anew with every load and never stored.
    """

    region: str
    denied: bool = False
    """The access key that asked for the replica may not replicate the parent's signing key."""
    parent: Parent = field(default=Parent(ParentKind.NOT_THERE), compare=False)


Method = EasyDkim | ByoDkim | Replica


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of signing that somebody asked for, and how far its proof has come."""

    setting_id: str
    method: Method
    proof: Proof


@dataclass(frozen=True, slots=True)
class Identity:
    """A domain that an account may send as, in one region."""

    account_id: str
    region: str
    name: str
    created_at: datetime
    newest: Setting
    slots: Slots
    signing: Setting | None = None
    signing_enabled: bool = True
    length_changed_at: datetime | None = None
    downgraded_at: datetime | None = None
    last_key_at: datetime | None = None
    new_key_wanted: bool = False
    revoke_old_key: bool = False
    """The active key is compromised (`rotation.Wish.revoke`)."""
    rotate_days: int | None = None
    """Days between rotations, 0 for never; None for what the installation does."""
    ed25519: Ed25519 = field(default=Ed25519())
    replica_regions: tuple[str, ...] = ()
    """Regions in which a live setting borrows this identity's keys; read with every load, never stored."""
    version: int = 0

    @property
    def all_slots(self) -> Slots:
        """The slots of Easy DKIM, and behind them those for Ed25519 keys."""
        return self.slots + self.ed25519.slots

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that are alive, the newest first."""
        if self.signing is None or self.signing.setting_id == self.newest.setting_id:
            return (self.newest,)
        return (self.newest, self.signing)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an identity, for its timeline."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision makes of an identity, and what is to be told of it."""

    identity: Identity
    events: tuple[Event, ...] = ()


def wish_of(identity: Identity) -> Wish:
    """What the identity's settings want of its slots."""
    newest, signing = identity.newest.method, identity.signing
    easy_signs = signing is not None and isinstance(signing.method, EasyDkim)
    if isinstance(newest, EasyDkim):
        in_use = easy_signs or bool(identity.replica_regions)
        return Wish(
            newest.bits,
            identity.new_key_wanted,
            in_use=in_use,
            absent_until=signing.proof.negative_until if signing is not None and easy_signs else None,
            revoke=identity.revoke_old_key,
        )
    if signing is not None and isinstance(signing.method, EasyDkim):
        current = rotation.active(identity.slots)
        bits = current.key.bits if current and current.key else signing.method.bits
        return Wish(bits, in_use=True, absent_until=signing.proof.negative_until)
    return Wish(None)


def wants_ed25519(identity: Identity, policy: Policy) -> bool:
    """Whether the identity is to have a second signature; a replica has what its parent lends, RSA alone."""
    said = policy.ed25519 if identity.ed25519.said is None else identity.ed25519.said
    return said and not isinstance(identity.newest.method, Replica)


def with_setting(identity: Identity, setting: Setting) -> Identity:
    """The identity with one of its settings replaced by a later state of itself."""
    newest = setting if identity.newest.setting_id == setting.setting_id else identity.newest
    signing = identity.signing
    if signing is not None and signing.setting_id == setting.setting_id:
        signing = setting
    return replace(identity, newest=newest, signing=signing)


def with_newest(identity: Identity, setting: Setting, policy: Policy) -> Identity:
    """The identity with a newer setting; what signs goes on signing, unless SES's own gap is wanted."""
    signing = None if policy.strict_ses_signing_gap else identity.signing
    return replace(identity, newest=setting, signing=signing)


def with_search_restarted(identity: Identity, now: datetime) -> Identity:
    """The identity with the search for its newest setting's records begun anew."""
    return with_setting(identity, replace(identity.newest, proof=started(now)))


def with_key_placed(identity: Identity, key: KeyRef, now: datetime, policy: Policy) -> Identity:
    """The identity with a fresh key in a blank slot."""
    slots = rotation.with_key_placed(identity.slots, wish_of(identity), key, now, policy)
    waiting = rotation.upcoming(slots) is not None
    return replace(
        identity,
        slots=slots,
        last_key_at=now,
        new_key_wanted=False,
        revoke_old_key=identity.revoke_old_key and waiting,
    )


def after_time(identity: Identity, now: datetime, policy: Policy) -> Identity:
    """The identity with everything done to its slots that is due at `now` and needs no new key."""
    due = rotation_due_at(identity, policy)
    if due is not None and due <= now:
        second = ed25519.with_new_key_asked(identity.ed25519)
        identity = replace(identity, new_key_wanted=True, ed25519=second)
    slots = rotation.after_time(identity.slots, wish_of(identity), now, policy)
    switched = rotation.active(slots) != rotation.active(identity.slots)
    revoke = identity.revoke_old_key and not (switched and not identity.new_key_wanted)
    wanted = wants_ed25519(identity, policy)
    second = ed25519.after_time(identity.ed25519, now, policy, wanted=wanted)
    return replace(identity, slots=slots, revoke_old_key=revoke, ed25519=second)


def rotation_due_at(identity: Identity, policy: Policy) -> datetime | None:
    """When the active key of an identity that signs with Easy DKIM is old enough to be followed by a new one.

    Spread by a tenth either way, each domain by its own token, so that domains created together do not rotate
    together.
    """
    days = policy.rotate_days if identity.rotate_days is None else identity.rotate_days
    slot = rotation.active(identity.slots)
    signing = identity.signing
    if days <= 0 or signing is None or identity.new_key_wanted or slot is None or slot.placed_at is None:
        return None
    both_easy = isinstance(signing.method, EasyDkim) and isinstance(identity.newest.method, EasyDkim)
    if not both_easy or rotation.upcoming(identity.slots) is not None:
        return None
    spread = zlib.crc32(identity.slots[0].token.encode()) / 2**32 * 2 - 1
    return slot.placed_at + timedelta(days=days * (1 + spread / 10))


def with_switch(identity: Identity, now: datetime, policy: Policy) -> Identity:
    """The identity signing by its newest setting; all older settings are ended for good."""
    slots = identity.slots
    if isinstance(identity.newest.method, EasyDkim):
        slots = rotation.with_key_used(slots)
    else:
        slots = rotation.with_no_use(slots, now, policy)
    return replace(identity, signing=identity.newest, slots=slots)


@dataclass(frozen=True, slots=True)
class DkimAttributes:
    """AWS SESv2 DkimAttributes; None is a member that is left out."""

    signing_enabled: bool
    status: DkimStatus
    tokens: tuple[str, ...]
    origin: str
    hosted_zone: str | None = None
    next_bits: int | None = None
    current_bits: int | None = None
    last_key_at: datetime | None = None


def dkim_attributes(identity: Identity) -> DkimAttributes:
    """What SES tells of an identity's DKIM: always that of its newest setting."""
    setting = identity.newest
    match setting.method:
        case ByoDkim(selector=selector):
            return DkimAttributes(identity.signing_enabled, setting.proof.status, (selector,), "EXTERNAL")
        case EasyDkim(bits=bits):
            current = rotation.active(identity.slots)
            return DkimAttributes(
                identity.signing_enabled,
                setting.proof.status,
                tuple(slot.token for slot in identity.slots),
                "AWS_SES",
                hosted_zone=identity.slots[0].zone,
                next_bits=bits,
                current_bits=current.key.bits if current and current.key else None,
                last_key_at=identity.last_key_at,
            )
        case Replica(region=region, parent=parent):
            current = rotation.active(parent.slots)
            return DkimAttributes(
                identity.signing_enabled,
                setting.proof.status,
                tuple(slot.token for slot in parent.slots),
                replica_origin(region),
                hosted_zone=parent.slots[0].zone if parent.slots else None,
                next_bits=parent.bits,
                current_bits=current.key.bits if current and current.key else None,
                last_key_at=parent.last_key_at,
            )


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the account may send as an identity, and AWS SESv2 VerificationInfo."""

    status: DkimStatus
    may_send: bool
    last_checked_at: datetime | None
    last_success_at: datetime | None
    error_type: ErrorType | None
    soa: SoaRecord | None


def verification(identity: Identity) -> Verification:
    """How the identity stands: by its signing setting, or by its newest where nothing signs."""
    proof = (identity.signing or identity.newest).proof
    told = identity.newest.proof
    return Verification(
        status=proof.status,
        may_send=identity.signing is not None,
        last_checked_at=told.last_checked_at,
        last_success_at=told.last_success_at or proof.last_success_at,
        error_type=None if told.status is DkimStatus.SUCCESS else told.error_type,
        soa=told.soa or proof.soa,
    )
