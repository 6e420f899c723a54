"""The world as the use cases see it: one value that holds every neighbour, and the Protocols they satisfy.

Rule: service knows neighbours by these Protocols only; nothing here does anything. A *unit* is a small
synchronous function of a transaction that may be run again, so that the transaction is its only effect.
References: docs/decisions/0002-units-and-group-commit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from mailseal.core.access import AccessKey, Account
from mailseal.core.addressid import AddressIdentity
from mailseal.core.envelope import (
    Busy,
    Declined,
    Envelope,
    HandedOver,
    MailAnswer,
    NoAnswer,
    RecipientAnswer,
)
from mailseal.core.identity import Event, Identity, Parent
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.limits import Rate
from mailseal.core.mailfrom import MailFromHosts
from mailseal.core.observations import AuthorityReport, Observation, Question
from mailseal.core.policy import Policy
from mailseal.core.rotation import KeySlot, Slots
from mailseal.core.stored import (
    DueCheck,
    DueSlots,
    DueTimes,
    EventPlace,
    IdentityQuery,
    IdentitySummary,
    SealedKey,
    StoredEvent,
)
from mailseal.core.suffixes import NO_SUFFIXES, PublicSuffixes
from mailseal.dkim.sign import DEFAULT as SIGN_OPTIONS
from mailseal.dkim.sign import SignOptions
from mailseal.service.besiderows import AttributeRows, ConfigurationSets, MailFromRows, PolicyRows
from mailseal.service.breaker import Breaker
from mailseal.service.custody import KeyMaker, Keyring, Keys, RetiredKeys
from mailseal.service.lentrows import BearerTokens, ShareLinks
from mailseal.service.operators import Operators
from mailseal.service.rates import Rates
from mailseal.service.surroundings import Surroundings
from mailseal.service.zones import NameServers, NoOthers, Zone, ZoneServers

__all__ = [
    "AccessKeys",
    "Addresses",
    "Answers",
    "AuthorityReport",
    "Busy",
    "Clock",
    "Declined",
    "DueCheck",
    "DueSlots",
    "DueTimes",
    "Envelope",
    "Events",
    "Evidence",
    "HandOver",
    "HandedOver",
    "Identities",
    "IdentityQuery",
    "IdentitySummary",
    "Installation",
    "KeyMaker",
    "Keyring",
    "Keys",
    "Links",
    "MailAnswer",
    "NameServers",
    "NextHop",
    "NoAnswer",
    "RecipientAnswer",
    "Resolver",
    "SealedKey",
    "SlotRows",
    "Store",
    "StoredEvent",
    "Tx",
    "World",
    "Zone",
    "ZoneServers",
]

T = TypeVar("T")


class Identities(Protocol):
    """Identities with their settings; slots are loaded with them and saved with them."""

    def load(self, account_id: str, region: str, name: str) -> Identity | None: ...

    def save(self, identity: Identity, due: DueTimes) -> Identity | None:
        """The identity with its new version, or None where the stored row is not at `identity.version`.

        Version 0 inserts (None where the name exists). Keys of the domain that neither a setting nor a slot
        refers to any more are erased; owner names whose answer changed are marked for publication.
        """

    def parent(self, account_id: str, region: str, name: str) -> Parent:
        """The identity of that name and region as a replica in another region sees it."""

    def delete(self, identity: Identity) -> bool:
        """Removes identity and settings, saves its slots; False where the version is not the stored one."""

    def list(self, query: IdentityQuery) -> Sequence[IdentitySummary]: ...

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueCheck]: ...

    def release(self, now: datetime, until: datetime) -> int:
        """How many were under a lease that ends after `now` and until then; they are due at once."""

    def set_check_due(self, account_id: str, region: str, name: str, at: datetime) -> None:
        """Makes every live setting of an identity due at `at` at the latest."""

    def next_due_at(self) -> datetime | None:
        """The earliest time at which a check or slots are due, leases respected."""

    def backlog(self, now: datetime, at_most: int) -> tuple[int, datetime | None]: ...

    def count_by_status(self) -> Mapping[str, int]: ...

    def count_in(self, account_id: str, region: str, status: DkimStatus, at_most: int) -> int:
        """How many of one account and region stand so; counting ends at `at_most`."""

    def search(self, query: IdentityQuery, at_most: int) -> tuple[Sequence[IdentitySummary], str | None]:
        """As `list`, looking at that many names only; then the last name looked at, None at the end."""


class Addresses(Protocol):
    """Address identities, the links that prove them, and signing switches of single addresses."""

    def load(self, account_id: str, region: str, name: str) -> AddressIdentity | None: ...

    def save(self, address: AddressIdentity) -> None: ...

    def delete(self, account_id: str, region: str, name: str) -> bool: ...

    def list(self, query: IdentityQuery) -> Sequence[IdentitySummary]: ...

    def count_by_status(self) -> Mapping[str, int]: ...

    def count_in(self, account_id: str, region: str, status: DkimStatus, at_most: int) -> int: ...

    def search(self, query: IdentityQuery, at_most: int) -> tuple[Sequence[IdentitySummary], str | None]: ...

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[AddressIdentity]: ...

    def release(self, now: datetime, until: datetime) -> int: ...

    def next_due_at(self) -> datetime | None: ...

    def hold(self, address: AddressIdentity, lease_until: datetime) -> None: ...

    def add_link(self, token_hash: bytes, address: AddressIdentity) -> None: ...

    def by_link(self, token_hash: bytes, now: datetime) -> AddressIdentity | None: ...

    def override(self, account_id: str, region: str, name: str, enabled: bool | None) -> None:
        """Says for one address, identity or not, whether it is signed for; None takes that back."""

    def overridden(self, account_id: str, region: str, name: str) -> bool | None: ...

    def forget_overrides(self, account_id: str, region: str, domain: str) -> None: ...


class SlotRows(Protocol):
    """Key slots; they belong to (account, region, domain) and outlive the identity."""

    def load(self, account_id: str, region: str, domain: str) -> Slots | None:
        """All slots of a domain, those for Ed25519 keys behind those of Easy DKIM."""

    def save(self, account_id: str, region: str, domain: str, slots: Slots, due_at: datetime | None) -> None:
        """Like Identities.save for the slots alone (an identity that is gone)."""

    def find(self, owner: str) -> KeySlot | None:
        """The slot that is published at an owner name."""

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueSlots]: ...

    def release(self, now: datetime, until: datetime) -> int: ...


class Events(Protocol):
    """The event log; each change of state appends to it in its own transaction."""

    def append(
        self, account_id: str, region: str, name: str, at: datetime, events: Collection[Event]
    ) -> None: ...

    def list(self, account_id: str, region: str, name: str, limit: int) -> Sequence[StoredEvent]:
        """The newest events, newest first."""

    def newest(
        self, account_id: str, region: str, before: EventPlace | None, limit: int
    ) -> Sequence[tuple[EventPlace, StoredEvent]]:
        """The newest events of all identities of an account and region, behind `before`."""


class Evidence(Protocol):
    """What the last checks of a setting saw, as bounded JSON text."""

    def save(self, setting_id: str, at: datetime, report: str) -> None: ...

    def latest(self, setting_id: str) -> tuple[datetime, str] | None: ...


class AccessKeys(Protocol):
    """Accounts and their access keys, secrets sealed."""

    def add_account(self, account_id: str, now: datetime) -> None: ...

    def accounts(self) -> Sequence[str]: ...

    def account(self, account_id: str) -> Account | None: ...

    def set_account(self, account: Account) -> bool:
        """Whether there is such an account; it has this label and these limits from now on."""

    def places_taken(self, account_id: str, region: str) -> int:
        """How many identities of every kind the account has; each one made or deleted says so below."""

    def take_place(self, account_id: str, region: str) -> None: ...

    def give_place_back(self, account_id: str, region: str) -> None: ...

    def add(self, key: AccessKey, sealed_secret: bytes, now: datetime) -> None: ...

    def load(self, access_key_id: str) -> tuple[AccessKey, bytes] | None:
        """The key without its secret but with its account's limits, and the sealed secret."""

    def look_up(self, access_key_id: str) -> tuple[AccessKey, bytes, bool]:
        """As `load`, and True; where there is no such key a decoy with an empty sealed secret, and False.

        It takes the same time either way.
        """

    def list(self, account_id: str) -> Sequence[AccessKey]: ...

    def list_not_under(self, head: bytes, after: str, limit: int) -> Sequence[tuple[str, bytes]]:
        """Keys by their ids, with their sealed secrets, that do not begin with `head`."""

    def reseal(self, access_key_id: str, before: bytes, sealed: bytes) -> None: ...

    def set_enabled(self, access_key_id: str, enabled: bool) -> bool: ...

    def delete(self, access_key_id: str) -> bool: ...


class Installation(Protocol):
    """A few named values of the installation: sealed secrets, the master key's check value."""

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, value: bytes) -> None: ...

    def values(self) -> Mapping[str, bytes]: ...

    def delete(self, name: str) -> None: ...


class Answers(Protocol):
    """Answers to mutating calls, so that the same call made again gets the same answer."""

    def load(
        self, access_key_id: str, invocation_id: str, request_hash: str, now: datetime
    ) -> bytes | None: ...

    def save(
        self,
        access_key_id: str,
        invocation_id: str,
        request_hash: str,
        answer: bytes,
        now: datetime,
        until: datetime,
    ) -> bool:
        """Whether the answer is kept; False where the call has one that counts at `now`."""

    def forget_before(self, now: datetime, at_most: int) -> int: ...


class Tx(Protocol):
    """One transaction, cut by what is stored."""

    @property
    def identities(self) -> Identities: ...
    @property
    def addresses(self) -> Addresses: ...
    @property
    def slots(self) -> SlotRows: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def retired_keys(self) -> RetiredKeys: ...
    @property
    def zone(self) -> Zone: ...
    @property
    def zone_servers(self) -> ZoneServers: ...
    @property
    def events(self) -> Events: ...
    @property
    def evidence(self) -> Evidence: ...
    @property
    def access_keys(self) -> AccessKeys: ...
    @property
    def installation(self) -> Installation: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def attributes(self) -> AttributeRows: ...
    @property
    def policies(self) -> PolicyRows: ...
    @property
    def mail_from(self) -> MailFromRows: ...
    @property
    def configuration_sets(self) -> ConfigurationSets: ...
    @property
    def operators(self) -> Operators: ...
    @property
    def share_links(self) -> ShareLinks: ...
    @property
    def bearer_tokens(self) -> BearerTokens: ...


class Store(Protocol):
    """The database. `write` answers after the COMMIT is durable; a unit may be run more than once.

    `read_kept` may give what it found for the same key before, as long as nothing was committed since.
    """

    async def read(self, unit: Callable[[Tx], T]) -> T: ...

    async def read_kept(self, key: Hashable, unit: Callable[[Tx], T]) -> T: ...

    async def write(self, unit: Callable[[Tx], T]) -> T: ...


class Resolver(Protocol):
    """Asks the DNS; every outcome is a value."""

    async def ask_authorities(self, domain: str, questions: Sequence[Question]) -> AuthorityReport: ...

    async def ask_vantages(self, questions: Sequence[Question]) -> tuple[Observation, ...]: ...

    async def look_up(self, questions: Sequence[Question]) -> tuple[Observation, ...]:
        """One observation for each question, of the first vantage that has a usable answer."""


class HandOver(Protocol):
    """A message on its way to the next hop, whose recipients are answered for one by one."""

    async def recipient(self, address: str) -> RecipientAnswer: ...

    async def message(self, message: bytes) -> MailAnswer:
        """What became of it for the recipients that were taken: all of them or none; ends it."""

    async def abandon(self) -> None:
        """Ends it without a message; may be called twice."""


class NextHop(Protocol):
    """The operator's MTA, or a Maildir."""

    async def hand_over(self, envelope: Envelope, message: bytes) -> MailAnswer: ...

    def begin(
        self, mail_from: str, *, size: int = 0, is_8bit: bool = False, needs_utf8: bool = False
    ) -> HandOver:
        """A hand-over that begins; size in octets, 0 where nobody knows."""


class Clock(Protocol):
    """Two clocks: `now` drives due times, status and rotation and can be moved in a sandbox; `real_now` is
    for signatures (t=, x=), Date and SigV4."""

    def now(self) -> datetime: ...

    def real_now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Links:
    """How the links that prove addresses reach their readers; `mail_from` is the operator's own address."""

    public_url: str
    mail_from: str
    operator_account: str


def _nobody_hears(*told: object) -> None:
    """An alarm or a count where nobody listens."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything a use case may touch; made in `app.py`, passed to each."""

    store: Store
    keyring: Keyring
    key_maker: KeyMaker
    resolver: Resolver
    next_hop: NextHop
    clock: Clock
    policy: Policy
    hosted_zone: str
    mail_from_hosts: MailFromHosts
    links: Links
    regions: tuple[str, ...]
    token_secret: bytes = field(repr=False)
    stock_target: Mapping[int, int]
    """How many keys of each length are to wait in the stock."""
    new_id: Callable[[], str]
    """A new unguessable id, text."""
    jitter: Callable[[], float]
    """A number between -1 and 1."""
    wake_publisher: Callable[[], None]
    wake_worker: Callable[[], None]
    region_zones: Mapping[str, str] = field(default_factory=dict)
    """Hosted zones of regions that have one of their own."""
    lenient_private_key: bool = False
    alarm: Callable[[str, str], None] = _nobody_hears
    """Tells the operator what has to be looked into at once: about whom, and what."""
    refill_per_minute: int = 0
    """How many keys this process makes for the stock a minute; 0 for as many as it can."""
    stock_missed: Callable[[int], None] = _nobody_hears
    """Counts a call that found no key of that length in the stock."""
    signing_noted: Callable[[str], None] = _nobody_hears
    """Counts what became of signing one message; each door has its own."""
    name_servers: NameServers = field(default_factory=NoOthers)
    suffixes: PublicSuffixes = NO_SUFFIXES
    breaker: Breaker = field(default_factory=Breaker)
    own_key_rate: Rate | None = None
    """How many keys of its own an account may bring; None for as many as it likes."""
    own_keys: Rates = field(default_factory=Rates)
    sign_options: SignOptions = SIGN_OPTIONS
    operator_domain: str = ""
    """The operator's own identity that signs every message too, below its sender; empty: none does."""
    surroundings: Surroundings | None = None
    """What the doctor looks at; None where there is nothing around."""

    def zone_of(self, region: str) -> str:
        """The hosted zone into which new identities of a region point."""
        return self.region_zones.get(region, self.hosted_zone)
