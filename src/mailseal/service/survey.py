"""Use case: what an operator's list of identities shows, page by page, those that need somebody first.

Rule: a page costs the same among ten identities and among a million: rows are found by an index, counts end
at a limit, and a search looks at a bounded number of names.
References: AWS SESv2 ListEmailIdentitiesRequest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailseal.core.access import Principal
from mailseal.core.addressid import AddressStanding
from mailseal.core.identity import Identity
from mailseal.core.lifecycle import DkimStatus
from mailseal.service.addresses import standing_of
from mailseal.service.world import IdentityQuery, IdentitySummary, Tx, World

PAGE = 25
COUNTED_AT_MOST = 20_000
SEARCHED_AT_MOST = 50_000

URGENCY = (
    DkimStatus.TEMPORARY_FAILURE,
    DkimStatus.FAILED,
    DkimStatus.PENDING,
    DkimStatus.NOT_STARTED,
    DkimStatus.SUCCESS,
)
"""Who needs somebody first."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place behind which a page begins: the last row's name, and in the order of urgency its status."""

    name: str = ""
    status: DkimStatus | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be listed; with a search, or where it is asked for, in the order of names."""

    contains: str = ""
    status: DkimStatus | None = None
    by_name: bool = False
    after: Cursor = Cursor()


@dataclass(frozen=True, slots=True)
class Row:
    """One identity with what its last check saw, as JSON."""

    name: str
    status: DkimStatus
    found: Identity | AddressStanding | None
    """None where it went while the page was made."""
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """A page of the list."""

    rows: tuple[Row, ...]
    following: Cursor | None
    """Behind the last row; None where nothing follows."""
    is_cut: bool = False
    """Whether the page ended because enough names were looked at."""


async def survey(world: World, who: Principal, wanted: Wanted) -> Survey:
    """One page of the account's identities in its region."""
    return await world.store.read(lambda tx: _survey(tx, who, wanted))


async def counts(world: World, who: Principal) -> Mapping[DkimStatus | None, int | None]:
    """How many stand how; the whole under None, and None where there are too many to count.

    All but the verified are counted; those are what is left of the whole, which is kept up to date.
    """

    def unit(tx: Tx) -> Mapping[DkimStatus | None, int | None]:
        whole = tx.access_keys.places_taken(who.account_id, who.region)
        found: dict[DkimStatus | None, int | None] = {None: whole}
        for status in URGENCY[:-1]:
            place = (who.account_id, who.region, status, COUNTED_AT_MOST)
            number = tx.identities.count_in(*place) + tx.addresses.count_in(*place)
            found[status] = None if number >= COUNTED_AT_MOST else number
        others = [number for status, number in found.items() if status is not None]
        known = [number for number in others if number is not None]
        found[DkimStatus.SUCCESS] = max(0, whole - sum(known)) if len(known) == len(others) else None
        return found

    return await world.store.read(unit)


async def places_taken(world: World, account_id: str) -> Mapping[str, int]:
    """How many identities an account has in each region that is served."""
    return await world.store.read(
        lambda tx: {region: tx.access_keys.places_taken(account_id, region) for region in world.regions}
    )


def _survey(tx: Tx, who: Principal, wanted: Wanted) -> Survey:
    if wanted.contains:
        return _searched(tx, who, wanted)
    rows = _listed(tx, who, wanted)
    more = len(rows) > PAGE
    shown = rows[:PAGE]
    by_urgency = not wanted.by_name and wanted.status is None
    last = Cursor(shown[-1].name, shown[-1].status if by_urgency else None) if more else None
    return Survey(tuple(_row(tx, who, one) for one in shown), last)


def _listed(tx: Tx, who: Principal, wanted: Wanted) -> list[IdentitySummary]:
    """A page and one row more."""
    if wanted.by_name or wanted.status is not None:
        return _both(tx, who, wanted.after.name, wanted.status, PAGE + 1)
    found: list[IdentitySummary] = []
    begins = URGENCY.index(wanted.after.status) if wanted.after.status else 0
    for place, status in enumerate(URGENCY[begins:]):
        after = wanted.after.name if place == 0 else ""
        found += _both(tx, who, after, status, PAGE + 1 - len(found))
        if len(found) > PAGE:
            break
    return found


def _both(tx: Tx, who: Principal, after: str, status: DkimStatus | None, limit: int) -> list[IdentitySummary]:
    """Domains and addresses in the order of their names."""
    query = IdentityQuery(who.account_id, who.region, after, limit, status=status)
    found = [*tx.identities.list(query), *tx.addresses.list(query)]
    return sorted(found, key=lambda one: one.name)[:limit]


def _searched(tx: Tx, who: Principal, wanted: Wanted) -> Survey:
    query = IdentityQuery(
        who.account_id, who.region, wanted.after.name, PAGE + 1, wanted.contains, wanted.status
    )
    domains, domains_end = tx.identities.search(query, SEARCHED_AT_MOST)
    addresses, addresses_end = tx.addresses.search(query, SEARCHED_AT_MOST)
    horizon = min((end for end in (domains_end, addresses_end) if end is not None), default=None)
    found = sorted((*domains, *addresses), key=lambda one: one.name)
    if len(found) > PAGE:
        shown = found[:PAGE]
        return Survey(tuple(_row(tx, who, one) for one in shown), Cursor(shown[-1].name))
    shown = [one for one in found if horizon is None or one.name <= horizon]
    cut = None if horizon is None else Cursor(horizon)
    return Survey(tuple(_row(tx, who, one) for one in shown), cut, is_cut=cut is not None)


def _row(tx: Tx, who: Principal, one: IdentitySummary) -> Row:
    place = (who.account_id, who.region, one.name)
    if one.kind != "DOMAIN":
        address = tx.addresses.load(*place)
        return Row(one.name, one.status, None if address is None else standing_of(tx, address))
    identity = tx.identities.load(*place)
    if identity is None:
        return Row(one.name, one.status, None)
    kept = tx.evidence.latest(identity.newest.setting_id)
    return Row(one.name, one.status, identity, kept[1] if kept else None)
