"""The owners of the domains: they ask for rotations and other methods, and publish what they are asked to.

Rule: an owner publishes a while after being asked, never takes a record away, and uses a selector once; each
change is waited for until mail is signed with what was asked for.
References: AWS SESv2 PutEmailIdentityDkimSigningAttributesRequest.
"""

from __future__ import annotations

import asyncio
import base64
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mailseal.sandbox.zones import CustomerZones
from tests.fakes import pooled_key
from tests.faults.zero_gap.installation import Calls
from tests.faults.zero_gap.tally import Tally

CHANGES_WITHIN_S = 150.0
LOOKS_EVERY_S = 0.8
LONGEST_DELAY_S = 2.0
POOLED = 4


@dataclass
class Owner:
    """A domain, and how often it has changed to a key of its own."""

    name: str
    tokens: list[str] = field(default_factory=list)
    own_keys: int = 0

    @property
    def path(self) -> str:
        """Of the identity in SES's API."""
        return f"/v2/email/identities/{self.name}"

    @property
    def native(self) -> str:
        """Of the identity in the native API."""
        return f"/mailseal/v1/identities/{self.name}"

    def names(self) -> list[str]:
        """Names of key records that are in use, were in use, or will be next."""
        own = [f"own{number}" for number in range(max(1, self.own_keys - 1), self.own_keys + 2)]
        return [f"{selector}._domainkey.{self.name}" for selector in (*self.tokens, *own)]


class Owners:
    """All owners, and what they share."""

    def __init__(self, calls: Calls, zones: CustomerZones, tally: Tally, chance: random.Random) -> None:
        self._calls = calls
        self._zones = zones
        self._tally = tally
        self._chance = chance

    async def open(self, owner: Owner) -> None:
        """The domain with Easy DKIM, its records published and proven."""
        bits = {"DkimSigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"}}
        await self._change("POST", "/v2/email/identities", {"EmailIdentity": owner.name, **bits}, known=400)
        owner.tokens = [slot["token"] for slot in (await self._look(owner))["slots"]]
        await self._publish(owner)
        await self._until(owner, lambda found: bool(found["may_send"]), "to be proven")

    async def live(self, owner: Owner, steps: Sequence[str]) -> None:
        """One change after the other."""
        for step in steps:
            await asyncio.sleep(self._chance.uniform(0, LONGEST_DELAY_S))
            await {"rotate": self._rotate, "own": self._own, "easy": self._easy}[step](owner)
            self._tally.add(f"done_{step}")

    async def _rotate(self, owner: Owner) -> None:
        before = (await self._look(owner))["signed_with"]["selector"]
        await self._change("POST", f"{owner.native}/rotate", {})
        await self._until(owner, lambda found: _selector(found) not in ("", before), "a new key")

    async def _own(self, owner: Owner) -> None:
        """A key of the owner's under a selector that was never used."""
        owner.own_keys += 1
        selector = f"own{owner.own_keys}"
        number = (owner.own_keys + zlib.crc32(owner.name.encode())) % POOLED
        private = base64.b64encode(pooled_key(number, 1024).to_pkcs8()).decode()
        signing = {"DomainSigningSelector": selector, "DomainSigningPrivateKey": private}
        await self._put(owner, {"SigningAttributesOrigin": "EXTERNAL", "SigningAttributes": signing})
        await self._publish(owner)
        await self._until(owner, lambda found: _selector(found) == selector, selector)

    async def _easy(self, owner: Owner) -> None:
        await self._put(owner, {"SigningAttributesOrigin": "AWS_SES"})
        await self._nudge(owner)
        await self._until(owner, lambda found: _selector(found) in owner.tokens, "Easy DKIM")

    async def _put(self, owner: Owner, body: dict[str, Any]) -> None:
        await self._change("PUT", f"/v1/email/identities/{owner.name}/dkim/signing", body)

    async def _publish(self, owner: Owner) -> None:
        """What the owner does who was given records: they stand, a while later."""
        answered, _ = await self._calls.call("GET", f"{owner.native}/records")
        assert answered.status == 200, answered
        await asyncio.sleep(self._chance.uniform(0, LONGEST_DELAY_S))
        for record in answered.body["records"]:
            self._zones.set_record(record["name"], record["type"], [record["value"]])
        await self._nudge(owner)

    async def _nudge(self, owner: Owner) -> None:
        """Mostly the owner asks for a check at once; else it comes by itself."""
        if self._chance.random() < 0.7:
            await self._change("POST", f"{owner.native}/check", {})

    async def _look(self, owner: Owner) -> dict[str, Any]:
        answered, _ = await self._calls.call("GET", owner.native)
        assert answered.status == 200, answered
        return answered.body

    async def _change(self, method: str, path: str, body: dict[str, Any], *, known: int = 200) -> None:
        """A change that was accepted; `known` is what a repeated one gives that was done before."""
        answered, again = await self._calls.call(method, path, body)
        assert answered.status == 200 or (again and answered.status == known), f"{method} {path} → {answered}"

    async def _until(self, owner: Owner, holds: Any, what: str) -> None:
        """Returns when the identity is as awaited; fails after a while, with what it was instead."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CHANGES_WITHIN_S
        while True:
            found = await self._look(owner)
            if holds(found):
                return
            assert loop.time() < until, f"{owner.name} waits for {what}: {found}"
            await asyncio.sleep(LOOKS_EVERY_S)


def _selector(found: dict[str, Any]) -> str:
    signed = found["signed_with"]
    return str(signed["selector"]) if signed else ""
