"""When our own eyes are not to be trusted: the figures of the circuit breaker, and the canary's verdict.

Rule: a fault of ours looks as if very many customers had made the same mistake at once, or as if our own name
were gone; while one of these holds nothing is held against anybody.
References: AWS SESv2 VerificationError; docs/decisions/0016-circuit-breaker.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from mailseal.core.lifecycle import Check, ErrorType, Evidence
from mailseal.core.observations import Observation, Outcome
from mailseal.core.verification import dissent_allowed

WINDOW = timedelta(minutes=10)
RECENT = timedelta(minutes=2)
_TURNED_AT_LEAST = 20
_SHARE = 0.2
_RECENT_AT_LEAST = 5


def trips(checked: int, turned: int) -> bool:
    """Whether so many proven identities that are suddenly not found are more likely a fault of ours.

    >>> trips(200, 20), trips(90, 20), trips(19, 19)
    (False, True, False)
    """
    return turned >= _TURNED_AT_LEAST and turned > checked * _SHARE


def recovers(recent: int, turned: int) -> bool:
    """Whether those looked at again in the last two minutes are found again."""
    return recent >= _RECENT_AT_LEAST and turned <= recent * _SHARE


def while_open(check: Check) -> Check:
    """What a check comes to while the breaker is open: what is found counts, what is not found is ours."""
    if check.evidence is Evidence.POSITIVE:
        return check
    return replace(check, evidence=Evidence.OURS, error_type=ErrorType.SERVICE_ERROR)


def canary_problem(seen: Sequence[Observation], zone: str) -> str | None:
    """What is wrong when a name that was never there is asked for in our zone; None where all is well.

    Well is a denial that our own zone gave: it cannot come from a cache, and not from a zone above.
    """
    failing = [(one, _canary_fault(one, zone)) for one in seen]
    dissent = [(one, fault) for one, fault in failing if fault]
    if not dissent:
        return None
    own = [fault for one, fault in failing if not one.asked.is_remote]
    if len(dissent) <= dissent_allowed(len(seen)) and (not own or "" in own):
        return None
    one, fault = dissent[0]
    return f"asked {one.asked.server} for a name in our zone {zone}: {fault}"


def _canary_fault(seen: Observation, zone: str) -> str:
    if seen.outcome in (Outcome.TEMPORARY, Outcome.BOGUS):
        return seen.detail or seen.rcode or "no answer"
    if seen.outcome is Outcome.ANSWER or seen.chain:
        return "an answer came for a name that does not exist"
    if seen.zone != zone:
        return f"the zone {seen.zone or '?'} denies it, so ours is not delegated"
    return ""
