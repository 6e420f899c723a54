"""Use cases: links for whoever runs a domain's DNS, made, listed, taken back and opened.

Rule: a link is opened for the one identity that it is of, to be read; why one does not open is told nobody.
References: docs/decisions/0021-share-links.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from mailseal.core import sharing
from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest, NotFound
from mailseal.core.identity import Event
from mailseal.core.names import is_address, stored_name
from mailseal.core.sharing import SHARE_PATH, ShareLink
from mailseal.service.configure import load_identity
from mailseal.service.handing import ToPublish, to_publish
from mailseal.service.world import Tx, World


@dataclass(frozen=True, slots=True)
class Shared:
    """A link with the URL that opens it."""

    link: ShareLink
    url: str


async def create_share_link(world: World, who: Principal, name: str, days: int, now: datetime) -> Shared:
    """A new link to the records of a domain; raises BadRequest, NotFound, LimitExceeded."""
    if is_address(name):
        raise BadRequest(f"{name} is an address and has no records to share.")
    lasts = sharing.parse_days(days)
    domain = stored_name(name)
    # To the second, as it is written: what is signed is what is shown.
    created = now.replace(microsecond=0)
    link_id = hashlib.sha256(world.new_id().encode()).hexdigest()[: sharing.ID_DIGITS]
    link = ShareLink(link_id, who.account_id, who.region, domain, created, created + lasts)

    def unit(tx: Tx) -> None:
        load_identity(tx, who, domain, name)
        tx.share_links.forget_ended(who.account_id, who.region, domain, now)
        sharing.check_count(len(tx.share_links.list(who.account_id, who.region, domain, now)))
        tx.share_links.add(link)
        told = Event("share", f"link for the DNS made, good until {link.expires_at:%Y-%m-%d %H:%M} UTC")
        tx.events.append(who.account_id, who.region, domain, now, (told,))

    await world.store.write(unit)
    return _shared(world, link)


async def list_share_links(world: World, who: Principal, name: str, now: datetime) -> Sequence[Shared]:
    """The links of a domain that have not ended; raises NotFound."""
    domain = stored_name(name)

    def unit(tx: Tx) -> Sequence[ShareLink]:
        load_identity(tx, who, domain, name)
        return tx.share_links.list(who.account_id, who.region, domain, now)

    return [_shared(world, link) for link in await world.store.read(unit)]


async def revoke_share_link(world: World, who: Principal, name: str, link_id: str, now: datetime) -> None:
    """Takes a link back; raises NotFound."""
    domain = stored_name(name)

    def unit(tx: Tx) -> None:
        if not tx.share_links.delete(who.account_id, who.region, domain, link_id):
            raise NotFound(f"{name} has no link of that id.", hint=f"mailseal identity share {name} --list")
        told = Event("share", "link for the DNS taken back")
        tx.events.append(who.account_id, who.region, domain, now, (told,))

    await world.store.write(unit)


async def open_share_link(world: World, name: str, token: str, now: datetime) -> ShareLink | None:
    """The link that a URL names by an identity and a token; None for whatever is none, or is over."""
    link_id = sharing.parse_token(token)
    link = await world.store.read(lambda tx: tx.share_links.load(link_id)) if link_id else None
    if link is None or not sharing.fits(world.token_secret, link, name, token, now):
        return None
    return link


@dataclass(frozen=True, slots=True)
class Seen:
    """What a link shows: what is to be published, and the stored reports of the last checks."""

    sheet: ToPublish
    report: str | None
    mail_from_report: str | None


async def seen_by(world: World, link: ShareLink, now: datetime) -> Seen:
    """What a link shows at this moment; raises NotFound where the identity is gone."""
    sheet = await to_publish(world, reader_of(link), link.name, now)
    setting_id = sheet.identity.newest.setting_id

    def unit(tx: Tx) -> Seen:
        kept = tx.evidence.latest(setting_id)
        beside = tx.mail_from.report(link.account_id, link.region, link.name)
        return Seen(sheet, kept[1] if kept else None, beside)

    return await world.store.read(unit)


def reader_of(link: ShareLink) -> Principal:
    """Who reads by a link: somebody of the identity's account and region, with no permission at all."""
    return Principal(link.account_id, link.region, f"share:{link.link_id}", sharing.NOTHING)


def _shared(world: World, link: ShareLink) -> Shared:
    token = sharing.format_token(world.token_secret, link)
    return Shared(link, f"{world.links.public_url}{SHARE_PATH}{quote(link.name)}/{token}")
