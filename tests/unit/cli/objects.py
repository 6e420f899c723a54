"""Objects of the native API as the screens get them; values of the documentation's own example."""

from __future__ import annotations

from typing import Any

from mailseal.core.advice import WORDS, Code
from mailseal.core.providers import PROVIDERS

ZONE = "dkim.mx.example.net"
TOKENS = (
    "d2xs5a2qd7edll7bjpxcfqxgp6yz6zx2",
    "lhslsxe5lsg23fnzbaub3iie3hvqlxco",
    "rllmo36trgi3wvi62bfymx2sk35xmwji",
)
PLACE = {"identity": "example.com", "account": "000000000001", "region": "us-east-1"}
NOW = "2026-11-23T15:03:22Z"


def identity(**other: Any) -> dict[str, Any]:
    """An identity in the middle of a change of its key length."""
    slots = [
        slot(1, "previous", key(1024, "9f1c27ab"), until="2026-12-01T14:32:00Z"),
        slot(2, "active", key(2048, "41d0e6c3"), since="2026-11-23T13:59:10Z"),
        slot(3, "blank", None),
    ]
    events = [
        event("2026-11-23T14:02:10Z", "signing switched from slot 1 to slot 2"),
        event("2026-11-23T14:00:05Z", "PENDING → SUCCESS"),
        event("2026-11-23T13:59:10Z", "key length set to 2048; slot 1 signs on"),
    ]
    return {
        **PLACE,
        "dkim_status": "SUCCESS",
        "origin": "AWS_SES",
        "bits": 2048,
        "selector": None,
        "key": None,
        "may_send": True,
        "signing_enabled": True,
        "signed_with": {"slot": 2, "selector": TOKENS[1], "bits": 2048},
        "checked_at": "2026-11-23T15:02:41Z",
        "next_check_at": "2026-11-23T16:02:41Z",
        "slots": slots,
        "events": events,
        "now": NOW,
        **other,
    }


def key(bits: int, fingerprint: str) -> dict[str, Any]:
    return {"bits": bits, "fingerprint": fingerprint}


def slot(
    number: int, state: str, key: Any, since: str | None = None, until: str | None = None
) -> dict[str, Any]:
    return {
        "slot": number,
        "token": TOKENS[number - 1],
        "name": f"{TOKENS[number - 1]}.{ZONE}",
        "published": since is not None,
        "seen_at": None,
        "ready_at": None,
        "state": state,
        "key": key,
        "published_since": since,
        "published_until": until,
    }


def event(at: str, text: str) -> dict[str, Any]:
    return {"at": at, "kind": "x", "text": text}


def rotating() -> dict[str, Any]:
    """An identity whose next key waits for earlier answers to expire."""
    following = slot(3, "next", key(2048, "c07be512"), since="2026-11-23T15:03:00Z")
    following |= {"seen_at": "2026-11-23T15:03:10Z", "ready_at": "2026-11-23T15:04:01Z"}
    active = slot(2, "active", key(2048, "41d0e6c3"), since="2026-11-23T13:59:10Z")
    return identity(slots=[slot(1, "blank", None), active, following])


def rotating_behind() -> dict[str, Any]:
    """The same, while a server still gives an earlier answer."""
    members = rotating()
    members["slots"][-1] |= {"ready_at": None, "waits_for_servers": ["192.0.2.54:53"]}
    return members


def rotated() -> dict[str, Any]:
    """The same identity after the switch."""
    active = slot(3, "active", key(2048, "c07be512"), since="2026-11-23T15:03:00Z")
    active |= {"seen_at": "2026-11-23T15:03:10Z"}
    previous = slot(2, "previous", key(2048, "41d0e6c3"), until="2026-12-01T15:40:00Z")
    return identity(slots=[slot(1, "blank", None), previous, active])


def own_key() -> dict[str, Any]:
    """An identity with a key of the customer's."""
    return identity(
        origin="EXTERNAL",
        selector="s1",
        key=key(2048, "77aa00ff"),
        signed_with={"slot": None, "selector": "s1", "bits": 2048},
        slots=[],
        events=[event("2026-11-23T14:00:05Z", "PENDING → SUCCESS")],
    )


def records() -> list[dict[str, Any]]:
    """What to publish for Easy DKIM."""
    return [
        {
            "slot": number,
            "name": f"{token}._domainkey.example.com",
            "type": "CNAME",
            "value": f"{token}.{ZONE}",
            "ttl": 1800,
        }
        for number, token in enumerate(TOKENS, 1)
    ]


def seen(**other: Any) -> dict[str, Any]:
    """One server's answer."""
    return {
        "by": "ns1.example.com 192.0.2.1",
        "stage": "AUTHORITY",
        "type": "CNAME",
        "outcome": "NXDOMAIN",
        "rcode": "NXDOMAIN",
        "chain": [],
        "texts": [],
        "ttl": None,
        "negative_ttl": 300,
        "detail": "",
        "took_ms": 12,
        **other,
    }


def checked(*findings: str, **other: Any) -> dict[str, Any]:
    """A check with these findings, in the order of the records."""
    rows = []
    for record, finding in zip(records(), findings, strict=False):
        right = finding == "MATCH"
        values = {"outcome": "ANSWER", "rcode": "NOERROR", "ttl": 300, "negative_ttl": None}
        answer = seen(**values, chain=["elsewhere.example.org"]) if finding == "MISMATCH" else seen()
        votes = {
            "authorities": {"asked": 2, "matching": 2 if right else 0},
            "resolvers": {"asked": 1 if right else 0, "matching": 1 if right else 0},
        }
        rows.append(record | votes | {"finding": finding, "seen": [] if right else [answer]})
    return {
        **PLACE,
        "dkim_status": "PENDING",
        "origin": "AWS_SES",
        "bits": 2048,
        "checked_at": "2026-11-23T14:11:07Z",
        "search_ends_at": "2026-11-26T14:03:11Z",
        "records": rows,
        **other,
    }


def doubled() -> dict[str, Any]:
    """A check in which two records are found at their names with the domain added twice."""
    members = checked("MATCH", "NXDOMAIN", "NXDOMAIN")
    told = []
    for record in members["records"][1:]:
        name = record["name"]
        about = {
            "seen": [f"{name}.example.com"],
            "expected": name,
            "write": name.removesuffix(".example.com"),
        }
        told.append(diagnosis("DOUBLED_DOMAIN", name) | about | {"habit": PROVIDERS[2].on_names})
        record["diagnosis"] = "DOUBLED_DOMAIN"
    return members | {"diagnoses": told}


def warned() -> dict[str, Any]:
    """A check in which all is right, and something is worth knowing."""
    members = checked("MATCH", "MATCH", "MATCH", dkim_status="SUCCESS", search_ends_at=None)
    policy = "_dmarc.example.com  TXT  v=DMARC1; p=none; adkim=s"
    told = diagnosis("DMARC_STRICT", "") | {"seen": [policy], "expected": "adkim=r"}
    return members | {"diagnoses": [told]}


def diagnosis(code: str, name: str) -> dict[str, Any]:
    """A diagnosis as the native API gives it, with nothing seen yet."""
    words = WORDS[Code(code)]
    return {
        "code": code,
        "severity": words.severity,
        "name": name,
        "sentence": f"The record {words.one}" if name else words.one,
        "seen": [],
        "expected": "",
        "write": "",
        "detail": "",
        "provider": "",
        "habit": "",
        "step": words.step,
    }


def mail_from_records() -> list[dict[str, Any]]:
    """What was seen of a MAIL FROM domain whose MX leads elsewhere and whose SPF record is right."""
    votes = {"asked": 1, "matching": 0}
    values = {"outcome": "ANSWER", "rcode": "NOERROR", "ttl": 300, "negative_ttl": None}
    answer = seen(**values, type="MX", names=["mx.example.org"])
    mx = {"type": "MX", "value": "10 feedback.mx.example.net", "finding": "MISMATCH", "seen": [answer]}
    spf = {"type": "TXT", "value": "v=spf1 include:spf.mx.example.net ~all", "finding": "MATCH", "seen": []}
    both = {"name": "bounce.example.com", "authorities": votes, "resolvers": votes}
    right = {"authorities": votes | {"matching": 1}, "resolvers": votes | {"matching": 1}}
    return [both | mx, both | spf | right]


def address(**other: Any) -> dict[str, Any]:
    """An address whose link was mailed and not used yet."""
    return {
        **PLACE,
        "identity": "Me@example.com",
        "kind": "EMAIL_ADDRESS",
        "created_at": "2026-11-23T14:00:00Z",
        "verification_status": "PENDING",
        "may_send": False,
        "proven_at": None,
        "link_asked_at": "2026-11-23T14:00:00Z",
        "link_ends_at": "2026-11-24T14:00:00Z",
        "mail_due_at": None,
        "mails_tried": 1,
        "domain": None,
        "signing_enabled": False,
        "signing_override": None,
        "now": NOW,
        "events": [event("2026-11-23T14:00:00Z", "mail with the link handed over: 250 2.0.0 kept")],
        **other,
    }


def examined() -> dict[str, Any]:
    """What the doctor finds where the zone is not delegated yet."""
    zone = "dkim.mx.example.net"
    return {
        "version": "0.1.0",
        "checked_at": "2026-11-23T14:20:03Z",
        "faults": 1,
        "warnings": 1,
        "checks": [
            {
                "name": "master key",
                "result": "ok",
                "seen": "file:/etc/mailseal/master.key opens the database",
            },
            {
                "name": "clock",
                "result": "warning",
                "seen": "nothing keeps it synchronised",
                "advice": "Let an NTP client keep the clock: timedatectl set-ntp true, or start chrony.",
            },
            {
                "name": "delegation",
                "result": "fault",
                "seen": f"example.net does not delegate {zone}",
                "advice": "Nobody can fetch a key. Add to example.net:",
                "records": [
                    {"name": zone, "type": "NS", "value": f"ns1.{zone}"},
                    {"name": f"ns1.{zone}", "type": "A", "value": "192.0.2.10"},
                ],
            },
            {"name": "name servers", "result": "not_asked", "seen": "needs the delegation"},
        ],
    }


def zones() -> list[dict[str, Any]]:
    """Two zones; of the servers of one, each follows in another way."""
    seen = "2026-11-23T14:02:00Z"
    servers = [
        _carrier("192.0.2.53:53", "current", 901, 0, seen, "serial 901"),
        _carrier("192.0.2.54:53", "following", 900, 1, seen, "serial 900, 1 behind, on its way"),
        _carrier(
            "192.0.2.55:53",
            "behind",
            897,
            4,
            seen,
            "serial 897, 4 behind since 2026-11-23 14:02 UTC",
        ),
        _carrier(
            "[2001:db8::53]:53", "silent", None, None, None, "does not answer for this zone, and never has"
        ),
    ]
    old = {"zone": "old.mx.example.net", "serial": 17, "servers": []}
    return [{"zone": ZONE, "serial": 901, "servers": servers}, old]


def _carrier(
    server: str, following: str, serial: int | None, behind: int | None, seen_at: str | None, words: str
) -> dict[str, Any]:
    return {
        "server": server,
        "following": following,
        "serial": serial,
        "behind": behind,
        "answers": following != "silent",
        "seen_at": seen_at,
        "text": words,
    }
