"""One function an action: its parameters become a command, the use case runs, its result becomes XML.

Rule: nothing is decided here; the use cases are those of the API v2, so one state machine stands behind both.
References: AWS SES API Reference (2010-12-01).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailseal.core.access import Principal
from mailseal.core.commands import SendEmail
from mailseal.core.errors import NotFound
from mailseal.service import addresses, identities, listing, mailfrom, send
from mailseal.service.admit import permit
from mailseal.service.standings import Standing, standings, verify_domain, verify_domain_dkim
from mailseal.service.world import World
from mailseal.sesv1 import answers, shapes
from mailseal.sesv1.errors import ConfigurationSetDoesNotExist, InvalidAction, MissingAction
from mailseal.sesv1.forms import parse_tree
from mailseal.sesv1.shapes import Action
from mailseal.sesv1.unserved import UNSERVED

VERSION = "2010-12-01"
SERVED = frozenset(action.value for action in Action)
SENDING = frozenset({Action.SEND_EMAIL, Action.SEND_RAW_EMAIL})
READING = frozenset(
    {
        Action.GET_DKIM_ATTRIBUTES,
        Action.GET_VERIFICATION_ATTRIBUTES,
        Action.GET_MAIL_FROM_ATTRIBUTES,
        Action.LIST_IDENTITIES,
        Action.GET_SEND_QUOTA,
    }
)
_ATTRIBUTES: dict[Action, tuple[str, Callable[[Sequence[Standing]], answers.Content]]] = {
    Action.GET_DKIM_ATTRIBUTES: ("DkimAttributes", answers.dkim_attributes),
    Action.GET_VERIFICATION_ATTRIBUTES: ("VerificationAttributes", answers.verification_attributes),
    Action.GET_MAIL_FROM_ATTRIBUTES: ("MailFromDomainAttributes", answers.mail_from_attributes),
}
_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """One admitted request: by whom, when, for what."""

    world: World
    who: Principal
    now: datetime
    action: Action
    pairs: dict[str, str]
    names: Callable[[str], None]
    """Is told the identity's name, for the request's line."""


def action_of(pairs: dict[str, str]) -> Action:
    """The action that a request asks for; raises MissingAction, InvalidAction."""
    name, version = pairs.get("Action", ""), pairs.get("Version", VERSION)
    if not name:
        raise MissingAction("Missing Action", hint="The parameter Action names what is to be done.")
    if name in UNSERVED and version == VERSION:
        raise InvalidAction(f"Mailseal does not serve {name}.")
    if name not in SERVED or version != VERSION:
        raise InvalidAction(f"Could not find operation {name[:64]} for version {version[:64]}")
    return Action(name)


async def perform(asked: Asked) -> bytes:
    """The result in the answer; raises a Refusal, or whatever fault there was."""
    world, who, now, action = asked.world, asked.who, asked.now, asked.action
    given = await _parameters(asked)
    if action in _ATTRIBUTES:
        return await _attributes(asked, given["Identities"])
    if action in SENDING:
        return await _send(asked, given)
    name = given.get("Domain") or given.get("EmailAddress") or given.get("Identity")
    if name is not None:
        asked.names(name)
    permit(who, action, name)
    match action:
        case Action.LIST_IDENTITIES:
            page = await listing.list_identities(world, who, shapes.list_identities(given), now)
            return answers.result(action, *answers.page(page.items, page.next_token))
        case Action.GET_SEND_QUOTA:
            return answers.send_quota()
        case Action.VERIFY_DOMAIN_DKIM:
            tokens = await verify_domain_dkim(world, who, given["Domain"], now)
            return answers.result(action, ("DkimTokens", answers.members(tokens)))
        case Action.VERIFY_DOMAIN_IDENTITY:
            token = await verify_domain(world, who, given["Domain"], now)
            return answers.result(action, ("VerificationToken", token))
        case Action.VERIFY_EMAIL_IDENTITY:
            await addresses.verify_address(world, who, given["EmailAddress"], now)
        case Action.VERIFY_EMAIL_ADDRESS:
            await addresses.verify_address(world, who, given["EmailAddress"], now)
            return b""
        case Action.SET_DKIM_ENABLED:
            await identities.put_dkim_attributes(world, who, shapes.put_dkim_attributes(given), now)
        case Action.SET_MAIL_FROM_DOMAIN:
            await mailfrom.put_mail_from(world, who, shapes.put_mail_from(given), now)
        case Action.DELETE_IDENTITY:
            await _delete(asked, given["Identity"])
    return answers.result(action)


async def _parameters(asked: Asked) -> dict[str, Any]:
    def parsed() -> dict[str, Any]:
        return shapes.parameters(asked.action, parse_tree(asked.pairs))

    if sum(map(len, asked.pairs.values())) <= _LARGE:
        return parsed()
    return await asyncio.to_thread(parsed)


async def _attributes(asked: Asked, names: Sequence[str]) -> bytes:
    for name in names:
        permit(asked.who, asked.action, name)
    if len(names) == 1:
        asked.names(names[0])
    member, told = _ATTRIBUTES[asked.action]
    found = await standings(asked.world, asked.who, names)
    return answers.result(asked.action, (member, told(found)))


async def _send(asked: Asked, given: dict[str, Any]) -> bytes:
    raw = asked.action is Action.SEND_RAW_EMAIL
    command: SendEmail = shapes.send_raw_email(given) if raw else shapes.send_email(given)
    try:
        message_id = await send.send_email(asked.world, asked.who, command, asked.now)
    except NotFound as refused:
        raise ConfigurationSetDoesNotExist(refused.message, hint=refused.hint) from None
    return answers.result(asked.action, ("MessageId", message_id))


async def _delete(asked: Asked, name: str) -> None:
    """Removes the identity; what is not there is removed already."""
    with suppress(NotFound):
        await identities.delete_identity(asked.world, asked.who, name, asked.now)
