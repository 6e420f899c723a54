"""Use case: sign a letter that passes through the operator's own MTA, which keeps it and sends it on.

Rule: a letter passes unsigned only where a decision says so, and the decision has a name; whatever else
happens is a fault, for which the MTA has to keep the letter and try again.
References: RFC 6376 §5, RFC 5322 §2.1.1; milter SMFIR_INSHEADER.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from mailseal.core.addresses import AddressRefused, from_mailbox
from mailseal.dkim.message import MessageRefused, parse_message
from mailseal.service.signing import LARGE, find_signature, refusals_noted, sign_fields
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


async def sign_passing(world: World, account_id: str, region: str, raw: bytes) -> Passed:
    """The signature for a letter that a client of this account hands in, or why it passes without one."""
    with refusals_noted(world):
        passed = await _passed(world, account_id, region, raw)
    if passed.outcome is not Outcome.SIGNED:
        world.signing_noted(passed.outcome)
    return passed


async def _passed(world: World, account_id: str, region: str, raw: bytes) -> Passed:
    author = ""
    try:
        message = await asyncio.to_thread(parse_message, raw) if len(raw) > LARGE else parse_message(raw)
        box = from_mailbox(message)
        author = str(box)
        signature = await find_signature(world, account_id, region, box)
        if signature is None:
            return Passed(Outcome.NO_IDENTITY, author=author, detail=_NO_IDENTITY)
        if signature.key is None:
            return Passed(Outcome.SWITCHED_OFF, author=author, detail=_SWITCHED_OFF)
        at = world.clock.real_now()
        fields = await sign_fields(world, signature, message, at, added_later=ADDED_LATER)
        return Passed(Outcome.SIGNED, fields, author)
    except AddressRefused as refused:
        return Passed(Outcome.NO_SINGLE_AUTHOR, detail=str(refused))
    except MessageRefused as refused:
        return Passed(_outcome_of(refused), author=author, detail=str(refused))


def _outcome_of(refused: MessageRefused) -> Outcome:
    match refused.code:
        case "line_too_long":
            return Outcome.LINE_TOO_LONG
        case "from_count":
            return Outcome.NO_SINGLE_AUTHOR
        case _:
            return Outcome.READ_IN_TWO_WAYS
