"""What a request for DKIM settings asks for, and what it makes of an identity.

Rule: first the request alone is judged (`wanted`), then the identity it is for (`plan`), then the keys that
the plan named are given and the change is taken (`with_easy`, `with_byodkim`). Nothing here makes a key.
References: AWS SESv2 PutEmailIdentityDkimSigningAttributesRequest, AWS SESv2 DkimSigningAttributes,
AWS SESv2 CreateEmailIdentityRequest; docs/divergences.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from mailseal.core import ed25519, rotation
from mailseal.core.cachewindow import cache_window
from mailseal.core.commands import CreateIdentity, DkimAttributesInput, Origin, PutDkimSigning
from mailseal.core.errors import BadRequest
from mailseal.core.identity import (
    ByoDkim,
    Change,
    EasyDkim,
    Event,
    Identity,
    Method,
    Replica,
    Setting,
    wish_of,
    with_key_placed,
    with_newest,
    with_search_restarted,
)
from mailseal.core.keys import KeyRef
from mailseal.core.lifecycle import DkimStatus, started
from mailseal.core.policy import Policy
from mailseal.core.regions import parent_region
from mailseal.core.rotation import Slots


@dataclass(frozen=True, slots=True)
class WantEasy:
    """Easy DKIM; None bits: whatever length stands."""

    bits: int | None = None


@dataclass(frozen=True, slots=True)
class WantByo:
    """The customer's own selector and private key, the key as it came in the request."""

    selector: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WantReplica:
    """The tokens and keys of the identity of the same name in another region."""

    region: str


Wanted = WantEasy | WantByo | WantReplica


def wanted(command: PutDkimSigning) -> Wanted:
    """What a Put asks for; raises BadRequest for combinations that ask for two things at once."""
    given = command.dkim or DkimAttributesInput()
    if given.origin is not None:
        raise BadRequest(
            "DomainSigningAttributesOrigin is not allowed in PutEmailIdentityDkimSigningAttributes.",
            hint="Name the origin in SigningAttributesOrigin.",
        )
    return _wanted(command.origin, given)


def wanted_at_creation(command: CreateIdentity) -> Wanted:
    """What a Create asks for: Easy DKIM unless a selector and key were sent along."""
    given = command.dkim or DkimAttributesInput()
    own_key = given.selector is not None or given.private_key is not None
    origin = Origin.EXTERNAL if own_key and given.origin is None else given.origin or Origin.AWS_SES
    return _wanted(origin, given)


def _wanted(origin: str, given: DkimAttributesInput) -> Wanted:
    if origin == Origin.EXTERNAL:
        if given.next_key_bits is not None:
            raise BadRequest(
                "NextSigningKeyLength applies to Easy DKIM only.",
                hint="With origin EXTERNAL the key that you send has its own length; leave the member out.",
            )
        if given.selector is None or given.private_key is None:
            raise BadRequest(
                "EXTERNAL origin requires DomainSigningSelector and DomainSigningPrivateKey.",
                hint="Send both, also if only one of them is new.",
            )
        return WantByo(given.selector, given.private_key)
    if given.selector is not None or given.private_key is not None:
        raise BadRequest(
            "DomainSigningSelector and DomainSigningPrivateKey require EXTERNAL origin.",
            hint="Leave both out for Easy DKIM, or set SigningAttributesOrigin to EXTERNAL.",
        )
    region = parent_region(origin)
    if region is None:
        return WantEasy(given.next_key_bits)
    if given.next_key_bits is not None:
        raise BadRequest(
            "NextSigningKeyLength is not allowed for a replica.",
            hint=f"A replica has its parent's keys; change the length in {region}.",
        )
    return WantReplica(region)


def easy_bits(identity: Identity, want: WantEasy, policy: Policy) -> int:
    """The key length that an Easy setting would have: the one asked for, else the one that stands."""
    if want.bits is not None:
        return want.bits
    if isinstance(identity.newest.method, EasyDkim):
        return identity.newest.method.bits
    slot = rotation.active(identity.slots) or rotation.newest_previous(identity.slots)
    return slot.key.bits if slot is not None and slot.key is not None else policy.default_bits


def with_easy(identity: Identity, want: WantEasy, setting_id: str, now: datetime, policy: Policy) -> Change:
    """The identity after a Put with origin AWS_SES; raises BadRequest where the length may not change.

    A key that is needed for it is placed afterwards (`rotation.key_wanted`, `with_key_placed`).
    """
    bits = easy_bits(identity, want, policy)
    newest = identity.newest
    if isinstance(newest.method, EasyDkim):
        if bits == newest.method.bits:
            return _same_length(identity, want, now, policy)
        identity = _with_length_change(identity, bits, now, policy)
        text = f"key length set to {bits}"
    else:
        slots = rotation.revived(identity.slots)
        identity = replace(identity, slots=slots)
        text = "Easy DKIM asked for"
    setting = Setting(setting_id, EasyDkim(bits), started(now))
    changed = with_newest(identity, setting, policy)
    slots = rotation.after_time(changed.slots, wish_of(changed), now, policy)
    return Change(replace(changed, slots=slots), (Event("setting", text + _meanwhile(changed)),))


def _same_length(identity: Identity, want: WantEasy, now: datetime, policy: Policy) -> Change:
    """A Put that names the length that stands: a restart if FAILED, else nothing, or SES's refusal."""
    status = identity.newest.proof.status
    if status in (DkimStatus.FAILED, DkimStatus.NOT_STARTED):
        return Change(with_search_restarted(identity, now), (Event("restart", "search begun again"),))
    if want.bits is None or policy.same_length_is_noop:
        return Change(identity)
    raise BadRequest(
        f"The signing key length of {identity.name} is already RSA_{want.bits}_BIT.",
        hint="Leave NextSigningKeyLength out if nothing is to change; nothing was changed.",
    )


def _with_length_change(identity: Identity, bits: int, now: datetime, policy: Policy) -> Identity:
    """The identity with the change noted; raises BadRequest for a second one within a day.

    The first change of a day down to 1024 bits is exempt
    (AWS SESv2 DkimSigningAttributes.NextSigningKeyLength).
    """
    last, day = identity.length_changed_at, policy.length_change_every
    recent = last is not None and now - last < day
    downgraded = identity.downgraded_at is not None and now - identity.downgraded_at < day
    if recent and last is not None and (bits != 1024 or downgraded):
        again = last + day
        raise BadRequest(
            f"The signing key length of {identity.name} was changed at {last:%Y-%m-%d %H:%M} UTC; "
            "it can be changed once in 24 hours.",
            hint=f"Repeat it after {again:%Y-%m-%d %H:%M} UTC; nothing was changed.",
        )
    down = now if bits == 1024 else identity.downgraded_at
    return replace(identity, length_changed_at=now, downgraded_at=down)


def with_byodkim(
    identity: Identity, want: WantByo, key: KeyRef, setting_id: str, now: datetime, policy: Policy
) -> Change:
    """The identity after a Put with origin EXTERNAL, `key` being the customer's key as it was accepted.

    The selector and key that stand already are left as they are, or looked for again if they FAILED.
    """
    _refuse_our_tokens(want, identity.all_slots)
    newest = identity.newest
    if isinstance(newest.method, ByoDkim) and _same_key(newest.method, want, key):
        if newest.proof.status is DkimStatus.FAILED:
            return Change(with_search_restarted(identity, now), (Event("restart", "search begun again"),))
        return Change(identity)
    setting = Setting(setting_id, ByoDkim(want.selector, key), started(now))
    changed = with_newest(identity, setting, policy)
    signing = changed.signing
    if signing is None or not isinstance(signing.method, EasyDkim):
        changed = replace(changed, slots=rotation.with_no_use(changed.slots, now, policy))
    text = f"own key {key.fingerprint} under selector {want.selector}"
    window = cache_window(changed, now)
    told = () if window is None else (Event("cache", window.text),)
    return Change(changed, (Event("setting", text + _meanwhile(changed)), *told))


def with_replica(
    identity: Identity, method: Replica, setting_id: str, now: datetime, policy: Policy
) -> Change:
    """The identity after a Put with origin AWS_SES_<REGION>, `method` with its parent as it stands.

    What is wrong with a parent shows later, in VerificationInfo, as with SES.
    """
    newest = identity.newest
    if newest.method == method:
        if newest.proof.status is DkimStatus.FAILED:
            return Change(with_search_restarted(identity, now), (Event("restart", "search begun again"),))
        return Change(identity)
    setting = Setting(setting_id, method, started(now))
    changed = with_newest(identity, setting, policy)
    signing = changed.signing
    if signing is None or not isinstance(signing.method, EasyDkim):
        changed = replace(changed, slots=rotation.with_no_use(changed.slots, now, policy))
    text = f"replica of {method.region}" + _meanwhile(changed)
    return Change(changed, (Event("setting", text),))


def refuse_to_end_parent(identity: Identity, what: str) -> None:
    """Raises BadRequest where another region's identity borrows this one's keys (`what`: be deleted, …).

    What has no Easy DKIM has nothing to lend, whoever may name it as a parent.
    """
    lends = any(isinstance(setting.method, EasyDkim) for setting in identity.settings)
    if lends and identity.replica_regions:
        regions = ", ".join(identity.replica_regions)
        raise BadRequest(
            f"Email identity {identity.name} has replicas in {regions} and can't {what}.",
            hint="Delete the replicas or give them keys of their own first; nothing was changed.",
        )


def _refuse_our_tokens(want: WantByo, slots: Slots) -> None:
    """Raises BadRequest for a selector that names one of the domain's slots: what lies there is ours."""
    if want.selector.lower() in {slot.token for slot in slots}:
        raise BadRequest(
            f"The selector {want.selector} is one of this domain's Easy DKIM tokens.",
            hint="Choose another selector; nothing was changed.",
        )


def _same_key(method: ByoDkim, want: WantByo, key: KeyRef) -> bool:
    return method.selector.lower() == want.selector.lower() and method.key.spki == key.spki


def _meanwhile(identity: Identity) -> str:
    """Who signs until the newest setting is proven, as the end of a timeline's sentence."""
    match identity.signing:
        case Setting(method=EasyDkim()):
            slot = rotation.active(identity.slots)
            return f"; slot {slot.number} signs on" if slot else ""
        case Setting(method=ByoDkim(selector=selector)):
            return f"; selector {selector} signs on"
        case Setting(method=Replica(region=region)):
            return f"; the key of {region} signs on"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """What a created identity starts from: the customer's key for BYODKIM, the parent for a replica."""

    account_id: str
    region: str
    command: CreateIdentity
    setting_id: str
    slots: Slots
    """All that the domain ever had, those for Ed25519 keys among them."""
    key: KeyRef | None = None
    replica: Replica | None = None


def created(new: NewIdentity, want: Wanted, now: datetime, policy: Policy) -> Change:
    """A new identity, PENDING, its slots' names published.

    For Easy DKIM the fresh key is placed afterwards (`with_fresh_key`).
    """
    if isinstance(want, WantByo):
        _refuse_our_tokens(want, new.slots)
    back = rotation.with_domain_back(new.slots)
    slots = ed25519.of_easy_dkim(back)
    method, text = _method(new, want, policy)
    identity = Identity(
        account_id=new.account_id,
        region=new.region,
        name=new.command.name,
        created_at=now,
        newest=Setting(new.setting_id, method, started(now)),
        slots=slots,
        ed25519=ed25519.Ed25519(slots=ed25519.of_ed25519(back)),
    )
    if isinstance(method, EasyDkim) and rotation.first_blank(slots) is None:
        identity = replace(identity, slots=rotation.revived(slots))
    return Change(identity, (Event("created", text),))


def _method(new: NewIdentity, want: Wanted, policy: Policy) -> tuple[Method, str]:
    """The method of a created identity, and the sentence for its timeline."""
    match want:
        case WantByo(selector=selector) if new.key is not None:
            return ByoDkim(selector, new.key), f"own key {new.key.fingerprint}, selector {selector}"
        case WantReplica(region=region) if new.replica is not None:
            return new.replica, f"replica of {region}"
        case WantEasy(bits=bits):
            bits = bits or policy.default_bits
            return EasyDkim(bits), f"Easy DKIM, RSA {bits}"
    raise ValueError("what the method needs was not gathered")


def with_fresh_key(identity: Identity, key: KeyRef, now: datetime, policy: Policy) -> Change:
    """The identity with a fresh key placed, and the sentence for its timeline."""
    placed = with_key_placed(identity, key, now, policy)
    slot = next(slot for slot in placed.slots if slot.key == key)
    return Change(placed, (Event("key", f"key RSA {key.bits} {key.fingerprint} into slot {slot.number}"),))


def with_fresh_ed25519_key(identity: Identity, key: KeyRef, now: datetime) -> Change:
    """The identity with a fresh Ed25519 key placed, and the sentence for its timeline."""
    placed = replace(identity, ed25519=ed25519.with_key_placed(identity.ed25519, key, now))
    slot = next(slot for slot in placed.ed25519.slots if slot.key == key)
    return Change(placed, (Event("key", f"key Ed25519 {key.fingerprint} into slot {slot.number}"),))
