"""What each path of the native API does: one function a call, over the use cases.

Rule: nothing is decided here; a body is read into a struct that refuses unknown members, and errors never
repeat what was sent.
References: docs/glossary.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from mailseal import __version__
from mailseal.core.addressid import AddressStanding
from mailseal.core.attributes import Neighbours
from mailseal.core.commands import (
    CreateIdentity,
    DkimAttributesInput,
    ListIdentities,
    PutDkimAttributes,
    PutDkimSigning,
)
from mailseal.core.errors import BadRequest
from mailseal.core.identity import Identity
from mailseal.core.names import is_address
from mailseal.native import doctor, handing, masterkeys, objects, shapes, zones
from mailseal.native.handing import Text
from mailseal.native.objects import Members
from mailseal.native.parameters import CONTAINS, EVENTS, FORMAT, LIMIT, NEXT, STATUS
from mailseal.native.routes import Call, Route
from mailseal.service import configure, identities, letter, listing, mailfrom, rotate, verify
from mailseal.service.admit import permit
from mailseal.service.beside import neighbours
from mailseal.service.following import servers_behind
from mailseal.service.handing import all_to_publish, to_publish
from mailseal.service.world import StoredEvent, Tx

EVENTS_SHOWN = 10
EVENTS_AT_MOST = 1000
T = TypeVar("T")


class DkimWish(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How an identity is to sign: a key length for Easy DKIM, or a selector and its private key."""

    key_bits: int | None = None
    selector: str | None = None
    private_key: str | None = None

    def __repr__(self) -> str:
        return "DkimWish(…)"


class NewIdentity(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that creates an identity."""

    identity: str
    dkim: DkimWish | None = None


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that changes an identity's settings; what is absent stays."""

    signing_enabled: bool | None = None
    dkim: DkimWish | None = None
    rotate_days: int | None = None
    """Days between rotations, 0 for never, -1 for as the installation does."""
    ed25519: Literal["on", "off", "default"] | None = None
    """Whether an Ed25519 key signs beside the RSA key; `default` for as the installation says."""


class Rotation(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that asks for a new key."""

    revoke_old_key: bool = False
    ed25519_only: bool = False


class Letter(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that asks for a message's signature; the whole message, in base64."""

    message: bytes


class MasterKeyChange(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that begins a change of the master key, or without `to` goes on with one."""

    to: str | None = None


async def list_identities(call: Call) -> Members:
    """One page of the account's identities."""
    wanted = ListIdentities(
        page_size=_number(call.query.get("limit", "100")),
        next_token=call.query.get("next"),
        name_contains=call.query.get("contains"),
        status=call.query.get("status"),
    )
    page = await listing.list_identities(call.world, call.who, wanted, call.now)
    return {"items": [objects.summary(row) for row in page.items], "next": page.next_token}


async def create_identity(call: Call) -> Members:
    """The identity that was created."""
    new = parsed(call.body, NewIdentity)
    permit(call.who, "CreateEmailIdentity", new.identity)
    command = CreateIdentity(new.identity, dkim=_wish(new.dkim) if new.dkim else None)
    return await _shown(call, await identities.create_identity(call.world, call.who, command, call.now))


async def get_identity(call: Call) -> Members:
    """All there is to say about one identity."""
    return await _shown(call, await identities.get_identity(call.world, call.who, call.name, call.now))


async def delete_identity(call: Call) -> Members:
    """Nothing but the name of what is gone."""
    await identities.delete_identity(call.world, call.who, call.name, call.now)
    return {"identity": call.name, "deleted": True}


async def put_settings(call: Call) -> Members:
    """The identity with the settings that were asked for."""
    wanted = parsed(call.body, Settings)
    if wanted.dkim is not None:
        origin = "EXTERNAL" if wanted.dkim.selector or wanted.dkim.private_key else "AWS_SES"
        command = PutDkimSigning(call.name, origin, _wish(wanted.dkim))
        await configure.put_dkim_signing(call.world, call.who, command, call.now)
    if wanted.signing_enabled is not None:
        switch = PutDkimAttributes(call.name, wanted.signing_enabled)
        await identities.put_dkim_attributes(call.world, call.who, switch, call.now)
    if wanted.rotate_days is not None:
        days = None if wanted.rotate_days == -1 else wanted.rotate_days
        await rotate.set_rotate_days(call.world, call.who, call.name, days, call.now)
    if wanted.ed25519 is not None:
        said = None if wanted.ed25519 == "default" else wanted.ed25519 == "on"
        await rotate.set_ed25519(call.world, call.who, call.name, said, call.now)
    return await get_identity(call)


async def get_records(call: Call) -> Members | Text:
    """What the domain's owner has to publish, as an object or in a tool's own format."""
    _refuse_address(call.name)
    found = await to_publish(call.world, call.who, call.name, call.now)
    word = call.query.get("format")
    return objects.records(found) if word is None else handing.written(found, word)


async def list_records(call: Call) -> Members | Text:
    """What the owners of all domains of the account have to publish: one page of it, or all in a format."""
    word = call.query.get("format")
    if word is not None:
        return handing.all_written(call.world, call.who, word, call.now)
    limit = _number(call.query.get("limit", "100"))
    page = await all_to_publish(call.world, call.who, call.query.get("next"), min(limit, 100), call.now)
    return {"items": [objects.records(found) for found in page.items], "next": page.next_token}


async def get_diagnosis(call: Call) -> Members:
    """What the last check came to: how the records stand, and each mistake by name with its next step."""
    found = await get_evidence(call)
    kept = ("identity", "account", "region", "dkim_status", "checked_at", "error_type", "diagnoses")
    return {name: found[name] for name in kept}


async def list_events(call: Call) -> Members:
    """The newest events of an identity, newest first."""
    found = await identities.get_identity(call.world, call.who, call.name, call.now)
    place = found.address if isinstance(found, AddressStanding) else found
    limit = _number(call.query.get("limit", "100"))
    kept = await call.world.store.read(
        lambda tx: tx.events.list(place.account_id, place.region, place.name, limit)
    )
    return {"identity": place.name, "items": objects.events_of(kept), "next": None}


async def check_identity(call: Call) -> Members:
    """What a check at this moment found."""
    await _identity(call)
    await verify.check_now(call.world, call.who, call.name, call.now)
    await mailfrom.check_now(call.world, call.who, call.name)
    return await get_evidence(call)


async def get_evidence(call: Call) -> Members:
    """What the last check found."""
    found = await _identity(call)
    setting_id = found.newest.setting_id

    def unit(tx: Tx) -> tuple[str | None, str | None]:
        kept = tx.evidence.latest(setting_id)
        return kept[1] if kept else None, tx.mail_from.report(found.account_id, found.region, found.name)

    report, mail_from_report = await call.world.store.read(unit)
    return objects.check(found, report, call.world.policy, mail_from_report)


async def rotate_identity(call: Call) -> Members:
    """The identity with a new key on its way; at once, and the old one revoked, where that was asked for."""
    wanted = parsed(call.body or b"{}", Rotation)
    found = await rotate.rotate_identity(
        call.world,
        call.who,
        call.name,
        call.now,
        revoke=wanted.revoke_old_key,
        ed25519_only=wanted.ed25519_only,
    )
    return await _shown(call, found)


async def retry_identity(call: Call) -> Members:
    """The identity with the search for its records begun again."""
    return await _shown(call, await identities.restart_search(call.world, call.who, call.name, call.now))


async def installation(call: Call) -> Members:
    """How this installation stands."""
    world = call.world
    counted = await world.store.read(_counted)
    levels = await world.store.read(lambda tx: dict(tx.keys.stock_levels()))
    return {
        "version": __version__,
        "hosted_zone": world.hosted_zone,
        "serial": await world.store.read(lambda tx: tx.zone.serial(world.hosted_zone)),
        "regions": list(world.regions),
        "account": call.who.account_id,
        "identities": counted,
        "stock": {str(bits): levels.get(bits, 0) for bits in sorted(world.stock_target)},
        "stock_target": {str(bits): wanted for bits, wanted in sorted(world.stock_target.items())},
        "now": objects.rfc3339(call.now),
    }


async def sign_message(call: Call) -> Members:
    """The DKIM-Signature fields for the top of a message, which is neither kept nor sent."""
    given = parsed(call.body, Letter)
    return {"fields": (await letter.sign_letter(call.world, call.who, given.message)).decode("ascii")}


async def examine(call: Call) -> Members:
    """What the doctor finds."""
    return await doctor.examined(call.world, call.who, call.now)


async def list_zones(call: Call) -> Members:
    """Our zones and the servers that carry them."""
    return await zones.listed(call.world, call.who, call.now)


async def show_master_key(call: Call) -> Members:
    """Which master key seals, and what has not moved to it yet."""
    return await masterkeys.show(call.world, call.who)


async def change_master_key(call: Call) -> Members:
    """The same, after some of what has to move has moved."""
    wanted = parsed(call.body, MasterKeyChange)
    return await masterkeys.change(call.world, call.who, wanted.to, call.now)


_IDENTITY = ("GetEmailIdentity",)
_SIGNING = ("PutEmailIdentityDkimSigningAttributes",)

ROUTES = (
    Route(
        "GET", "installation", "ShowInstallation", installation, shapes.Installation, actions=("GetAccount",)
    ),
    Route("POST", "sign", "SignMessage", sign_message, shapes.Signed, Letter),
    Route("POST", "doctor", "Examine", examine, shapes.Examination),
    Route("GET", "zones", "ListZones", list_zones, shapes.ZoneList),
    Route("GET", "master-key", "ShowMasterKey", show_master_key, shapes.MasterKey),
    Route("POST", "master-key", "ChangeMasterKey", change_master_key, shapes.MasterKey, MasterKeyChange),
    Route(
        "GET",
        "identities",
        "ListIdentities",
        list_identities,
        shapes.IdentityPage,
        query=(LIMIT, NEXT, CONTAINS, STATUS),
        actions=("ListEmailIdentities",),
    ),
    Route("POST", "identities", "CreateIdentity", create_identity, shapes.AnyIdentity, NewIdentity),
    Route(
        "GET",
        "identities/{identity}",
        "ShowIdentity",
        get_identity,
        shapes.AnyIdentity,
        query=(EVENTS,),
        actions=_IDENTITY,
    ),
    Route(
        "PUT",
        "identities/{identity}",
        "SetIdentity",
        put_settings,
        shapes.AnyIdentity,
        Settings,
        actions=(*_SIGNING, "PutEmailIdentityDkimAttributes"),
    ),
    Route(
        "DELETE",
        "identities/{identity}",
        "DeleteIdentity",
        delete_identity,
        shapes.Deleted,
        actions=("DeleteEmailIdentity",),
    ),
    Route(
        "GET",
        "identities/{identity}/records",
        "ShowRecords",
        get_records,
        shapes.Records,
        query=(FORMAT,),
        actions=_IDENTITY,
    ),
    Route(
        "GET",
        "records",
        "ListRecords",
        list_records,
        shapes.RecordsPage,
        query=(LIMIT, NEXT, FORMAT),
        actions=("ListEmailIdentities", *_IDENTITY),
    ),
    Route(
        "GET", "identities/{identity}/evidence", "ShowEvidence", get_evidence, shapes.Check, actions=_IDENTITY
    ),
    Route(
        "GET",
        "identities/{identity}/diagnosis",
        "ShowDiagnosis",
        get_diagnosis,
        shapes.Diagnosed,
        actions=_IDENTITY,
    ),
    Route(
        "GET",
        "identities/{identity}/events",
        "ListEvents",
        list_events,
        shapes.Timeline,
        query=(LIMIT,),
        actions=_IDENTITY,
    ),
    Route(
        "POST",
        "identities/{identity}/check",
        "CheckIdentity",
        check_identity,
        shapes.Check,
        actions=_IDENTITY,
    ),
    Route(
        "POST",
        "identities/{identity}/rotate",
        "RotateIdentity",
        rotate_identity,
        shapes.AnyIdentity,
        Rotation,
        actions=_SIGNING,
    ),
    Route(
        "POST",
        "identities/{identity}/retry",
        "RetryIdentity",
        retry_identity,
        shapes.AnyIdentity,
        actions=_SIGNING,
    ),
)


def _counted(tx: Tx) -> dict[str, int]:
    """How many identities have each status, domains and addresses together."""
    counted = Counter(tx.identities.count_by_status())
    counted.update(tx.addresses.count_by_status())
    return dict(counted)


async def _identity(call: Call) -> Identity:
    """The domain that a call is about; raises BadRequest for an address, which has no records."""
    _refuse_address(call.name)
    return await configure.get_identity(call.world, call.who, call.name, call.now)


def _refuse_address(name: str) -> None:
    if is_address(name):
        raise BadRequest(
            f"{name} is an address and has no records: the link in a mail proves it.",
            hint="Its domain has records, if it is an identity.",
        )


async def _shown(call: Call, found: identities.Either) -> Members:
    """The identity's object with its newest events, all of them where `events=all` was asked for."""
    limit = EVENTS_AT_MOST if call.query.get("events") == "all" else EVENTS_SHOWN

    def unit(tx: Tx) -> tuple[Neighbours, tuple[StoredEvent, ...], tuple[str, ...]]:
        events = tx.events.list(place.account_id, place.region, place.name, limit)
        return neighbours(tx, call.who, place.name), tuple(events), servers_behind(tx, call.world)

    place = found.address if isinstance(found, AddressStanding) else found
    beside, events, late = await call.world.store.read(unit)
    if isinstance(found, AddressStanding):
        return objects.address(found, beside, events, call.now)
    return objects.identity(found, beside, events, call.now, call.world.policy, late)


def _wish(wish: DkimWish) -> DkimAttributesInput:
    if wish.key_bits not in (None, 1024, 2048):
        raise BadRequest("key_bits must be 1024 or 2048.")
    return DkimAttributesInput(wish.selector, wish.private_key, wish.key_bits)


def parsed(body: bytes, form: Callable[..., T]) -> T:
    """The body in its form; raises BadRequest with what is wrong and where, never with what was sent."""
    decoder: Any = msgspec.json.Decoder(form)
    try:
        found: T = decoder.decode(body or b"{}")
    except msgspec.DecodeError as fault:
        raise BadRequest(f"The body does not fit: {fault}.") from None
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1000):
        raise BadRequest("limit must be a number from 1 to 1000.")
    return int(text)
