"""What our name server answers, judged by dnspython's reading of the bytes."""

from __future__ import annotations

import struct

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.nameserver.answer import answer
from mailseal.nameserver.zone import Zone, ZoneSettings
from tests.unit.nameserver.zones import APEX, LONG_KEY, Text, written_zone


def ask(
    name: str,
    rtype: str = "TXT",
    *,
    rclass: str = "IN",
    payload: int | None = 1232,
    over_tcp: bool = False,
    want_dnssec: bool = False,
) -> dns.message.Message:
    query = dns.message.make_query(
        name,
        rtype,
        rclass,
        use_edns=False if payload is None else 0,
        payload=payload,
        want_dnssec=want_dnssec,
    )
    return ask_message(query, over_tcp=over_tcp)


def ask_message(query: dns.message.Message, *, over_tcp: bool = False) -> dns.message.Message:
    zone, _ = written_zone()
    wire = answer(query.to_wire(), [zone], over_tcp=over_tcp)
    assert wire is not None
    response = dns.message.from_wire(wire)
    assert query.is_response(response)
    assert not response.flags & dns.flags.RA
    return response


def shown(section: list[dns.rrset.RRset]) -> list[str]:
    return [rrset.to_text() for rrset in section]


def is_authoritative(response: dns.message.Message) -> bool:
    return bool(response.flags & dns.flags.AA)


SOA_60 = f"{APEX}. 60 IN SOA ns1.{APEX}. hostmaster.{APEX}. 10 300 60 1209600 60"


def test_a_key_is_answered_in_character_strings_of_at_most_255_octets() -> None:
    response = ask(f"tokenwithkey.{APEX}")
    [rrset] = response.answer
    assert rrset.ttl == 1800
    assert b"".join(rrset[0].strings) == LONG_KEY
    assert [len(s) for s in rrset[0].strings] == [255, len(LONG_KEY) - 255]
    assert is_authoritative(response)
    assert not response.authority


def test_a_blank_slot_is_one_empty_string_and_not_an_absent_record() -> None:
    response = ask(f"blank.{APEX}")
    assert shown(response.answer) == [f'blank.{APEX}. 60 IN TXT ""']


def test_a_name_that_was_never_served_is_nxdomain_with_the_soa_at_the_negative_ttl() -> None:
    response = ask(f"unknown.{APEX}")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert shown(response.authority) == [SOA_60]
    assert is_authoritative(response)


@pytest.mark.parametrize(
    "rtype", ["A", "AAAA", "MX", "CNAME", "SOA", "NS", "DS", "RRSIG", "TYPE65280", "TSIG", "MAILA"]
)
def test_a_served_name_with_another_type_is_nodata_and_not_nxdomain(rtype: str) -> None:
    response = ask(f"tokenwithkey.{APEX}", rtype)
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert shown(response.authority) == [SOA_60]


def test_a_name_between_the_apex_and_a_host_exists_without_records() -> None:
    response = ask(f"ns2.{APEX}", "A")
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert ask(f"b.ns2.{APEX}", "A").rcode() == dns.rcode.NXDOMAIN


def test_a_name_below_a_served_name_does_not_exist() -> None:
    zone, source = written_zone()
    query = dns.message.make_query(f"deeper.tokenwithkey.{APEX}", "TXT")
    wire = answer(query.to_wire(), [zone], over_tcp=False)
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.NXDOMAIN
    assert source.looked_up == []


def test_a_name_whose_text_was_withdrawn_does_not_exist() -> None:
    zone, source = written_zone()
    source.texts[f"gone.{APEX}"] = Text(None, 60)
    wire = answer(dns.message.make_query(f"gone.{APEX}", "TXT").to_wire(), [zone], over_tcp=False)
    assert wire is not None
    assert wire[3] & 0xF == dns.rcode.NXDOMAIN


def test_the_apex_answers_soa_with_the_serial_of_what_is_served() -> None:
    response = ask(APEX, "SOA")
    assert response.answer[0][0].serial == 10
    assert response.answer[0].ttl == 1800


def test_the_apex_answers_its_name_servers_with_addresses_of_those_inside() -> None:
    response = ask(APEX, "NS")
    assert {r.target.to_text() for r in response.answer[0]} == {
        f"ns1.{APEX}.",
        f"a.ns2.{APEX}.",
        "ns3.elsewhere.example.",
    }
    assert sorted(shown(response.additional)) == [
        f"a.ns2.{APEX}. 3600 IN A 192.0.2.2",
        f"ns1.{APEX}. 3600 IN A 192.0.2.1",
        f"ns1.{APEX}. 3600 IN AAAA 2001:db8::1",
    ]


@pytest.mark.parametrize(("rtype", "address"), [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")])
def test_a_name_server_inside_the_zone_has_its_addresses(rtype: str, address: str) -> None:
    response = ask(f"ns1.{APEX}", rtype)
    assert shown(response.answer) == [f"ns1.{APEX}. 3600 IN {rtype} {address}"]


def test_a_name_outside_the_zone_is_refused_without_authority() -> None:
    for name in ("mx.example.net", "example.com", ".", f"x{APEX}"):
        response = ask(name)
        assert response.rcode() == dns.rcode.REFUSED
        assert not is_authoritative(response)
        assert not response.answer
        assert not response.authority


def test_a_label_that_looks_like_the_end_of_our_name_is_not_our_name() -> None:
    apex_wire = b"\x04dkim\x02mx\x07example\x03net\x00"
    # One label of 4 + len octets whose content ends in our apex's first label.
    qname = b"\x07xx\x04dkim\x02mx\x07example\x03net\x00"
    query = b"\0\1" + struct.pack("!5H", 0, 1, 0, 0, 0) + qname + b"\x00\x10\x00\x01"
    assert qname.endswith(apex_wire)
    zone, _ = written_zone()
    wire = answer(query, [zone], over_tcp=False)
    assert wire is not None
    assert wire[3] & 0xF == dns.rcode.REFUSED


def test_the_case_of_the_question_comes_back_and_finds_the_name() -> None:
    zone, _ = written_zone()
    query = dns.message.make_query(f"ToKeNwithkey.{APEX.upper()}", "TXT").to_wire()
    wire = answer(query, [zone], over_tcp=False)
    assert wire is not None
    question_end = len(query) if query[11] == 0 else len(query) - 11
    assert wire[12:question_end] == query[12:question_end]
    assert wire[7] == 1


def test_the_deepest_of_our_zones_answers() -> None:
    outer, _ = written_zone()
    inner = Zone(ZoneSettings(f"eu.{APEX}", ("ns.example.net",)), AnySerial())
    query = dns.message.make_query(f"eu.{APEX}", "SOA").to_wire()
    for zones in ([outer, inner], [inner, outer]):
        wire = answer(query, zones, over_tcp=False)
        assert wire is not None
        assert dns.message.from_wire(wire).answer[0].name.to_text() == f"eu.{APEX}."


class AnySerial:
    def look_up(self, zone: str, owner: str) -> None:
        return None

    def zone_serial(self, zone: str) -> int:
        return 1

    def generation(self) -> int:
        return 0


def test_an_answer_too_large_for_the_client_is_empty_and_truncated() -> None:
    response = ask(f"tokenwithkey.{APEX}", payload=None)
    assert not response.flags & dns.flags.TC
    response = ask(f"huge.{APEX}", payload=4096)
    assert response.flags & dns.flags.TC
    assert not response.answer
    assert response.edns == 0
    whole = ask(f"huge.{APEX}", payload=4096, over_tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(b"".join(whole.answer[0][0].strings)) == 2000


def test_no_datagram_is_larger_than_512_octets_for_a_client_without_edns() -> None:
    zone, source = written_zone()
    for length in range(380, 460):
        source.put("edge", b"y" * length)
        query = dns.message.make_query(f"edge.{APEX}", "TXT", use_edns=False).to_wire()
        wire = answer(query, [zone], over_tcp=False)
        assert wire is not None
        assert len(wire) <= 512
        assert bool(wire[2] & 0x02) == (len(wire) < 380)


def test_a_key_of_2048_bits_fits_512_octets_without_edns_at_the_longest_zone_name() -> None:
    apex = "dkim.mail-signing.longest.example.net"
    assert len(apex) == 37
    _, source = written_zone()
    source.texts["a" * 32 + "." + apex] = source.texts[f"tokenwithkey.{APEX}"]
    query = dns.message.make_query("a" * 32 + "." + apex, "TXT", use_edns=False).to_wire()
    wire = answer(query, [Zone(ZoneSettings(apex, ()), source)], over_tcp=False)
    assert wire is not None
    assert not wire[2] & 0x02


def test_a_tiny_offered_payload_counts_as_512() -> None:
    assert not ask(f"tokenwithkey.{APEX}", payload=100).flags & dns.flags.TC


def test_any_gets_one_small_record_and_never_everything() -> None:
    response = ask(APEX, "ANY")
    assert shown(response.answer) == [f'{APEX}. 3600 IN HINFO "RFC8482" ""']
    assert ask(f"unknown.{APEX}", "ANY").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
def test_a_transfer_is_refused(rtype: str) -> None:
    response = ask(APEX, rtype, over_tcp=True)
    assert response.rcode() == dns.rcode.REFUSED
    assert not response.answer


def test_another_class_is_refused() -> None:
    assert ask(f"tokenwithkey.{APEX}", rclass="CH").rcode() == dns.rcode.REFUSED


def test_a_newer_edns_version_is_told_ours() -> None:
    query = dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=1)
    response = ask_message(query)
    assert response.rcode() == dns.rcode.BADVERS
    assert response.edns == 0
    assert not response.answer


def test_do_is_repeated_and_brings_no_signatures() -> None:
    response = ask(f"tokenwithkey.{APEX}", want_dnssec=True)
    assert response.ednsflags & dns.flags.DO
    assert len(response.answer) == 1
    assert not ask(f"tokenwithkey.{APEX}").ednsflags & dns.flags.DO


def test_unknown_edns_options_are_ignored() -> None:
    query = dns.message.make_query(
        f"tokenwithkey.{APEX}", "TXT", use_edns=0, options=[dns.edns.GenericOption(10, b"cookie01")]
    )
    response = ask_message(query)
    assert response.rcode() == dns.rcode.NOERROR
    assert len(response.answer) == 1


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_other_opcodes_are_not_implemented(opcode: int) -> None:
    query = dns.message.make_query(APEX, "SOA")
    wire = bytearray(query.to_wire())
    wire[2] = (wire[2] & 0x87) | opcode << 3
    zone, _ = written_zone()
    response = answer(bytes(wire), [zone], over_tcp=False)
    assert response is not None
    assert response[3] & 0xF == dns.rcode.NOTIMP
    assert response[2] >> 3 & 0xF == opcode


def test_a_response_and_a_fragment_get_no_answer() -> None:
    zone, _ = written_zone()
    query = dns.message.make_query(APEX, "SOA").to_wire()
    assert answer(query[:2] + bytes((query[2] | 0x80,)) + query[3:], [zone], over_tcp=False) is None
    for size in range(12):
        assert answer(query[:size], [zone], over_tcp=False) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda wire: wire[:-1],
        lambda wire: wire[:12],
        lambda wire: wire + b"x",
        lambda wire: wire[:4] + b"\0\x02" + wire[6:],
        lambda wire: wire[:4] + b"\0\0" + wire[6:],
        lambda wire: wire[:12] + b"\xc0\x0c" + wire[-4:],
        lambda wire: wire[:12] + b"\x40" + wire[13:],
        lambda wire: wire[:12] + b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 4 + b"\0\0\x10\0\x01",
    ],
    ids=["short", "header", "trailing", "two questions", "no question", "loop", "label type", "long name"],
)
def test_a_malformed_query_is_a_format_error(damage: object) -> None:
    zone, _ = written_zone()
    wire = dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=False).to_wire()
    response = answer(damage(wire), [zone], over_tcp=False)  # type: ignore[operator]
    assert response is not None
    assert response[3] & 0xF == dns.rcode.FORMERR
    assert response[2] & 0x80
    assert response[:2] == wire[:2]


def test_a_query_signed_with_a_key_we_do_not_have_is_not_authorised() -> None:
    query = dns.message.make_query(APEX, "AXFR")
    query.use_tsig(dns.tsigkeyring.from_text({"stranger.": "c2VjcmV0c2VjcmV0c2VjcmV0"}))
    zone, _ = written_zone()
    response = answer(query.to_wire(), [zone], over_tcp=True)
    assert response is not None
    assert response[3] & 0xF == dns.rcode.NOTAUTH


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise_or_amplify(junk: bytes) -> None:
    zone, _ = written_zone()
    response = answer(junk, [zone], over_tcp=False)
    assert response is None or (response[:2] == junk[:2] and response[2] & 0x80 and len(response) <= 1232)


@given(st.data())
def test_no_flipped_bits_of_a_query_make_it_raise(data: st.DataObject) -> None:
    zone, _ = written_zone()
    wire = bytearray(dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=0).to_wire())
    for at in data.draw(st.lists(st.integers(0, len(wire) - 1), max_size=4)):
        wire[at] ^= data.draw(st.integers(1, 255))
    response = answer(bytes(wire), [zone], over_tcp=False)
    assert response is None or response[2] & 0x80
