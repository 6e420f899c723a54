"""One function an operation: what came in becomes a command, the use case runs, its result becomes a body.

Rule: nothing is decided here. Types and constraints are judged by `shapes` before the use case, which judges
the rest in its own order: form of the domain, existence, combination, once a day.
References: AWS SESv2 PutEmailIdentityDkimSigningAttributes and the other operations of `operations.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from mailseal.core.access import Principal
from mailseal.core.addressid import AddressIdentity, AddressStanding
from mailseal.core.commands import (
    CreateIdentity,
    ListIdentities,
    PutDkimAttributes,
    PutDkimSigning,
    SendEmail,
)
from mailseal.core.identity import Identity
from mailseal.core.stored import IdentitySummary
from mailseal.service import attributes, configure, identities, listing, send
from mailseal.service.admit import permit
from mailseal.service.attributes import Described
from mailseal.service.world import World
from mailseal.sesv2 import answers, neighbours, shapes
from mailseal.sesv2.asked import Asked, parameters
from mailseal.sesv2.jsontext import parse_json
from mailseal.sesv2.operations import SMALL_BODY, Operation

W = TypeVar("W")

NAMED_LATER = frozenset({Operation.CREATE_EMAIL_IDENTITY, Operation.SEND_EMAIL}) | neighbours.TAGGING
"""Operations whose identity is not in the path: the permission is asked for when it is known."""
READING = frozenset({Operation.GET_EMAIL_IDENTITY, Operation.LIST_EMAIL_IDENTITIES}) | neighbours.READING
MUTATING = frozenset(Operation) - READING
UNSTORED = frozenset({Operation.SEND_EMAIL})
"""Mutating operations that change nothing in the database, so that no transaction could hold their answer."""


class Page(Protocol):
    """What listing identities gives."""

    @property
    def items(self) -> Sequence[IdentitySummary]: ...
    @property
    def next_token(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class UseCases(Generic[W]):
    """The use cases behind this front end, as `service` has them; W is the world they work in."""

    create_identity: Callable[[W, Principal, CreateIdentity, datetime], Awaitable[identities.Either]]
    put_dkim_signing: Callable[[W, Principal, PutDkimSigning, datetime], Awaitable[Identity]]
    put_dkim_attributes: Callable[[W, Principal, PutDkimAttributes, datetime], Awaitable[None]]
    describe_identity: Callable[[W, Principal, str, datetime], Awaitable[Described]]
    list_identities: Callable[[W, Principal, ListIdentities, datetime], Awaitable[Page]]
    delete_identity: Callable[[W, Principal, str, datetime], Awaitable[None]]
    send_email: Callable[[W, Principal, SendEmail, datetime], Awaitable[str]]
    neighbours: Callable[[Asked[W]], Awaitable[bytes]]
    """Every operation on what stands beside identities."""


SERVICE: UseCases[World] = UseCases(
    create_identity=identities.create_identity,
    put_dkim_signing=configure.put_dkim_signing,
    put_dkim_attributes=identities.put_dkim_attributes,
    describe_identity=attributes.describe_identity,
    list_identities=listing.list_identities,
    delete_identity=identities.delete_identity,
    send_email=send.send_email,
    neighbours=neighbours.perform,
)


async def perform(use_cases: UseCases[W], asked: Asked[W]) -> bytes:
    """The body of the answer; raises a Refusal, or whatever fault there was."""
    world, who, now = asked.world, asked.who, asked.now
    if asked.operation not in NAMED_LATER:
        permit(who, asked.operation, asked.identity or None)
    match asked.operation:
        case Operation.GET_EMAIL_IDENTITY:
            found = await use_cases.describe_identity(world, who, asked.identity, now)
            return answers.identity(found.identity, found.beside)
        case Operation.PUT_DKIM_SIGNING_ATTRIBUTES:
            signing = shapes.put_dkim_signing(asked.identity, parse_json(asked.body))
            return answers.dkim_signing_put(await use_cases.put_dkim_signing(world, who, signing, now))
        case Operation.SEND_EMAIL:
            email = await _email(asked.body)
            return answers.sent(await use_cases.send_email(world, who, email, now))
        case Operation.CREATE_EMAIL_IDENTITY:
            new = shapes.create_identity(parse_json(asked.body))
            asked.names(new.name)
            permit(who, asked.operation, new.name)
            return answers.created(await use_cases.create_identity(world, who, new, now))
        case Operation.PUT_DKIM_ATTRIBUTES:
            switch = shapes.put_dkim_attributes(asked.identity, parse_json(asked.body))
            await use_cases.put_dkim_attributes(world, who, switch, now)
            return answers.NOTHING
        case Operation.DELETE_EMAIL_IDENTITY:
            await use_cases.delete_identity(world, who, asked.identity, now)
            return answers.NOTHING
        case Operation.LIST_EMAIL_IDENTITIES:
            wanted = _listing(asked)
            page = await use_cases.list_identities(world, who, wanted, now)
            return answers.page(page.items, page.next_token)
        case _:
            return await use_cases.neighbours(asked)


def answer_of(operation: Operation, result: object) -> bytes | None:
    """The body that a unit's result makes, None where that is not the operation's result.

    It has to be the body that `perform` gives, for it is what the same call made again gets.
    """
    match operation:
        case Operation.CREATE_EMAIL_IDENTITY:
            made = AddressStanding(result) if isinstance(result, AddressIdentity) else result
            return answers.created(made) if isinstance(made, Identity | AddressStanding) else None
        case Operation.PUT_DKIM_SIGNING_ATTRIBUTES:
            return answers.dkim_signing_put(result) if isinstance(result, Identity) else None
        case _:
            return answers.NOTHING if result is None else None


async def _email(body: bytes) -> SendEmail:
    if len(body) <= SMALL_BODY:
        return shapes.send_email(parse_json(body))
    # A quarter of a second for 40 MB: in a thread others get their turn in between.
    return await asyncio.to_thread(lambda: shapes.send_email(parse_json(body)))


def _listing(asked: Asked[W]) -> ListIdentities:
    if asked.method == "POST":
        return shapes.list_identities(parse_json(asked.body))
    return shapes.list_identities_by_query(parameters(asked.query))
