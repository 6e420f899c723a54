"""Stand-ins for the world's edges, as data: a clock, a scripted DNS, a next hop that keeps what it was given.

Rule: a fake is filled before it is asked; what nobody scripted fails the test by name. No fake pretends to be
part of Mailseal: the store is the real one on a file, the keyring is the real one.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from mailseal.core.envelope import Declined, Envelope, HandedOver, MailAnswer, RecipientTaken
from mailseal.core.mailfrom import MailFromHosts
from mailseal.core.observations import (
    Asked,
    AuthorityReport,
    Observation,
    Outcome,
    Question,
    RecordType,
    SoaRecord,
    Stage,
)
from mailseal.core.policy import Policy
from mailseal.dkim.keys import PrivateKey, generate_private_key
from mailseal.sealing import Keyring, master_key_of
from mailseal.service.world import Links, World
from mailseal.store.postgresql import PostgresqlStore
from mailseal.store.sqlite import SqliteStore

START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
HOSTED_ZONE = "dkim.mx.example.net"
MASTER_KEY = bytes(range(32))
_POOL = 4


@dataclass
class FakeClock:
    """A clock that stands until it is moved; both of its readings are the same."""

    at: datetime = START

    def now(self) -> datetime:
        """Where the clock stands."""
        return self.at

    def real_now(self) -> datetime:
        """The same."""
        return self.at

    def advance(self, **by: float) -> datetime:
        """Moves the clock forward, by what `timedelta` takes; gives where it stands then."""
        self.at += timedelta(**by)
        return self.at


@dataclass
class ScriptedDns:
    """A DNS with the records it was given, seen alike by authorities and resolvers.

    A name below one of `domains` without a record does not exist; a name elsewhere fails the test. Names in
    `silent` answer nobody. `zone_text` says what our own hosted zone gives; it denies every canary.
    """

    domains: set[str] = field(default_factory=set)
    cnames: dict[str, str] = field(default_factory=dict)
    texts: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    exchanges: dict[str, tuple[str, ...]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    is_dead: bool = False
    """Whether nobody gets any answer."""
    zone_text: Callable[[str], bytes | None] = lambda owner: None
    asked: list[Question] = field(default_factory=list)

    async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> AuthorityReport:
        """What the one name server of the domain says."""
        seen = tuple(
            self._answer(question, Stage.AUTHORITY, f"ns1.{domain} 192.0.2.1") for question in questions
        )
        soa = SoaRecord(f"ns1.{domain}", f"hostmaster.{domain}", 1, 60)
        return AuthorityReport(domain, soa, seen)

    async def ask_vantages(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        """What the one resolver says."""
        return tuple(self._answer(question, Stage.VANTAGE, "udp://127.0.0.1:53") for question in questions)

    async def look_up(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        """What the one resolver says."""
        return await self.ask_vantages(questions)

    def publish(self, owner: str, value: str | bytes) -> None:
        """A CNAME where `value` is text, a TXT where it is bytes."""
        if isinstance(value, bytes):
            self.texts[owner] = (value,)
        else:
            self.cnames[owner] = value

    def _answer(self, question: Question, stage: Stage, server: str) -> Observation:
        name = question.name
        seen = Observation(question, Asked(stage, server), Outcome.ANSWER, rcode="NOERROR", ttl=60)
        if self.is_dead:
            return replace(seen, outcome=Outcome.TEMPORARY, rcode="", ttl=None, detail="no answer")
        if name.endswith(f"._canary.{HOSTED_ZONE}"):
            return replace(seen, outcome=Outcome.NXDOMAIN, ttl=None, zone=HOSTED_ZONE)
        self.asked.append(question)
        if name in self.silent:
            return replace(seen, outcome=Outcome.TEMPORARY, rcode="", ttl=None, detail="no answer")
        if name.endswith(HOSTED_ZONE):
            return self._ours(seen)
        if not any(name == domain or name.endswith(f".{domain}") for domain in self.domains):
            raise AssertionError(f"nobody scripted {question.type} {name}")
        if name in self.cnames:
            return self._alias(replace(seen, chain=(self.cnames[name],)))
        if question.type is RecordType.TXT and name in self.texts:
            return replace(seen, texts=self.texts[name])
        if question.type is RecordType.MX and name in self.exchanges:
            return replace(seen, names=self.exchanges[name])
        is_known = name in self.texts or name in self.exchanges
        absent = Outcome.NODATA if is_known else Outcome.NXDOMAIN
        return replace(seen, outcome=absent, ttl=None, negative_ttl=60)

    def _ours(self, seen: Observation) -> Observation:
        text = self.zone_text(seen.question.name)
        return replace(seen, outcome=Outcome.NODATA) if text is None else replace(seen, texts=(text,))

    def _alias(self, seen: Observation) -> Observation:
        if seen.question.type is RecordType.CNAME:
            return seen
        text = self.zone_text(seen.chain[-1])
        return replace(seen, texts=(text,)) if text is not None else replace(seen, outcome=Outcome.NXDOMAIN)


@dataclass
class KeepingNextHop:
    """A next hop that keeps every message, or gives the answers it was told to, in turn."""

    answers: list[MailAnswer] = field(default_factory=list)
    given: list[tuple[Envelope, bytes]] = field(default_factory=list)

    async def hand_over(self, envelope: Envelope, message: bytes) -> MailAnswer:
        """The next scripted answer, else that it took the message; only then the message is kept."""
        answer = self.answers.pop(0) if self.answers else HandedOver("250 2.0.0 kept")
        if isinstance(answer, HandedOver):
            self.given.append((envelope, message))
        return answer

    def begin(
        self, mail_from: str, *, size: int = 0, is_8bit: bool = False, needs_utf8: bool = False
    ) -> KeepingHandOver:
        """A hand-over whose message comes here."""
        return KeepingHandOver(self, mail_from)


@dataclass
class KeepingHandOver:
    """A hand-over recipient by recipient; whoever is called nobody@ is refused."""

    hop: KeepingNextHop
    mail_from: str
    recipients: list[str] = field(default_factory=list)
    is_abandoned: bool = False

    async def recipient(self, address: str) -> RecipientTaken | Declined:
        """Taken, but for nobody."""
        if address.startswith("nobody@"):
            return Declined(permanent=True, answer="550 5.1.1 no such user")
        self.recipients.append(address)
        return RecipientTaken()

    async def message(self, message: bytes) -> MailAnswer:
        """The hop's next answer."""
        return await self.hop.hand_over(Envelope(self.mail_from, tuple(self.recipients)), message)

    async def abandon(self) -> None:
        """Remembers it."""
        self.is_abandoned = True


def pooled_key(number: int = 0, bits: int = 2048) -> PrivateKey:
    """One of a few real keys, made once for the whole run."""
    assert 0 <= number < _POOL
    return _made_once(number, bits)


@cache
def _made_once(number: int, bits: int) -> PrivateKey:
    return generate_private_key(bits)


@dataclass
class PoolKeyMaker:
    """Gives out the pool's keys in turn, so that no test waits for a key; a test that needs more keys than
    the pool has sees some again."""

    made: list[int] = field(default_factory=list)

    async def make(self, bits: int) -> PrivateKey:
        """The pool's next key of that length."""
        self.made.append(bits)
        return pooled_key(len(self.made) % _POOL, bits)


def counted_ids(prefix: str = "id") -> Callable[[], str]:
    """A maker of ids that are different and the same in every run: id-1, id-2 …"""
    numbers: Iterator[int] = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers)}"


def fake_keyring() -> Keyring:
    """A real keyring on a master key that everybody knows."""
    return Keyring(master_key_of(MASTER_KEY, "the tests' master key"))


@asynccontextmanager
async def opened_store(folder: Path) -> AsyncIterator[SqliteStore | PostgresqlStore]:
    """A real database in that folder, closed at the end; on PostgreSQL where that file names one."""
    url = folder / "postgresql.url"
    if url.is_file():
        store = await PostgresqlStore.open(url.read_text(), folder=folder)
    else:
        store = SqliteStore.open(folder / "mailseal.db", holder="a test")
    try:
        yield store
    finally:
        await store.close()


def fake_world(store: SqliteStore, **parts: Any) -> World:
    """A world around a real database and keyring, every edge a fake; `parts` replaces what it names."""
    dns = ScriptedDns(zone_text=lambda owner: _text_at(store, owner))
    world = World(
        store=store,
        keyring=fake_keyring(),
        key_maker=PoolKeyMaker(),
        resolver=dns,
        next_hop=KeepingNextHop(),
        clock=FakeClock(),
        policy=Policy(),
        hosted_zone=HOSTED_ZONE,
        mail_from_hosts=MailFromHosts("feedback.mx.example.net", "spf.mx.example.net"),
        links=Links("http://127.0.0.1:8080", "no-reply@mx.example.net", "000000000001"),
        regions=("us-east-1", "eu-west-1"),
        token_secret=b"the tests' installation secret..",
        stock_target={2048: 2, 1024: 1},
        new_id=counted_ids(),
        jitter=lambda: 0.0,
        wake_publisher=lambda: None,
        wake_worker=lambda: None,
    )
    return replace(world, **parts)


def _text_at(store: SqliteStore, owner: str) -> bytes | None:
    answer = store.served.look_up(HOSTED_ZONE, owner)
    return None if answer is None else answer.text
