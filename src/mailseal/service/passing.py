"""Use case: sign a letter that passes through the operator's own MTA, which keeps it and sends it on.

Rule: a letter passes unsigned only where a decision says so, and the decision has a name; whatever else
happens is a fault, for which the MTA has to keep the letter and try again. Where the database does not
answer, what it said of this sender within the last hour holds.
References: RFC 6376 §5, RFC 5322 §2.1.1; milter SMFIR_INSHEADER.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from mailseal.core.addresses import AddressRefused, Mailbox, from_mailbox
from mailseal.core.errors import Unavailable
from mailseal.dkim.message import MessageRefused, parse_message
from mailseal.service.remembered import Remembered, sender_of
from mailseal.service.signing import LARGE, Signature, find_signature, refusals_noted, sign_fields
from mailseal.service.world import World

ADDED_LATER = frozenset((b"date", b"message-id", b"to"))
"""What an MTA adds behind its milters where it is absent: Postfix the first two, `To` if it was told to."""


class Outcome(StrEnum):
    """What became of a letter; all but the first pass unsigned."""

    SIGNED = "signed"
    NO_SINGLE_AUTHOR = "no_single_author"
    NO_IDENTITY = "no_identity"
    SWITCHED_OFF = "switched_off"
    LINE_TOO_LONG = "line_too_long"
    READ_IN_TWO_WAYS = "read_in_two_ways"


_NO_IDENTITY = "From is of no proven identity of the account"
_SWITCHED_OFF = "DKIM is switched off, or only the address was proven"


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of a letter, with the DKIM-Signature fields for its top."""

    outcome: Outcome
    fields: bytes = b""
    author: str = ""
    detail: str = ""
    is_remembered: bool = False
    """Whether the database did not answer, and what it said before was held to."""


async def sign_passing(
    world: World, account_id: str, region: str, raw: bytes, remembered: Remembered | None = None
) -> Passed:
    """The signature for a letter that a client of this account hands in, or why it passes without one."""
    with refusals_noted(world):
        passed = await _passed(world, account_id, region, raw, remembered)
    if passed.outcome is not Outcome.SIGNED:
        world.signing_noted(passed.outcome)
    return passed


async def _passed(
    world: World, account_id: str, region: str, raw: bytes, remembered: Remembered | None
) -> Passed:
    author = ""
    try:
        message = await asyncio.to_thread(parse_message, raw) if len(raw) > LARGE else parse_message(raw)
        box = from_mailbox(message)
        author = str(box)
        signature, is_remembered = await _found(world, account_id, region, box, remembered)
        if signature is None:
            return Passed(Outcome.NO_IDENTITY, author=author, detail=_NO_IDENTITY)
        if signature.key is None:
            return Passed(Outcome.SWITCHED_OFF, author=author, detail=_SWITCHED_OFF)
        at = world.clock.real_now()
        fields = await sign_fields(world, signature, message, at, added_later=ADDED_LATER)
        return Passed(Outcome.SIGNED, fields, author, is_remembered=is_remembered)
    except AddressRefused as refused:
        return Passed(Outcome.NO_SINGLE_AUTHOR, detail=str(refused))
    except MessageRefused as refused:
        return Passed(_outcome_of(refused), author=author, detail=str(refused))


async def _found(
    world: World, account_id: str, region: str, box: Mailbox, remembered: Remembered | None
) -> tuple[Signature | None, bool]:
    """Who signs for a sender, and whether that is only remembered; raises what the database raised."""
    if remembered is None:
        return await find_signature(world, account_id, region, box), False
    sender = sender_of(account_id, region, box)
    try:
        async with asyncio.timeout(remembered.patience_s):
            found = await find_signature(world, account_id, region, box)
    except (Unavailable, OSError):
        known = remembered.recall(sender, world.clock.real_now())
        if known is None:
            raise
        return known, True
    remembered.keep(sender, found, world.clock.real_now())
    return found, False


def _outcome_of(refused: MessageRefused) -> Outcome:
    match refused.code:
        case "line_too_long":
            return Outcome.LINE_TOO_LONG
        case "from_count":
            return Outcome.NO_SINGLE_AUTHOR
        case _:
            return Outcome.READ_IN_TWO_WAYS
