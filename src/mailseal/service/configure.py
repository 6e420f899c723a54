"""Use cases about identities: create, get, list, delete, and their DKIM settings.

Rule: plan → gather → decide → apply. A customer's key is parsed and sealed before the transaction begins; the
unit loads again, decides and saves, and may be run more than once.
References: AWS SESv2 CreateEmailIdentity, AWS SESv2 PutEmailIdentityDkimSigningAttributes,
AWS SESv2 PutEmailIdentityDkimAttributes, AWS SESv2 GetEmailIdentity, AWS SESv2 DeleteEmailIdentity.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailseal.core import ed25519, rotation, settings
from mailseal.core.access import REPLICATE, Principal, permits
from mailseal.core.commands import CreateIdentity, PutDkimAttributes, PutDkimSigning
from mailseal.core.errors import AlreadyExists, BadRequest, ConcurrentModification, NotFound
from mailseal.core.identity import (
    Change,
    Event,
    Identity,
    Replica,
    wants_ed25519,
    wish_of,
    with_search_restarted,
)
from mailseal.core.keys import KeyPlace, KeyRef
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.names import SLOTS, Domain, derive_token, is_address, parse_domain, stored_name
from mailseal.core.rotation import KeySlot, Slots
from mailseal.core.settings import NewIdentity, WantByo, WantEasy, Wanted, WantReplica
from mailseal.core.suffixes import refuse_unowned
from mailseal.service.admit import give_place_back, take_place
from mailseal.service.beside import check_new_attributes, forget_neighbours, save_new_attributes
from mailseal.service.due import due_times
from mailseal.service.ownkeys import sealed_own_key
from mailseal.service.stock import take_key, write_with_keys
from mailseal.service.world import SealedKey, Tx, World

_NOT_A_DOMAIN = "The EmailIdentity value must be a valid domain."


async def create_identity(world: World, who: Principal, command: CreateIdentity, now: datetime) -> Identity:
    """The identity that was created; raises AlreadyExists, BadRequest."""
    if is_address(command.name):
        raise BadRequest(_NOT_A_DOMAIN)
    domain = parse_domain(command.name)
    refuse_unowned(domain, world.suffixes)
    await _refuse_early(world, who, domain, command)
    want = settings.wanted_at_creation(command)
    own = await _own_key(world, who, domain, want, now)
    setting_id = world.new_id()
    command = replace(command, name=domain)

    def unit(tx: Tx) -> Identity:
        _raise_if_exists(tx, who, domain, command.name)
        check_new_attributes(tx, who, command)
        take_place(tx, who)
        slots = tx.slots.load(who.account_id, who.region, domain) or new_slots(
            world, KeyPlace(who.account_id, who.region, domain, ""), 1, SLOTS
        )
        new = NewIdentity(
            who.account_id,
            who.region,
            command,
            setting_id,
            slots,
            key=_stored(tx, own),
            replica=_replica(tx, who, domain, want) if isinstance(want, WantReplica) else None,
        )
        change = settings.created(new, want, now, world.policy)
        save_new_attributes(tx, who, command)
        return _apply(tx, world, change, now, refusal=AlreadyExists(_exists(command.name)))

    identity = await write_with_keys(world, unit, now)
    _wake(world)
    return identity


async def put_dkim_signing(world: World, who: Principal, command: PutDkimSigning, now: datetime) -> Identity:
    """The identity with the DKIM settings that were asked for; raises BadRequest, NotFound."""
    if is_address(command.name):
        raise BadRequest(_NOT_A_DOMAIN)
    domain = parse_domain(command.name)
    want = await _wanted(world, who, domain, command, now)
    own = await _own_key(world, who, domain, want, now)
    setting_id = world.new_id()

    def unit(tx: Tx) -> Identity:
        identity = load_identity(tx, who, domain, domain)
        change = _changed(tx, world, who, identity, want, own, setting_id, now)
        if change.identity == identity and rotation.key_wanted(identity.slots, wish_of(identity)) is None:
            return identity
        return _apply(tx, world, change, now)

    identity = await write_with_keys(world, unit, now)
    _wake(world)
    return identity


async def _wanted(
    world: World, who: Principal, domain: Domain, command: PutDkimSigning, now: datetime
) -> Wanted:
    """What a Put asks for; raises NotFound rather than BadRequest, and before a key is looked at."""
    try:
        want = settings.wanted(command)
    except BadRequest:
        await get_identity(world, who, domain, now)
        raise
    if isinstance(want, WantByo):
        await get_identity(world, who, domain, now)
    return want


def _changed(
    tx: Tx,
    world: World,
    who: Principal,
    identity: Identity,
    want: Wanted,
    own: SealedKey | None,
    setting_id: str,
    now: datetime,
) -> Change:
    """What the settings that were asked for make of an identity, the customer's key stored if it is used."""
    match want:
        case WantEasy():
            return settings.with_easy(identity, want, setting_id, now, world.policy)
        case WantReplica():
            settings.refuse_to_end_parent(identity, "become a replica")
            method = _replica(tx, who, identity.name, want)
            return settings.with_replica(identity, method, setting_id, now, world.policy)
        case WantByo() if own is not None:
            settings.refuse_to_end_parent(identity, "be moved to BYODKIM")
            change = settings.with_byodkim(identity, want, own.ref, setting_id, now, world.policy)
            if change.identity != identity:
                _stored(tx, own)
            return change
    raise ValueError("the customer's key was not gathered")


def _replica(tx: Tx, who: Principal, name: str, want: WantReplica) -> Replica:
    """The replica as it begins; whoever asks for it needs a permission on the parent."""
    parent = tx.identities.parent(who.account_id, want.region, name)
    return Replica(want.region, not permits(who.permissions, REPLICATE, name), parent)


async def put_dkim_attributes(
    world: World, who: Principal, command: PutDkimAttributes, now: datetime
) -> None:
    """Switches signing on or off; a switch only, status and keys stay as they are."""
    unknown = BadRequest(f"Domain {command.name} is not verified for DKIM signing.")
    if is_address(command.name):
        raise BadRequest(f"Domain {command.name.rpartition('@')[2]} is not verified for DKIM signing.")
    domain = parse_domain(command.name)

    def unit(tx: Tx) -> None:
        identity = tx.identities.load(who.account_id, who.region, domain)
        if identity is None:
            raise unknown
        if identity.signing_enabled == command.signing_enabled:
            return
        changed = replace(identity, signing_enabled=command.signing_enabled)
        word = "on" if command.signing_enabled else "off"
        apply_change(tx, world, Change(changed, (Event("signing", f"signing switched {word}"),)), now)

    await world.store.write(unit)


async def restart_search(world: World, who: Principal, name: str, now: datetime) -> Identity:
    """The identity with the 72 hours of its search begun again; one that is proven stays as it is.

    Raises NotFound.
    """
    domain = stored_name(name)

    def unit(tx: Tx) -> Identity:
        identity = load_identity(tx, who, domain, name)
        if identity.newest.proof.status is DkimStatus.SUCCESS:
            return identity
        change = Change(with_search_restarted(identity, now), (Event("restart", "search begun again"),))
        return apply_change(tx, world, change, now, check_now=True)

    identity = await world.store.write(unit)
    _wake(world)
    return identity


async def get_identity(world: World, who: Principal, name: str, now: datetime) -> Identity:
    """The identity as it stands; raises NotFound."""
    domain = stored_name(name)
    return await world.store.read(lambda tx: load_identity(tx, who, domain, name))


async def delete_identity(world: World, who: Principal, name: str, now: datetime) -> None:
    """Removes an identity; the keys it signed with stay published for mail on its way. Raises NotFound."""
    domain = stored_name(name)

    def unit(tx: Tx) -> None:
        identity = load_identity(tx, who, domain, name)
        settings.refuse_to_end_parent(identity, "be deleted")
        slots = rotation.with_domain_gone(identity.all_slots, now, world.policy)
        if not tx.identities.delete(replace(identity, slots=slots, ed25519=ed25519.Ed25519())):
            raise ConcurrentModification(f"Email identity {name} was changed at the same moment.")
        give_place_back(tx, who)
        forget_neighbours(tx, who, name)
        tx.addresses.forget_overrides(who.account_id, who.region, domain)
        due = rotation.next_due_at(slots, rotation.Wish(None), now)
        tx.slots.save(identity.account_id, identity.region, identity.name, slots, due)
        told = (Event("deleted", "identity deleted; keys that signed stay published"),)
        tx.events.append(identity.account_id, identity.region, identity.name, now, told)

    await world.store.write(unit)
    _wake(world)


def load_identity(tx: Tx, who: Principal, domain: str, name: str) -> Identity:
    """The stored identity; raises NotFound in SES's words."""
    identity = tx.identities.load(who.account_id, who.region, domain)
    if identity is None:
        raise NotFound(f"Email identity {name} does not exist.")
    return identity


def apply_change(tx: Tx, world: World, change: Change, now: datetime, *, check_now: bool = False) -> Identity:
    """The identity as stored after a change, with its due times and its lines of the timeline."""
    identity = change.identity
    due = due_times(identity, now, world.policy, world.jitter(), check_now=check_now)
    saved = tx.identities.save(identity, due)
    if saved is None:
        raise ConcurrentModification(f"Email identity {identity.name} was changed at the same moment.")
    if change.events:
        tx.events.append(identity.account_id, identity.region, identity.name, now, change.events)
    return saved


def with_wanted_key(tx: Tx, world: World, change: Change, now: datetime) -> Change:
    """The change with a fresh key placed where its settings want one and a slot is blank; and an Ed25519 key
    likewise, in slots that are made for it first."""
    identity = change.identity
    bits = rotation.key_wanted(identity.slots, wish_of(identity))
    slot = rotation.first_blank(identity.slots)
    if bits is not None and slot is not None:
        place = KeyPlace(identity.account_id, identity.region, identity.name, slot.token)
        key = take_key(tx, world, bits, place)
        placed = settings.with_fresh_key(identity, key, now, world.policy)
        change = Change(placed.identity, change.events + placed.events)
    return _with_ed25519_key(tx, world, change, now)


def _with_ed25519_key(tx: Tx, world: World, change: Change, now: datetime) -> Change:
    identity = change.identity
    if not wants_ed25519(identity, world.policy):
        return change
    home = KeyPlace(identity.account_id, identity.region, identity.name, "")
    if not identity.ed25519.slots:
        slots = new_slots(world, home, ed25519.FIRST_NUMBER, ed25519.COUNT)
        identity = replace(identity, ed25519=replace(identity.ed25519, slots=slots))
    bits = rotation.key_wanted(identity.ed25519.slots, ed25519.wish_of(identity.ed25519, wanted=True))
    slot = rotation.first_blank(identity.ed25519.slots)
    if bits is None or slot is None:
        return change
    key = take_key(tx, world, bits, replace(home, selector=slot.token))
    placed = settings.with_fresh_ed25519_key(identity, key, now)
    return Change(placed.identity, change.events + placed.events)


def _apply(
    tx: Tx, world: World, change: Change, now: datetime, *, refusal: Exception | None = None
) -> Identity:
    change = with_wanted_key(tx, world, change, now)
    try:
        return apply_change(tx, world, change, now, check_now=True)
    except ConcurrentModification:
        if refusal is not None:
            raise refusal from None
        raise


def _exists(name: str) -> str:
    return f"Email identity {name} already exist."


def _raise_if_exists(tx: Tx, who: Principal, domain: str, name: str) -> None:
    if tx.identities.load(who.account_id, who.region, domain) is not None:
        raise AlreadyExists(_exists(name))


async def _refuse_early(world: World, who: Principal, domain: str, command: CreateIdentity) -> None:
    """What the unit would refuse, refused before anything is made for it."""

    def unit(tx: Tx) -> None:
        _raise_if_exists(tx, who, domain, command.name)
        check_new_attributes(tx, who, command)

    await world.store.read(unit)


def new_slots(world: World, home: KeyPlace, first: int, count: int) -> Slots:
    """Slots of a domain that have never been published, their tokens for life."""
    return tuple(
        KeySlot(
            number,
            derive_token(world.token_secret, home.account_id, home.region, home.domain, number),
            world.zone_of(home.region),
        )
        for number in range(first, first + count)
    )


async def _own_key(
    world: World, who: Principal, domain: Domain, want: Wanted, now: datetime
) -> SealedKey | None:
    """The customer's key, sealed in its place; None for Easy DKIM."""
    if not isinstance(want, WantByo):
        return None
    place = KeyPlace(who.account_id, who.region, domain, want.selector.lower())
    return await sealed_own_key(world, place, want.private_key, now)


def _stored(tx: Tx, own: SealedKey | None) -> KeyRef | None:
    if own is None:
        return None
    tx.keys.put(own)
    return own.ref


def _wake(world: World) -> None:
    world.wake_publisher()
    world.wake_worker()
