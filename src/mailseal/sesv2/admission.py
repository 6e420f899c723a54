"""Who sent a signed request, and its body: the one way in for both APIs of SES.

Rule: the signature's form, date and scope → the access key → the body → the signature. Nothing of a request
is acted on before its signature is proven; of bodies no more is read than their sender may send.
References: AWS Signature Version 4; docs/decisions/0010-access.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mailseal.core.access import AccessKey, Principal, check_region
from mailseal.service import admit
from mailseal.service.world import World
from mailseal.sesv2 import intake, sigv4

LONGEST_INVOCATION_ID = 128


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it was received, its body not yet read."""

    target: sigv4.Target
    headers: sigv4.Headers
    at: datetime

    def invocation_id(self) -> str:
        """What an SDK names a call by over all its attempts; empty where it does not."""
        for name, value in self.headers:
            if name == b"amz-sdk-invocation-id" and len(value) <= LONGEST_INVOCATION_ID:
                return value.decode("latin-1")
        return ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who sent a request, proven, and its whole body."""

    who: Principal
    body: intake.Body
    key: AccessKey | None
    """None for a sandbox's guest."""


class Admission:
    """One for a process: the memory for bodies, the secrets and the accounts' rates are shared."""

    def __init__(self, world: World, gate: admit.Gate | None = None) -> None:
        self._world = world
        self._gate = gate or admit.Gate()
        self._derived = sigv4.DerivedKeys()
        self.room = intake.Room()

    async def admitted(self, arrived: Arrived, receive: intake.Receive, body_limit: int) -> Admitted:
        """The request's sender and body; raises a NotAuthenticated, BodyTooLarge, BadRequest, Unavailable."""
        claim = sigv4.parse_claim(arrived.headers, arrived.target.query)
        sigv4.check_service(claim)
        check_region(claim.region, self._world.regions)
        sigv4.check_time(claim, arrived.at)
        key = await self._gate.find(self._world, claim.access_key_id)
        length = intake.declared_length(arrived.headers)
        aside = intake.check_length(length, body_limit, key is not None)
        body = intake.EMPTY
        if aside:
            await self.room.take(aside)
        try:
            if aside:
                body = await intake.read_body(receive, aside)
            proves = partial(self._proves, claim, arrived, body)
            who = self._gate.admit(key, claim.access_key_id, claim.region, proves)
        finally:
            if aside:
                self.room.give_back(aside)
        return Admitted(who, body, key)

    def within_rate(self, admitted: Admitted, at: datetime) -> None:
        """Raises TooManyRequests where the sender's account has asked too often of late."""
        self._gate.within_rate(admitted.key, admitted.who.region, at)

    def _proves(self, claim: sigv4.Claim, arrived: Arrived, body: intake.Body, secret: str) -> bool:
        derived = self._derived.derived(secret, claim.date, claim.region)
        return sigv4.proves(claim, arrived.target, arrived.headers, body.sha256, derived)


def new_request_id() -> str:
    """A random (version 4) UUID, without the seven microseconds that Python's class for it takes."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
