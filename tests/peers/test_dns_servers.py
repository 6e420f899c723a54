"""Our name server beside NSD and Knot serving the same zone: the same questions, the same answers."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from mailseal.nameserver.listen import start_name_server
from tests.peers import dns_daemons
from tests.unit.nameserver.zones import APEX, LONG_KEY, SETTINGS, written_zone

QUERIES, MANY = 1000, 5000
NAMES = ["", "tokenwithkey", "blank", "huge", "ns1", "ns2", "a.ns2", "b.ns2", "unknown", "x.tokenwithkey"]
NAMES += ["x.y.z", "*", "_domainkey", "_serial", "ns1.ns1", "-", "tokenwithke", "tokenwithkeyy"]
OUTSIDE = ("example.com.", "mx.example.net.", ".", f"x{APEX}.")
TYPES = ("TXT", "TXT", "TXT", "A", "AAAA", "NS", "SOA", "MX", "CNAME", "PTR", "SRV", "CAA", "TYPE4711")


@contextmanager
def our_server() -> Iterator[int]:
    """Our name server on a thread of its own; gives its port."""
    zone, source = written_zone()
    loop = asyncio.new_event_loop()
    running = loop.run_until_complete(start_name_server([("127.0.0.1", 0)], [zone], source))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield running.addresses[0][1]
    finally:
        asyncio.run_coroutine_threadsafe(running.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def zone_file(folder: Path) -> Path:
    """The same zone in the form that every server reads, written from what ours answers."""
    _, source = written_zone()
    soa = f"ns1.{APEX}. hostmaster.{APEX}. {source.serial} 300 60 1209600 60"
    lines = [f"{APEX}. 1800 IN SOA {soa}"]
    lines += [f"{APEX}. 3600 IN NS {name}." for name in SETTINGS.name_servers]
    for host, addresses in SETTINGS.addresses.items():
        if host.endswith(APEX):
            lines += [f"{host}. 3600 IN {'AAAA' if ':' in a else 'A'} {a}" for a in addresses]
    lines.append(f'_serial.{APEX}. 60 IN TXT "{source.serial}"')
    for owner, served in source.texts.items():
        text = (served.text or b"").decode()
        strings = " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255)) or '""'
        lines.append(f"{owner}. {served.ttl} IN TXT {strings}")
    path = folder / "zone"
    path.write_text("\n".join(lines) + "\n")
    return path


def random_query(chance: random.Random) -> dns.message.Message:
    inside = f"{chance.choice(NAMES)}.{APEX}.".removeprefix(".")
    name = inside if chance.random() < 0.9 else chance.choice(OUTSIDE)
    if chance.random() < 0.3:
        name = "".join(chance.choice((c.upper(), c.lower())) for c in name)
    edns = chance.random() < 0.7
    options = [dns.edns.GenericOption(65001, b"x" * chance.randrange(9))] if chance.random() < 0.2 else []
    query = dns.message.make_query(
        name,
        chance.choice(TYPES),
        "CH" if chance.random() < 0.02 else "IN",
        use_edns=0 if edns else False,
        want_dnssec=edns and chance.random() < 0.3,
        payload=chance.choice((512, 1232, 1400, 4096)) if edns else None,
        options=options if edns else None,
        id=chance.randrange(65536),
    )
    if chance.random() < 0.5:
        query.flags &= ~dns.flags.RD
    return query


def seen(query: dns.message.Message, port: int, *, tcp: bool) -> dict[str, object]:
    """What must be the same of all; the order of records and additional ones are each server's choice."""
    ask = dns.query.tcp if tcp else dns.query.udp
    response = ask(query, "127.0.0.1", port=port, timeout=5)
    outside = response.rcode() == dns.rcode.REFUSED
    negative = not response.answer and not response.flags & dns.flags.TC
    return {
        "rcode": dns.rcode.to_text(response.rcode()),
        "AA": bool(response.flags & dns.flags.AA) and not outside,
        "TC": bool(response.flags & dns.flags.TC),
        "RD": bool(response.flags & dns.flags.RD),
        "RA": bool(response.flags & dns.flags.RA),
        "question": [rrset.to_text() for rrset in response.question],
        "answer": sorted(line for rrset in response.answer for line in rrset.to_text().lower().splitlines()),
        "SOA": [rrset.to_text().lower() for rrset in response.authority] if negative and not outside else [],
        "edns": response.edns,
        "DO": bool(response.ednsflags & dns.flags.DO),
    }


def compare_with(port: int, ours: int, seed: int, queries: int = QUERIES) -> None:
    chance = random.Random(seed)
    for number in range(queries):
        query = random_query(chance)
        tcp = chance.random() < 0.05
        theirs, mine = seen(query, port, tcp=tcp), seen(query, ours, tcp=tcp)
        if query.question[0].rdclass == dns.rdataclass.CH:
            # Some servers tell their version in this class; all we owe is that we do not answer as for IN.
            assert mine["rcode"] == "REFUSED"
            continue
        assert mine == theirs, f"query {number} of seed {seed}: {query}"


@pytest.mark.needs_debian("nsd")
def test_nsd_serving_the_same_zone_gives_the_same_answers(tmp_path: Path) -> None:
    with our_server() as ours, dns_daemons.nsd(tmp_path, APEX, zone_file(tmp_path)) as port:
        compare_with(port, ours, seed=1)


def odd_messages() -> dict[str, bytes]:
    """What no resolver sends, by what is odd about it."""
    plain = dns.message.make_query(f"tokenwithkey.{APEX}", "TXT").to_wire()
    edns = dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=0).to_wire()
    odd = {
        f"opcode {code}": plain[:2] + bytes((plain[2] & 0x87 | code << 3,)) + plain[3:]
        for code in (1, 2, 5, 6, 15)
    }
    odd |= {
        "no question": plain[:4] + bytes(8),
        "two questions": plain[:4] + b"\0\2" + plain[6:] + plain[12:],
        "cut short": plain[:-2],
        "header alone": plain[:12],
        "newer EDNS": dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=1).to_wire(),
        "an option too long": edns[:-2] + b"\0\5",
        "two OPTs": edns[:10] + b"\0\2" + edns[12:] + edns[-11:],
        "an answer inside": plain[:6] + b"\0\1" + plain[8:] + b"\xc0\x0c\0\1\0\1" + bytes(6),
        "a pointer in the question": plain[:12] + b"\x01a\xc0\x0c\0\x10\0\1",
        "TC, AA, Z, AD, CD set": plain[:2] + b"\x07\x70" + plain[4:],
        "an offer of no octets": dns.message.make_query(
            f"huge.{APEX}", "TXT", use_edns=0, payload=0
        ).to_wire(),
        "class NONE": dns.message.make_query(APEX, "SOA", "NONE").to_wire(),
    }
    odd |= {
        rtype: dns.message.make_query(APEX, rtype).to_wire() for rtype in ("OPT", "TSIG", "TKEY", "MAILA")
    }
    return odd


def code_of(message: bytes, port: int) -> tuple[int, bool, bool]:
    """Response code (its header part), AA and TC; over TCP a message cut short would only be waited for."""
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(5)
        datagrams.connect(("127.0.0.1", port))
        datagrams.send(message)
        response = datagrams.recv(4096)
    return response[3] & 0xF, bool(response[2] & 0x04), bool(response[2] & 0x02)


@pytest.mark.needs_debian("nsd")
def test_nsd_gives_odd_messages_the_same_code(tmp_path: Path) -> None:
    with our_server() as ours, dns_daemons.nsd(tmp_path, APEX, zone_file(tmp_path)) as port:
        for oddity, message in odd_messages().items():
            assert code_of(message, ours) == code_of(message, port), oddity


@pytest.mark.needs_debian("knot")
def test_knot_serving_the_same_zone_gives_the_same_answers(tmp_path: Path) -> None:
    with our_server() as ours, dns_daemons.knot(tmp_path, APEX, zone_file(tmp_path)) as port:
        compare_with(port, ours, seed=2)


@pytest.mark.suite_dns
@pytest.mark.timeout(300)
@pytest.mark.needs_debian("nsd", "knot")
def test_ten_thousand_questions_are_answered_as_nsd_and_knot_answer_them(tmp_path: Path) -> None:
    for number, daemon in enumerate((dns_daemons.nsd, dns_daemons.knot)):
        with our_server() as ours, daemon(tmp_path, APEX, zone_file(tmp_path)) as port:
            compare_with(port, ours, seed=3 + number, queries=MANY)


@pytest.mark.needs_debian("bind9-dnsutils")
def test_dig_reads_every_kind_of_answer_without_a_warning() -> None:
    with our_server() as ours:
        dig = ["dig", "@127.0.0.1", "-p", str(ours)]
        for arguments in (["TXT"], ["TXT", "+tcp"], ["TXT", "+noedns"], ["TXT", "+dnssec"], ["A"], ["ANY"]):
            for label in ("tokenwithkey", "blank", "huge", "unknown"):
                told = dns_daemons.run([*dig, f"{label}.{APEX}", *arguments, "+norec"])
                assert "Warning" not in told, told
                assert "malformed" not in told, told
                assert "status: " in told, told
        told = dns_daemons.run([*dig, f"tokenwithkey.{APEX}", "TXT", "+short"])
        assert told.replace('" "', "").strip() == f'"{LONG_KEY.decode()}"'


@pytest.mark.needs_debian("bind9-dnsutils")
def test_dig_is_refused_a_transfer() -> None:
    with our_server() as ours:
        told = dns_daemons.run(["dig", "@127.0.0.1", "-p", str(ours), APEX, "AXFR"])
        assert "Transfer failed" in told
        assert "tokenwithkey" not in told


@pytest.mark.needs_debian("knot-dnsutils")
def test_kdig_sees_key_and_blank_slot_over_udp_and_tcp() -> None:
    with our_server() as ours:
        for transport in ("+notcp", "+tcp"):
            ask = ["kdig", "@127.0.0.1", "-p", str(ours), transport, "+short", "TXT"]
            assert dns_daemons.run([*ask, f"blank.{APEX}"]).strip() == '""'
            assert LONG_KEY.decode()[:200] in dns_daemons.run([*ask, f"tokenwithkey.{APEX}"])
