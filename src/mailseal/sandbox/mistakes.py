"""What customers get wrong, played by name: the records that then stand in their DNS, and how it then fails.

Rule: pure; a mistake is a function from the records that were asked for to what stands there instead.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mailseal.core.advice import Code
from mailseal.core.errors import BadRequest
from mailseal.core.names import above_selectors
from mailseal.core.observations import RecordType
from mailseal.core.verification import ExpectedRecord
from mailseal.sandbox.zones import Outage

ADDRESS = "192.0.2.80"
_OTHER_KEY = (
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDjuexXVnbB66C4QlxC+DYH0AkYmITUz9VNvFI6pEVCIWm66nhg69"
    "x1WuCtf2s3+NUxqtROx4JTaQDEm/1jfFWT9qJ1frx4/LOvh4EOLFQrz4/BmOKaO0/1Fu4jUAkvzA+lkC1fVhjI/g9j"
    "kd/h2q3jfEb+D0sxTCains8N+fP5lwIDAQAB"
)
"""The public half of a key that nobody has."""


@dataclass(frozen=True, slots=True)
class Row:
    """All records of one type at one name."""

    name: str
    type: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mess:
    """What a customer's DNS holds after a mistake."""

    rows: tuple[Row, ...] = ()
    outages: Mapping[str, Outage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a mistake is made of: the domain, and the records that it was asked for."""

    domain: str
    wanted: tuple[ExpectedRecord, ...]
    old_target: str
    """A name in our zone that belongs to another setting."""


Mistake = Callable[[Scene], Mess]


def _row(record: ExpectedRecord, *, name: str = "", rtype: str = "", value: str = "") -> Row:
    """The record as asked for, but for what is given; a CNAME's target with its final dot."""
    kind = rtype or record.type.value
    written = value or record.value
    if kind == "CNAME" and not written.endswith("."):
        written += "."
    return Row(name or record.owner, kind, (written,))


def _each(make: Callable[[Scene, ExpectedRecord], Row]) -> Mistake:
    return lambda scene: Mess(tuple(make(scene, record) for record in scene.wanted))


def _right(scene: Scene) -> tuple[Row, ...]:
    return tuple(_row(record) for record in scene.wanted)


def _failing(outage: Outage, *, whole_domain: bool = False) -> Mistake:
    """The right records, behind servers that fail: for the domain, or for what lies below `_domainkey`."""

    def make(scene: Scene) -> Mess:
        at = scene.domain if whole_domain else above_selectors(scene.domain)
        return Mess(_right(scene), {at: outage})

    return make


def _label(record: ExpectedRecord) -> str:
    return record.owner.partition(".")[0]


def _exchanged(scene: Scene) -> Mess:
    values = [record.value for record in scene.wanted]
    turned = values[1:] + values[:1]
    return Mess(tuple(_row(r, value=value) for r, value in zip(scene.wanted, turned, strict=True)))


def _chained(scene: Scene) -> Mess:
    rows = []
    for number, record in enumerate(scene.wanted, 1):
        hop = f"hop{number}.{scene.domain}"
        rows += [_row(record, value=hop), _row(record, name=hop)]
    return Mess(tuple(rows))


def _looped(scene: Scene) -> Mess:
    rows = []
    for number, record in enumerate(scene.wanted, 1):
        hop = f"hop{number}.{scene.domain}"
        rows += [_row(record, value=hop), _row(record, name=hop, value=record.owner)]
    return Mess(tuple(rows))


def _private(scene: Scene) -> Mess:
    server = f"ns.{scene.domain}"
    rows = (Row(scene.domain, "NS", (f"{server}.",)), Row(server, "A", ("10.0.0.53",)))
    return Mess((*_right(scene), *rows), {above_selectors(scene.domain): Outage.DEAD})


def _delegated(scene: Scene) -> Mess:
    return Mess((Row(above_selectors(scene.domain), "NS", ("ns.elsewhere.test.",)),))


def _split(record: ExpectedRecord) -> tuple[str, ...]:
    half = len(record.value) // 2
    return record.value[:half], record.value[half:]


_ALIASES: dict[Code, Mistake] = {
    Code.TARGET_SUFFIXED: _each(lambda s, r: _row(r, value=f"{r.value}.{s.domain}")),
    Code.TARGET_QUOTED: _each(lambda s, r: _row(r, value=f'\\"{r.value}\\"')),
    Code.TARGET_URL: _each(lambda s, r: _row(r, value=f"https://{r.value}")),
    Code.WRONG_TOKEN: _exchanged,
    Code.OLD_TOKEN: _each(lambda s, r: _row(r, value=s.old_target)),
    Code.OTHER_PROVIDER: _each(lambda s, r: _row(r, value=f"{_label(r)}.dkim.amazonses.com")),
    Code.TXT_INSTEAD: _each(lambda s, r: _row(r, rtype="TXT")),
    Code.KEY_PASTED: _each(
        lambda s, r: _row(r, rtype="TXT", value=next((t.decode() for t in r.texts if t), _OTHER_KEY))
    ),
    Code.FLATTENED: _each(lambda s, r: _row(r, rtype="A", value=ADDRESS)),
    Code.CHAIN: _chained,
    Code.LOOP: _looped,
    Code.CASE: _each(lambda s, r: _row(r, name=r.owner.upper(), value=r.value.upper())),
}
"""Mistakes that only a CNAME can have."""

_TEXTS: dict[Code, Mistake] = {
    Code.TXT_MULTIPLE: lambda s: Mess(tuple(Row(r.owner, "TXT", _split(r)) for r in s.wanted)),
    Code.TXT_QUOTED: _each(lambda s, r: _row(r, value=f'"{r.value}"')),
    Code.TXT_ESCAPED: _each(lambda s, r: _row(r, value=f"v=DKIM1\\; k=rsa\\; {r.value}")),
    Code.TXT_TRUNCATED: _each(lambda s, r: _row(r, value=r.value[:255])),
    Code.KEY_DIFFERENT: _each(lambda s, r: _row(r, value=_OTHER_KEY)),
    Code.KEY_REVOKED: _each(lambda s, r: _row(r, value="v=DKIM1; p=")),
    Code.TXT_BAD_TAG: _each(lambda s, r: _row(r, value=f"v=dkim1; k=rsa; {r.value}")),
    Code.TXT_UNUSUAL: _each(lambda s, r: _row(r, value=f"k=rsa; t=y; {r.value}")),
    Code.BYO_CNAME_AWAY: _each(lambda s, r: _row(r, rtype="CNAME", value="keys.elsewhere.test")),
}
"""Mistakes that only an own key's TXT can have."""

_BOTH: dict[Code, Mistake] = {
    Code.RECORD_MISSING: lambda s: Mess(),
    Code.DOUBLED_DOMAIN: _each(lambda s, r: _row(r, name=f"{r.owner}.{s.domain}")),
    Code.HOST_ONLY: _each(lambda s, r: _row(r, name=f"{_label(r)}.{s.domain}")),
    Code.MISSING_UNDERSCORE: _each(lambda s, r: _row(r, name=f"{_label(r)}.domainkey.{s.domain}")),
    Code.WRONG_ZONE: _each(lambda s, r: _row(r, name=f"{_label(r)}._domainkey.www.{s.domain}")),
    Code.WILDCARD: lambda s: Mess((Row(f"*.{s.domain}", "CNAME", ("web.elsewhere.test.",)),)),
    Code.APEX_CNAME: lambda s: Mess((Row(s.domain, "CNAME", ("web.elsewhere.test.",)),)),
    Code.SUBDELEGATED: _delegated,
    Code.LAME: _failing(Outage.LAME),
    Code.NS_DEAD: _failing(Outage.DEAD),
    Code.NS_PRIVATE: _private,
    Code.NS_DISAGREE: _failing(Outage.DISAGREE, whole_domain=True),
    Code.STALE_NEGATIVE: _failing(Outage.STALE),
    Code.PARENT_MISMATCH: _failing(Outage.MOVED, whole_domain=True),
    Code.SPLIT_HORIZON: _failing(Outage.SPLIT, whole_domain=True),
    Code.DOMAIN_EXPIRED: _failing(Outage.GONE, whole_domain=True),
    Code.DNSSEC_BOGUS: _failing(Outage.BOGUS),
    Code.ENT_NXDOMAIN: _failing(Outage.HOLLOW),
    Code.DMARC_STRICT: lambda s: Mess(
        (*_right(s), Row(f"_dmarc.{s.domain}", "TXT", ("v=DMARC1; p=none; adkim=s",)))
    ),
}


def known(wanted: Sequence[ExpectedRecord]) -> tuple[str, ...]:
    """The names of the mistakes that these records can be subject to."""
    return tuple(sorted(code.value for code in _made_of(wanted)))


def _made_of(wanted: Sequence[ExpectedRecord]) -> dict[Code, Mistake]:
    aliases = any(record.type is RecordType.CNAME for record in wanted)
    return _BOTH | (_ALIASES if aliases else _TEXTS)


def make_mistake(code: str, scene: Scene) -> Mess:
    """What stands in the DNS after a mistake; raises BadRequest for one that these records can't be."""
    mistakes = {one.value: make for one, make in _made_of(scene.wanted).items()}
    if code not in mistakes:
        listed = ", ".join(known(scene.wanted))
        raise BadRequest(f"{code} is not a mistake that {scene.domain} can make now; those are: {listed}.")
    return mistakes[code](scene)
