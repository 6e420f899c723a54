"""The mistakes that a check can name, and the words for each.

Rule: a sentence says what a record is, never what somebody did; "is not there" and "could not be asked" are
never one; the step is one thing to do. Owners read this: record, name, value, DNS provider.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto


class Code(StrEnum):
    """The catalogue of mistakes."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: Sequence[str]) -> str:
        return name

    RECORD_MISSING = auto()
    DOUBLED_DOMAIN = auto()
    HOST_ONLY = auto()
    MISSING_UNDERSCORE = auto()
    WRONG_ZONE = auto()
    TARGET_SUFFIXED = auto()
    TARGET_QUOTED = auto()
    TARGET_URL = auto()
    WRONG_TOKEN = auto()
    OLD_TOKEN = auto()
    OTHER_PROVIDER = auto()
    TXT_INSTEAD = auto()
    KEY_PASTED = auto()
    FLATTENED = auto()
    WILDCARD = auto()
    CHAIN = auto()
    LOOP = auto()
    CASE = auto()
    APEX_CNAME = auto()
    SUBDELEGATED = auto()
    LAME = auto()
    NS_DEAD = auto()
    NS_PRIVATE = auto()
    NS_DISAGREE = auto()
    STALE_NEGATIVE = auto()
    PARENT_MISMATCH = auto()
    DOMAIN_EXPIRED = auto()
    DNSSEC_BOGUS = auto()
    ENT_NXDOMAIN = auto()
    SPLIT_HORIZON = auto()
    TXT_MULTIPLE = auto()
    TXT_QUOTED = auto()
    TXT_ESCAPED = auto()
    TXT_TRUNCATED = auto()
    KEY_DIFFERENT = auto()
    KEY_REVOKED = auto()
    TXT_BAD_TAG = auto()
    TXT_UNUSUAL = auto()
    BYO_CNAME_AWAY = auto()
    DMARC_STRICT = auto()
    OUR_ZONE = auto()


class Severity(StrEnum):
    """What a diagnosis asks for: a repair by the owner, patience, attention, or a repair by us."""

    FAULT = "FAULT"
    WAIT = "WAIT"
    WARNING = "WARNING"
    OURS = "OURS"


@dataclass(frozen=True, slots=True)
class Words:
    """How a mistake is told: what one record is, what several are, and the step that repairs it."""

    one: str
    many: str
    step: str
    severity: Severity = Severity.FAULT


_ONE = {"is": "is", "has": "has", "points": "points", "leads": "leads", "holds": "holds"}
_MANY = {"is": "are", "has": "have", "points": "point", "leads": "lead", "holds": "hold"}


def _both(told: str, step: str, severity: Severity = Severity.FAULT) -> Words:
    """Words that are the same for one record and for several, but for the verbs in braces."""
    return Words(told.format(**_ONE), told.format(**_MANY), step, severity)


_NOT_IN_DNS = "{is} not in the DNS: no such name, nor at one where such records often land."

WORDS: dict[Code, Words] = {
    Code.RECORD_MISSING: _both(_NOT_IN_DNS, "create what is missing"),
    Code.DOUBLED_DOMAIN: _both(
        "{is} there, but the DNS provider added the domain a second time:", "shorten the name"
    ),
    Code.HOST_ONLY: _both("{is} there, but without _domainkey in the name:", "write the whole name"),
    Code.MISSING_UNDERSCORE: _both(
        "{is} there, but the name lacks the underscore before domainkey:", "add the underscore"
    ),
    Code.WRONG_ZONE: _both("{is} there, but at another domain's name:", "move it to the domain itself"),
    Code.TARGET_SUFFIXED: _both(
        "lost the final dot of the value, so the DNS provider added the domain to it:",
        "write the value with its final dot",
    ),
    Code.TARGET_QUOTED: _both("{has} quotation marks in the value:", "write the value without them"),
    Code.TARGET_URL: _both("{has} a web address as value:", "write the value without it"),
    Code.WRONG_TOKEN: _both("{points} to a name that is not its own:", "copy the value anew"),
    Code.OLD_TOKEN: _both(
        "{points} to a name of another set-up, of an earlier one or of another region:", "copy the value anew"
    ),
    Code.OTHER_PROVIDER: _both("{points} elsewhere:", "replace the value"),
    Code.TXT_INSTEAD: _both("{is} there, but of type TXT:", "change the type to CNAME"),
    Code.KEY_PASTED: _both(
        "{holds} the key itself: that works only until the key changes:", "replace it by a CNAME"
    ),
    Code.FLATTENED: _both(
        "{is} answered with an address: the DNS provider follows the CNAME by itself:",
        "switch off the proxy or flattening",
    ),
    Code.WILDCARD: _both(
        "{is} not in the DNS of its own: a wildcard answers for every name:", "create what is missing"
    ),
    Code.CHAIN: _both(
        "{is} right, through further aliases: whoever changes one of those breaks it:",
        "nothing to do, or point it directly",
        Severity.WARNING,
    ),
    Code.LOOP: _both("{leads} in a circle, from alias to alias, and never to its end:", "replace the value"),
    Code.CASE: _both("{is} right, in capitals: that makes no difference.", "nothing", Severity.WARNING),
    Code.APEX_CNAME: _both(
        "{is} hidden: the domain itself is a CNAME, and nothing counts beside that:",
        "remove the CNAME of the domain itself",
    ),
    Code.SUBDELEGATED: _both(
        "{is} not there, because everything below _domainkey is delegated to other name servers:",
        "create it there, or remove that delegation",
    ),
    Code.LAME: _both(
        "could not be asked for: a name server of the domain does not answer for it:",
        "tell the DNS provider, or correct the domain's name servers",
    ),
    Code.NS_DEAD: _both(
        "could not be asked for: the name servers of the domain are silent:",
        "tell the DNS provider, or correct the domain's name servers",
    ),
    Code.NS_PRIVATE: _both(
        "could not be asked for: a name server of the domain has an address out of our reach:",
        "correct the addresses of the domain's name servers",
    ),
    Code.NS_DISAGREE: _both(
        "{is} right at one name server of the domain and missing at another:",
        "let the other name server take over the zone",
    ),
    Code.STALE_NEGATIVE: _both(
        "{is} right at the domain's name servers; a resolver still gives an older answer:",
        "wait; nothing to do",
        Severity.WAIT,
    ),
    Code.PARENT_MISMATCH: _both(
        "{is} not where the registry sends everybody; the domain's zone names other name servers:",
        "create it at the name servers of the registry, or change these",
    ),
    Code.DOMAIN_EXPIRED: _both(
        "{is} out of reach: the domain is not delegated, or is parked:", "renew or register the domain"
    ),
    Code.DNSSEC_BOGUS: _both(
        "{is} not believed: DNSSEC does not hold for the domain:", "let the DNS provider repair DNSSEC"
    ),
    Code.ENT_NXDOMAIN: _both(
        "{is} there, but the name server denies the name above it, and resolvers believe that:",
        "tell the DNS provider",
    ),
    Code.SPLIT_HORIZON: _both("{is} seen from one network and not from another:", "publish it outside too"),
    Code.TXT_MULTIPLE: _both("{is} there, with more than one text at the name:", "leave one TXT record"),
    Code.TXT_QUOTED: _both("{has} quotation marks in the value:", "write the value without them"),
    Code.TXT_ESCAPED: _both("{has} backslashes in the value:", "write the value without them"),
    Code.TXT_TRUNCATED: _both("{is} there, but not whole:", "copy the value anew"),
    Code.KEY_DIFFERENT: _both("{is} there, with another key:", "replace the value"),
    Code.KEY_REVOKED: _both("{is} there, with an empty key, which means revoked:", "replace the value"),
    Code.TXT_BAD_TAG: _both("{is} there, in a form that mail systems reject:", "copy the value anew"),
    Code.TXT_UNUSUAL: _both(
        "{is} right, in an unusual form:", "nothing to do, or copy the value anew", Severity.WARNING
    ),
    Code.BYO_CNAME_AWAY: _both("{is} a CNAME that leads elsewhere:", "replace it by the TXT record"),
    Code.DMARC_STRICT: Words(
        "The DMARC policy of the domain is strict (adkim=s): mail from a subdomain does not pass with the"
        " signature of the domain.",
        "",
        "make each subdomain that sends an identity of its own, or write adkim=r",
        Severity.WARNING,
    ),
    Code.OUR_ZONE: _both(
        "{is} right, but the key behind it in our own zone did not come as published: our fault:",
        "nothing to do; whoever runs this service: mailseal doctor",
        Severity.OURS,
    ),
}
