"""Use cases about configuration sets: create, get, list, delete, and whether mail may be sent with one.

Rule: each is one transaction.
References: AWS SESv2 CreateConfigurationSet, AWS SESv2 GetConfigurationSet, AWS SESv2 ListConfigurationSets,
AWS SESv2 DeleteConfigurationSet; docs/divergences.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from mailseal.core import configsets
from mailseal.core.access import Principal
from mailseal.core.configsets import ConfigurationSet, ListConfigurationSets
from mailseal.core.errors import BadRequest
from mailseal.service import paging
from mailseal.service.world import Tx, World


@dataclass(frozen=True, slots=True)
class NamePage:
    """One page of names and the token of the next, None on the last."""

    names: tuple[str, ...]
    next_token: str | None


async def create_configuration_set(
    world: World, who: Principal, wanted: ConfigurationSet, now: datetime
) -> None:
    """Makes a configuration set; raises BadRequest, AlreadyExists."""
    configsets.check_new(wanted)

    def unit(tx: Tx) -> None:
        if tx.configuration_sets.load(who.account_id, who.region, wanted.name) is not None:
            raise configsets.exists_already(wanted.name)
        tx.configuration_sets.save(who.account_id, who.region, wanted)

    await world.store.write(unit)


async def get_configuration_set(world: World, who: Principal, name: str, now: datetime) -> ConfigurationSet:
    """The configuration set; raises NotFound."""
    return await world.store.read(lambda tx: load_configuration_set(tx, who, name))


async def delete_configuration_set(world: World, who: Principal, name: str, now: datetime) -> None:
    """Removes a configuration set, also from the identities that have it; raises NotFound."""

    def unit(tx: Tx) -> None:
        load_configuration_set(tx, who, name)
        tx.configuration_sets.delete(who.account_id, who.region, name)
        tx.attributes.leave_configuration_set(who.account_id, who.region, name)

    await world.store.write(unit)


async def list_configuration_sets(
    world: World, who: Principal, command: ListConfigurationSets, now: datetime
) -> NamePage:
    """One page of the account's configuration sets in the order of their names; raises BadRequest."""
    size = configsets.checked_page_size(command)
    part = command.name_contains
    bound = _bound_to(who, part)
    after = ""
    if command.next_token:
        opened = paging.opened(world, bound, command.next_token)
        if opened is None:
            raise BadRequest("invalid nextToken", hint="Send it back with the filter it was given for.")
        after = opened
    names = await world.store.read(
        lambda tx: tuple(
            tx.configuration_sets.list(who.account_id, who.region, after=after, contains=part, limit=size + 1)
        )
    )
    more = len(names) > size
    return NamePage(names[:size], paging.sealed(world, bound, names[size - 1]) if more else None)


def load_configuration_set(tx: Tx, who: Principal, name: str) -> ConfigurationSet:
    """The stored configuration set; raises NotFound in SES's words."""
    found = tx.configuration_sets.load(who.account_id, who.region, name)
    if found is None:
        raise configsets.no_such_set(name)
    return found


def check_sending_with(tx: Tx, who: Principal, name: str | None) -> None:
    """Raises NotFound, SendingPaused unless mail may be sent with that configuration set; None is none."""
    if name:
        configsets.check_sending(load_configuration_set(tx, who, name))


def _bound_to(who: Principal, part: str | None) -> bytes:
    parts = ("configuration sets", who.account_id, who.region, (part or "").lower())
    return hashlib.sha256("\0".join(parts).encode()).digest()
