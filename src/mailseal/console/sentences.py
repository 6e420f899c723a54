"""The catalogue of mistakes in the console's words: a headline, why it matters, and how a record is marked.

Rule: data; what is first, then why; the record is spoken of, never the person. What to do comes from the
diagnosis itself. A code that is not here is told in the diagnosis's own sentence.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailseal.core.advice import Code


@dataclass(frozen=True, slots=True)
class Say:
    """How one mistake is told: as the page's headline, for one record and for several; why; and in two or
    three words at the record. `{domain}`, `{host}`, `{records}` and `{target}` are filled in."""

    one: str
    many: str
    why: str
    mark: str


def _say(one: str, why: str, mark: str, many: str = "") -> Say:
    return Say(one, many or one, why, mark)


SAY: Mapping[Code, Say] = {
    Code.RECORD_MISSING: _say(
        "One record is not published yet.",
        "No name server of {domain} knows the name of {records}, nor one where such records often land.",
        "Not there",
        many="Nothing of this is published yet.",
    ),
    Code.DOUBLED_DOMAIN: _say(
        "One record has the domain in its name twice.",
        "{host} adds the domain to whatever is typed into its name box, so {records} came to be at a name"
        " that nobody looks up.",
        "At the wrong name",
        many="Records have the domain in their names twice.",
    ),
    Code.HOST_ONLY: _say(
        "One record lacks the second part of its name.",
        "The name has to go on after the token: ._domainkey belongs to it.",
        "At the wrong name",
        many="Records lack the second part of their names.",
    ),
    Code.MISSING_UNDERSCORE: _say(
        "One record lacks the underscore in its name.",
        "The name says domainkey where it has to say _domainkey.",
        "At the wrong name",
        many="Records lack the underscore in their names.",
    ),
    Code.WRONG_ZONE: _say(
        "One record stands at another domain's name.",
        "The value is right, and the name belongs to another domain than {domain}.",
        "At the wrong name",
        many="Records stand at another domain's names.",
    ),
    Code.TARGET_SUFFIXED: _say(
        "The domain was added to the end of a value.",
        "The value of {records} lacks the final dot that {host} needs, so it added the domain.",
        "Wrong value",
    ),
    Code.TARGET_QUOTED: _say(
        "A value has quotation marks in it.",
        "The quotation marks count as part of the name that {records} leads to.",
        "Wrong value",
    ),
    Code.TARGET_URL: _say(
        "A value is a web address.",
        "A CNAME leads to a name, without https:// in front of it.",
        "Wrong value",
    ),
    Code.WRONG_TOKEN: _say(
        "Two records have each other's values.",
        "{records} leads to a name that belongs to another of the records.",
        "Wrong value",
    ),
    Code.OLD_TOKEN: _say(
        "A record leads to an older set-up.",
        "The value of {records} is of an earlier set-up, or of another region.",
        "Wrong value",
    ),
    Code.OTHER_PROVIDER: _say(
        "A record still leads to another service.",
        "{records} leads elsewhere. If that service no longer signs the mail, its value can go.",
        "Wrong value",
    ),
    Code.TXT_INSTEAD: _say(
        "One record has the wrong type.",
        "The right text is there, but as TXT. It has to be a CNAME.",
        "Wrong type",
        many="Records have the wrong type.",
    ),
    Code.KEY_PASTED: _say(
        "A record holds the key itself.",
        "That works until the key changes, and then it stops. A CNAME follows the key by itself.",
        "Wrong type",
    ),
    Code.FLATTENED: _say(
        "A record is hidden by a proxy.",
        "{host} answers with an address of its own instead of the alias.",
        "Hidden",
        many="Records are hidden by a proxy.",
    ),
    Code.WILDCARD: _say(
        "A wildcard answers in the place of a record.",
        "{records} is not in the DNS. What answers is a record for every name below {domain}.",
        "Not there",
    ),
    Code.CHAIN: _say(
        "A record takes a detour.",
        "It is right, through further aliases: whoever changes one of those breaks it.",
        "Right, by a detour",
    ),
    Code.LOOP: _say(
        "A record leads in a circle.",
        "From alias to alias, back to where it began, and never to a key.",
        "Wrong value",
    ),
    Code.CASE: _say("A record is in capitals.", "That makes no difference.", "Right"),
    Code.APEX_CNAME: _say(
        "The domain itself is an alias, which hides the records.",
        "Nothing counts beside a CNAME of {domain} itself.",
        "Hidden",
    ),
    Code.SUBDELEGATED: _say(
        "Other name servers answer for _domainkey.",
        "Everything below _domainkey.{domain} is delegated to servers that don't have the records.",
        "Not there",
    ),
    Code.LAME: _say(
        "A name server of the domain does not answer for it.",
        "It is named for {domain} and knows nothing of it. That says nothing about the records.",
        "Could not ask",
    ),
    Code.NS_DEAD: _say(
        "The name servers of the domain are silent.",
        "We don't know that anything is wrong with the records. We ask again.",
        "Could not ask",
    ),
    Code.NS_PRIVATE: _say(
        "A name server of the domain has an address out of reach.",
        "It is one of a private network, so nobody outside can ask it.",
        "Could not ask",
    ),
    Code.NS_DISAGREE: _say(
        "One name server is behind the other.",
        "One of them has the records and another one does not have them yet. It usually catches up.",
        "Not everywhere yet",
    ),
    Code.STALE_NEGATIVE: _say(
        "The records are right. One resolver has not noticed yet.",
        "It remembers an older answer for a while. There is nothing to do.",
        "Not everywhere yet",
    ),
    Code.PARENT_MISMATCH: _say(
        "The records are at a DNS host that is not in use.",
        "The registry sends everybody to other name servers than those that the zone names.",
        "At another host",
    ),
    Code.DOMAIN_EXPIRED: _say(
        "The domain is not in use any more.",
        "{domain} is not delegated, or parked. The records can stay as they are.",
        "Out of reach",
    ),
    Code.DNSSEC_BOGUS: _say(
        "The DNSSEC signatures of the domain do not hold.",
        "Servers that check DNSSEC get no answer at all for {domain}, for websites neither.",
        "Not believed",
    ),
    Code.ENT_NXDOMAIN: _say(
        "The name server denies the name above the records.",
        "It says that _domainkey.{domain} does not exist, and resolvers believe that for all below it.",
        "Denied",
    ),
    Code.SPLIT_HORIZON: _say(
        "The records are seen from one network only.",
        "They are there for some and not there for others, as in a DNS with an inside and an outside.",
        "Not everywhere",
    ),
    Code.TXT_MULTIPLE: _say(
        "There is more than one text at the name.",
        "Receivers can't know which one counts.",
        "Too many",
    ),
    Code.TXT_QUOTED: _say(
        "The value has quotation marks in it.", "They count as part of the key record.", "Wrong value"
    ),
    Code.TXT_ESCAPED: _say(
        "The value has backslashes in it.", "They count as part of the key record.", "Wrong value"
    ),
    Code.TXT_TRUNCATED: _say(
        "The public key was cut off.",
        "What stands in the record is the beginning of the key and not the whole.",
        "Cut off",
    ),
    Code.KEY_DIFFERENT: _say(
        "The record holds another key.", "Mail would be signed with a key that nobody finds.", "Another key"
    ),
    Code.KEY_REVOKED: _say(
        "The record says that the key is revoked.", "An empty p= means that no signature counts.", "Revoked"
    ),
    Code.TXT_BAD_TAG: _say(
        "The record is in a form that mail systems reject.",
        "The key may be right; what stands around it is not.",
        "Wrong value",
    ),
    Code.TXT_UNUSUAL: _say(
        "The record is right, in an unusual form.", "Most mail systems take it as it is.", "Right"
    ),
    Code.BYO_CNAME_AWAY: _say(
        "The record is an alias that leads elsewhere.",
        "Where the key record should stand there is a CNAME to another name.",
        "Wrong type",
    ),
    Code.DMARC_STRICT: _say(
        "The DMARC policy is strict.",
        "With adkim=s, mail from a subdomain does not pass with the signature of {domain}.",
        "Right",
    ),
    Code.OUR_ZONE: _say(
        "We have a fault on our side.",
        "The records are right; what stands behind them in our own zone did not come as published."
        " No status is lowered while this lasts.",
        "Right",
    ),
}

BLOCKS_FIRST: tuple[Code, ...] = (
    Code.OUR_ZONE,
    *(Code.DOMAIN_EXPIRED, Code.PARENT_MISMATCH, Code.SUBDELEGATED, Code.LAME, Code.NS_PRIVATE, Code.NS_DEAD),
    *(Code.DNSSEC_BOGUS, Code.ENT_NXDOMAIN, Code.APEX_CNAME),
    *(Code.DOUBLED_DOMAIN, Code.HOST_ONLY, Code.MISSING_UNDERSCORE, Code.WRONG_ZONE),
    *(Code.TXT_INSTEAD, Code.KEY_PASTED, Code.FLATTENED, Code.BYO_CNAME_AWAY),
)
"""What is told first where there is more than one mistake: our side, delegation, DNSSEC, name, type."""
LAST: tuple[Code, ...] = (Code.RECORD_MISSING, Code.NS_DISAGREE, Code.SPLIT_HORIZON, Code.STALE_NEGATIVE)


def rank(code: str) -> int:
    """The place of a mistake among several, the one that blocks most first."""
    if code in BLOCKS_FIRST:
        return BLOCKS_FIRST.index(Code(code))
    return len(BLOCKS_FIRST) + (1 + LAST.index(Code(code)) if code in LAST else 0)
