"""One record that is not right, with all that was seen around it: what the rules of the diagnosis look at.

Rule: a view of observations; nothing is judged here but whether an answer is usable.
References: RFC 1034 §3.6.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mailseal.core.advice import WORDS, Code, Severity
from mailseal.core.names import misplaced_mail_from, misplaced_names
from mailseal.core.observations import (
    Observation,
    Outcome,
    Question,
    RecordType,
    SoaRecord,
    Stage,
    Trouble,
    printable,
)
from mailseal.core.providers import Provider, provider_of
from mailseal.core.suffixes import NO_SUFFIXES, PublicSuffixes
from mailseal.core.verification import ABSENT, ExpectedRecord, Finding, RecordReport

UNUSABLE = frozenset({Outcome.TEMPORARY, Outcome.BOGUS})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the observations of a check."""

    domain: str
    our_zones: tuple[str, ...]
    """Every zone that we serve, the one that new identities get first."""
    zone: str | None = None
    """The apex of the zone whose servers answered; None where they could not be asked."""
    soa: SoaRecord | None = None
    left_out: str = ""
    """Why servers of the domain were not asked, in the resolver's words."""
    troubles: frozenset[Trouble] = frozenset()
    known_targets: frozenset[str] = frozenset()
    """Of the targets that were seen in our zones, those that are or were somebody's."""
    suffixes: PublicSuffixes = NO_SUFFIXES

    @property
    def own_zone(self) -> str:
        """The zone that the owner's records go into."""
        return self.domain if self.zone is None or self.is_suffix(self.zone) else self.zone

    def is_suffix(self, name: str | None) -> bool:
        """Whether a zone is one that no single owner has: the root, a top-level domain, a public suffix."""
        return name is not None and (not name.strip(".") or "." not in name or self.suffixes.has(name))

    def is_ours(self, name: str) -> bool:
        """Whether a name lies below one of our zones."""
        return any(name.lower().endswith(f".{zone}") for zone in self.our_zones)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A mistake by its name, with what was seen, what should be there and the one next step."""

    code: Code
    owner: str
    """The name of the record that it is about; empty for the domain as a whole."""
    seen: tuple[str, ...] = ()
    expected: str = ""
    write: str = ""
    """What to type, where that differs from what should be seen."""
    detail: str = ""
    provider: str = ""
    habit: str = ""
    """What the DNS provider's form does, where it is known and matters."""
    severity: Severity = Severity.FAULT
    type: str = ""
    """The type of that record; empty for the domain as a whole."""

    def is_about(self, record: ExpectedRecord) -> bool:
        """Whether it is about this record; what was stored without a type is about the one of that name."""
        return self.owner == record.owner and self.type in ("", record.type)

    @property
    def sentence(self) -> str:
        """The diagnosis as a sentence for the owner."""
        words = WORDS[self.code].one
        return f"The record {words}" if self.owner else words

    @property
    def step(self) -> str:
        """The one thing to do next."""
        return WORDS[self.code].step


@dataclass(frozen=True, slots=True)
class Probed:
    """What was asked beyond the check, to prove a suspicion."""

    observations: tuple[Observation, ...] = ()

    def at(self, name: str, rtype: RecordType) -> tuple[Observation, ...]:
        """The usable answers to one question, those of the authorities first."""
        question = Question(name, rtype)
        found = [o for o in self.observations if o.question == question and o.outcome not in UNUSABLE]
        return tuple(sorted(found, key=lambda o: o.asked.stage is not Stage.AUTHORITY))

    def best(self, name: str, rtype: RecordType) -> Observation | None:
        """The first usable answer to one question."""
        return next(iter(self.at(name, rtype)), None)


@dataclass(frozen=True, slots=True)
class Case:
    """A record that is not right, what was seen of it, and what else is known."""

    record: RecordReport
    facts: Facts
    probed: Probed
    beside: tuple[ExpectedRecord, ...] = field(default=())
    """All records of the same check."""

    @property
    def expected(self) -> ExpectedRecord:
        """The record that should be there."""
        return self.record.expected

    @property
    def owner(self) -> str:
        """The name that it should have."""
        return self.record.expected.owner

    @property
    def is_alias(self) -> bool:
        """Whether it should be a CNAME."""
        return self.record.expected.type is RecordType.CNAME

    @property
    def is_absent(self) -> bool:
        """Whether it is definitively not there, by the word of whoever decided."""
        return self.record.verdict in ABSENT

    def seen_by(self, stage: Stage) -> tuple[Observation, ...]:
        """The observations of one stage, as far as the check went."""
        return tuple(o for o in self.record.seen if o.asked.stage is stage)

    @property
    def all_seen(self) -> tuple[Observation, ...]:
        """Everything that was seen at the record's own name, in the check and after it."""
        return self.record.seen + tuple(o for o in self.probed.observations if o.question.name == self.owner)

    @property
    def chain(self) -> tuple[str, ...]:
        """The longest chain of aliases that was seen from the record's name on."""
        return max((o.chain for o in self.all_seen), key=len, default=())

    @property
    def target(self) -> str:
        """Where the aliases end, in lower case; empty where there are none."""
        return self.chain[-1].lower() if self.chain else ""

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The different texts that were seen at the record's name."""
        return tuple(dict.fromkeys(text for o in self.all_seen for text in o.texts))

    @property
    def name_exists(self) -> bool:
        """Whether the name exists with other records than the one that should be there."""
        return self.record.verdict is Finding.NODATA or self.record.authorities is Finding.NODATA

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the domain's name servers, as far as they are known."""
        return server_names(self.record.seen) or tuple(
            name
            for o in self.probed.observations
            if o.question.type is RecordType.NS and o.question.name in (self.facts.zone, self.facts.domain)
            for name in o.names
        )

    @property
    def provider(self) -> Provider | None:
        """The DNS provider, where its name servers or SOA tell."""
        soa = self.facts.soa
        return provider_of(self.servers, () if soa is None else (soa.primary, soa.admin))

    def short(self, name: str) -> str:
        """A name as one types it into a form that adds the zone by itself."""
        return name.removesuffix(f".{self.facts.own_zone}")

    def told(
        self,
        code: Code,
        seen: Iterable[str] = (),
        *,
        expected: str = "",
        write: str = "",
        detail: str = "",
        habit: str = "",
        severity: Severity | None = None,
    ) -> Diagnosis:
        """A diagnosis of this record; foreign bytes are escaped here."""
        provider = self.provider
        return Diagnosis(
            code,
            self.owner,
            tuple(dict.fromkeys(printable(one, at_most=600) for one in seen)),
            expected or f"{self.expected.type}  {self.expected.value}",
            write,
            printable(detail),
            provider.name if provider else "",
            habit,
            severity or WORDS[code].severity,
            self.expected.type,
        )


def places_of(expected: ExpectedRecord, facts: Facts) -> dict[str, tuple[str, ...]]:
    """Where a record often lands by hand, by what happened."""
    if expected.is_mail_from:
        return misplaced_mail_from(expected.owner, facts.own_zone)
    return misplaced_names(expected.owner, facts.domain, facts.own_zone)


def server_names(observations: Iterable[Observation]) -> tuple[str, ...]:
    """The names of the authorities among those who were asked."""
    asked = [o.asked.server for o in observations if o.asked.stage is Stage.AUTHORITY]
    return tuple(dict.fromkeys(server.partition(" ")[0] for server in asked))
