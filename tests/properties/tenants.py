"""Five accounts that own, lose and share six overlapping domains, and send by every door: who may sign what.

Rule: the model knows only what people did; whatever is signed outside of what it allows is a fault, and so is
an identity that shows SUCCESS and does not sign.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailseal.core.access import Principal
from mailseal.core.commands import (
    PutDkimAttributes,
    Recipients,
    SendEmail,
    SimpleMessage,
    TextContent,
)
from mailseal.core.errors import Refusal
from mailseal.core.identity import Identity, dkim_attributes
from mailseal.core.policies import PutPolicy
from mailseal.dkim.message import Message, parse_message
from mailseal.dkim.signature import parse_signature
from mailseal.service import attributes, configure, passing, send, submit
from mailseal.service.admit import Gate
from tests.fakes import fake_world, opened_store, pooled_key
from tests.unit.service.scenes import Scene
from tests.unit.service.test_spine import check_signature

ACCOUNTS = tuple(f"00000000000{number}" for number in range(1, 6))
ELSEWHERE = "the same account in another region"
REGIONS = ("us-east-1", "eu-west-1")
DOMAINS = (
    "example.com", "a.example.com", "b.a.example.com", "xample.com", "aexample.com",
    "example.com.example.net",
)  # fmt: skip
BELOW = ("", "", "", "deep.", "a.", "xn--a-0ga.")
OWN_KEY = base64.b64encode(pooled_key(3).to_pkcs8()).decode()

WHO = st.builds(
    Principal, st.sampled_from(ACCOUNTS), st.sampled_from(REGIONS[:1] * 4 + REGIONS), st.just("MSX")
)
PLACES = st.tuples(WHO, st.sampled_from(DOMAINS))
ANYBODY = 200
HELD = st.integers(0, 255)
"""Which of the holdings; from `ANYBODY` on anybody and any domain."""

REST = "Subject: x\r\nDate: x\r\nMessage-ID: <1@x>\r\n\r\nx\r\n"
DOORS = ("simple", "raw", "submission", "milter")


IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Holding:
    """What an account has said and done about one domain in one region."""

    selectors: set[str] = field(default_factory=set)
    enabled: bool = True
    published: bool = False
    checked: bool = False
    """Whether a check has run since all of its records have stood in the DNS."""


class Tenants(RuleBasedStateMachine):
    """The real use cases on a real database, and a model beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.parts = AsyncExitStack()
        self.holdings: dict[tuple[str, str, str], Holding] = {}
        self.standing: set[tuple[str, str, str]] = set()
        self.sent = self.signed = self.steps = 0

    @initialize(first=st.lists(PLACES, min_size=2, max_size=5))
    def begin(self, first: list[tuple[Principal, str]]) -> None:
        self.runner.run(self._begin())
        for who, domain in first:
            self.create(who, domain, own=False)
            self.publish(ANYBODY, (who, domain), work=False)
        self.check()

    async def _begin(self) -> None:
        folder = Path(self.parts.enter_context(tempfile.TemporaryDirectory(dir=IN_MEMORY)))
        store = await self.parts.enter_async_context(opened_store(folder))
        self.here = Scene(fake_world(store))
        self.here.dns.domains.update(DOMAINS)
        self.gate = Gate(None)

    def teardown(self) -> None:
        self.runner.run(self.parts.aclose())
        self.runner.close()

    def _place(self, which: int, anybody: tuple[Principal, str]) -> tuple[Principal, str]:
        """One of the holdings, or else anybody with any domain."""
        if which >= ANYBODY or not self.holdings:
            return anybody
        account_id, region, domain = sorted(self.holdings)[which % len(self.holdings)]
        return Principal(account_id, region, "MSX"), domain

    # What people do.

    @rule(who=WHO, domain=st.sampled_from(DOMAINS), own=st.booleans())
    def create(self, who: Principal, domain: str, own: bool) -> None:
        given = {"selector": f"s{who.account_id[-1]}", "private_key": OWN_KEY} if own else {}
        try:
            made = self.runner.run(self.here.create(domain.upper() if own else domain, who, **given))
        except Refusal:
            return
        assert self._key(who, domain) not in self.holdings
        held = self.holdings[self._key(who, domain)] = Holding()
        self._note_selectors(held, made)
        # What the owner published stands: the same account gets the same tokens again, and an own key's
        # record serves every region.
        tokens = dkim_attributes(made).tokens
        held.published = {(who.account_id, domain, token) for token in tokens} <= self.standing

    @rule(which=HELD, place=PLACES, own=st.booleans())
    def change(self, which: int, place: tuple[Principal, str], own: bool) -> None:
        who, domain = self._place(which, place)
        given = {"selector": f"s{who.account_id[-1]}", "private_key": OWN_KEY} if own else {}
        try:
            made = self.runner.run(self.here.put("EXTERNAL" if own else "AWS_SES", who, domain, **given))
        except Refusal:
            return
        self._note_selectors(self.holdings[self._key(who, domain)], made)

    @rule(which=HELD, place=PLACES, work=st.booleans())
    def publish(self, which: int, place: tuple[Principal, str], work: bool) -> None:
        who, domain = self._place(which, place)
        held = self.holdings.get(self._key(who, domain))
        if held is not None:
            self.runner.run(self.here.owner_publishes(who, domain))
            held.published = True
            tokens = dkim_attributes(self.runner.run(self.here.get(who, domain))).tokens
            self.standing.update((who.account_id, domain, token) for token in tokens)
            if work:
                self.check()

    @rule()
    def check(self) -> None:
        self.runner.run(self._check())
        for held in self.holdings.values():
            held.checked = held.checked or held.published

    async def _check(self) -> None:
        await self.here.work()
        await self.here.work(6)

    @rule(hours=st.sampled_from([1, 30]))
    def wait(self, hours: int) -> None:
        self.here.clock.advance(hours=hours)
        self.check()

    @rule(which=HELD, place=PLACES, enabled=st.booleans())
    def switch(self, which: int, place: tuple[Principal, str], enabled: bool) -> None:
        who, domain = self._place(which, place)
        command = PutDkimAttributes(domain, enabled)
        held = self.holdings.get(self._key(who, domain))
        try:
            self.runner.run(
                configure.put_dkim_attributes(self.here.world, who, command, self.here.clock.now())
            )
        except Refusal:
            assert held is None
            return
        assert held is not None
        held.enabled = enabled

    @rule(which=HELD, place=PLACES)
    def delete(self, which: int, place: tuple[Principal, str]) -> None:
        who, domain = self._place(which, place)
        held = self.holdings.pop(self._key(who, domain), None)
        try:
            self.runner.run(self.here.delete(who, domain))
        except Refusal:
            assert held is None

    @rule(who=WHO, domain=st.sampled_from(DOMAINS), friend=st.sampled_from(ACCOUNTS))
    def allow(self, who: Principal, domain: str, friend: str) -> None:
        """A policy that names another account gives it nothing."""
        text = f'{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{friend}"}},"Action":"ses:*"}}]}}'
        command = PutPolicy(domain, f"p{friend}", text)
        try:
            self.runner.run(attributes.create_policy(self.here.world, who, command, self.here.clock.now()))
        except Refusal:
            return

    # What they send.

    @rule(
        which=HELD,
        place=PLACES,
        below=st.sampled_from(BELOW),
        stranger=st.sampled_from((*ACCOUNTS, *[""] * 6, *[ELSEWHERE] * 2)),
    )
    def mail(self, which: int, place: tuple[Principal, str], below: str, stranger: str) -> None:
        """By every door, the owner of a domain or somebody else who says to be it."""
        who, domain = self._place(which, place)
        if stranger == ELSEWHERE:
            who = replace(who, region=REGIONS[who.region == REGIONS[0]])
        else:
            who = replace(who, account_id=stranger or who.account_id)
        for door in DOORS:
            self._mail(who, f"{below}{domain}", door)

    @invariant()
    def somebody_sends(self) -> None:
        """Whatever rules a run is made of, mail is sent all the time: hypothesis leaves rules out."""
        self.steps += 1
        chance = random.Random(self.steps)
        held = [chance.choice(sorted(self.holdings))] if self.holdings and chance.random() < 0.8 else []
        account_id, region, domain = (*held, (chance.choice(ACCOUNTS), REGIONS[0], chance.choice(DOMAINS)))[0]
        if chance.random() < 0.2:
            account_id = chance.choice(ACCOUNTS)
        if chance.random() < 0.15:
            region = chance.choice(REGIONS)
        who = Principal(account_id, region, "MSX")
        self._mail(who, chance.choice(BELOW) + domain, chance.choice(DOORS))

    def _mail(self, who: Principal, domain: str, door: str) -> None:
        author = f"News@{domain}"
        owner = self._signing_identity(who, domain)
        self.here.next_hop.given.clear()
        try:
            raw = self.runner.run(self._send(who, author, door))
        except Refusal:
            raw = None
        self.sent += 1
        if raw is None:
            assert not self.here.next_hop.given
            assert owner is None, f"{author} of {who.account_id} is proven and was refused"
        else:
            self._judge(author, parse_message(raw), owner, who)

    async def _send(self, who: Principal, author: str, door: str) -> bytes | None:
        """The message as it goes on; None where the door left it alone."""
        world, now = self.here.world, self.here.clock.now()
        to = Recipients(("you@example.net",))
        raw = f"From: {author}\r\nTo: you@example.net\r\n{REST}"
        match door:
            case "simple":
                content = SimpleMessage(TextContent("x"), text=TextContent("x"))
                await send.send_email(world, who, SendEmail(content, None, author, to), now)
            case "raw":
                await send.send_email(world, who, SendEmail(raw=raw.encode(), destination=to), now)
            case "submission":
                signed_in = submit.SignedIn(who, None)
                begun = await submit.begin_submission(world, self.gate, signed_in, author, now)
                hand_over = self.here.next_hop.begin(author)
                await hand_over.recipient("you@example.net")
                await submit.submit(world, who, begun, hand_over, raw.encode())
            case _:
                passed = await passing.sign_passing(world, who.account_id, who.region, raw.encode())
                return passed.fields + raw.encode() if passed.outcome is passing.Outcome.SIGNED else None
        return self.here.next_hop.given[-1][1]

    # What is right.

    def _judge(self, author: str, message: Message, owner: str | None, who: Principal) -> None:
        values = message.values(b"dkim-signature")
        assert bool(values) == (owner is not None), (author, who.account_id, owner)
        if not values:
            return
        (value,) = values
        self.signed += 1
        said = parse_signature(value)
        from_domain = author.partition("@")[2]
        assert from_domain == said.sdid or from_domain.endswith("." + said.sdid)
        held = self.holdings.get((who.account_id, who.region, said.sdid))
        assert held is not None, "signed for a domain that the account does not hold"
        assert held.enabled
        assert held.checked, "signed before its owner proved it"
        assert said.selector in held.selectors, "signed by a key of another place"
        assert said.sdid == owner
        check_signature(self.here, message.raw)

    def _signing_identity(self, who: Principal, domain: str) -> str | None:
        """The most specific identity of this account that shows itself proven, where it signs."""
        labels = domain.split(".")
        for start in range(len(labels) - 1):
            name = ".".join(labels[start:])
            if self._key(who, name) in self.holdings:
                identity = self.runner.run(self.here.get(who, name))
                if identity.signing is not None:
                    return name if dkim_attributes(identity).signing_enabled else None
        return None

    def _note_selectors(self, held: Holding, identity: Identity) -> None:
        held.selectors.update(dkim_attributes(identity).tokens)
        held.selectors.update(slot.token for slot in identity.slots)

    def _key(self, who: Principal, domain: str) -> tuple[str, str, str]:
        return (who.account_id, who.region, domain)
