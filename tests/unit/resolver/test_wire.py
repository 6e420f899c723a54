"""Our reading of DNS messages, held against dnspython's."""

from __future__ import annotations

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.observations import RecordType, SoaRecord
from mailseal.resolver.wire import (
    MalformedResponse,
    format_name,
    format_query,
    is_bare_error,
    is_reply_to,
    parse_response,
    with_mixed_case,
)

OWNER = "t._domainkey.example.com."
ONE_ANSWER = struct.pack("!6H", 1, 0x8000, 0, 1, 0, 0)
ADDRESS = struct.pack("!HHIH", 1, 1, 0, 4) + b"\x7f\0\0\1"


def response_with(*texts: str, authority: tuple[str, ...] = ()) -> dns.message.Message:
    response = dns.message.make_response(dns.message.make_query(OWNER, "TXT", use_edns=0))
    for text in texts:
        owner, ttl, rtype, data = text.split(" ", 3)
        response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
    for text in authority:
        owner, ttl, rtype, data = text.split(" ", 3)
        response.authority.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
    return response


def test_every_record_type_that_a_check_looks_at_is_read() -> None:
    response = response_with(
        f"{OWNER} 300 CNAME Hop.Example.NET.",
        'hop.example.net. 60 TXT "p=AB" "CD"',
        "hop.example.net. 61 A 192.0.2.7",
        "hop.example.net. 62 AAAA 2001:db8::7",
        "hop.example.net. 63 MX 10 mx.example.net.",
        "hop.example.net. 64 NS ns.example.net.",
        "hop.example.net. 65 SOA ns.example.net. admin.example.net. 9 1 2 3 4",
        "hop.example.net. 66 CAA 0 issue x",
    )
    read = parse_response(response.to_wire()).answers
    assert [(r.type, r.data) for r in read] == [
        (RecordType.CNAME, "hop.example.net"),
        (RecordType.TXT, b"p=ABCD"),
        (RecordType.A, "192.0.2.7"),
        (RecordType.AAAA, "2001:db8::7"),
        (RecordType.MX, "mx.example.net"),
        (RecordType.NS, "ns.example.net"),
        (RecordType.SOA, SoaRecord("ns.example.net", "admin.example.net", 9, 4)),
        (None, None),
    ]
    assert [r.ttl for r in read] == [300, 60, 61, 62, 63, 64, 65, 66]
    assert read[0].owner == OWNER[:-1]


def test_flags_codes_and_extended_errors_are_read() -> None:
    response = response_with()
    response.flags |= dns.flags.AA | dns.flags.AD
    response.set_rcode(dns.rcode.BADVERS)
    response.use_edns(0, options=[dns.edns.EDEOption(7, "expired"), dns.edns.GenericOption(10, b"12345678")])
    response.set_rcode(dns.rcode.BADVERS)
    read = parse_response(response.to_wire())
    assert read.rcode == 16
    assert read.authoritative
    assert read.authenticated
    assert not read.truncated
    assert read.extended_errors == ((7, "expired"),)


@pytest.mark.parametrize(
    "name",
    [
        "example.com",
        "",
        r"\"t.s\".example",
        r"a\.b.example",
        r"\195\164.example",
        "https://t.example",
        "a@b.example",
    ],
)
def test_names_are_spelt_as_dnspython_spells_them(name: str) -> None:
    wire = dns.name.from_text(name + "." if name else ".").to_wire()
    assert format_name(name) == wire
    message = ONE_ANSWER + wire + ADDRESS
    [record] = parse_response(message).answers
    assert record.owner == dns.name.from_text(name + ".").to_text(omit_final_dot=True) if name else True
    assert format_name(record.owner) == wire


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=6))
def test_any_name_survives_reading_and_writing(labels: list[bytes]) -> None:
    wire = b"".join(bytes((len(label),)) + label.lower() for label in labels) + b"\0"
    message = ONE_ANSWER + wire + ADDRESS
    [record] = parse_response(message).answers
    assert format_name(record.owner) == wire
    assert dns.name.from_text(record.owner + ".").to_wire() == wire if labels else record.owner == ""


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_what_is_no_name_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="octets"):
        format_name(name)


def test_a_query_is_what_dnspython_reads_as_one() -> None:
    wire = format_query(
        format_name("t.example.com"),
        RecordType.TXT,
        identity=b"\x12\x34",
        recursion=True,
        checking_disabled=True,
    )
    read = dns.message.from_wire(wire)
    assert read.id == 0x1234
    assert read.flags == dns.flags.RD | dns.flags.AD | dns.flags.CD
    assert read.question[0].to_text() == "t.example.com. IN TXT"
    assert (read.edns, read.payload, read.ednsflags) == (0, 1232, 0)
    plain = dns.message.from_wire(
        format_query(
            format_name("t.example.com"), RecordType.A, identity=b"\0\0", recursion=False, edns=False
        )
    )
    assert plain.flags == 0
    assert plain.edns == -1


@given(st.integers(0, 2**80 - 1))
def test_mixed_case_changes_letters_only(chance: int) -> None:
    name = format_name("t0-ken._domainkey.exa{mple.com")
    mixed = with_mixed_case(name, chance)
    assert mixed.lower() == name
    assert dns.name.from_wire(mixed, 0)[0].to_text().lower() == "t0-ken._domainkey.exa{mple.com."


def test_mixed_case_uses_every_bit_it_is_given() -> None:
    name = format_name("abcdefgh")
    assert {with_mixed_case(name, chance << 1) for chance in range(256)} == {
        bytes(
            (8, *(c ^ 0x20 * (n >> k & 1) for k, c in enumerate(b"abcdefgh"))),
        )
        + b"\0"
        for n in range(256)
    }


def test_only_the_same_id_question_case_and_direction_make_a_reply() -> None:
    query = format_query(
        with_mixed_case(format_name(OWNER[:-1]), 0x5A5A5), RecordType.TXT, identity=b"ab", recursion=True
    )
    reply = dns.message.make_response(dns.message.from_wire(query)).to_wire()
    assert is_reply_to(reply, query)
    assert not is_reply_to(query, query)
    assert not is_reply_to(b"xx" + reply[2:], query)
    assert not is_reply_to(reply[:12] + reply[12:].lower(), query)
    assert not is_reply_to(reply[:2] + bytes((reply[2] | 0x28,)) + reply[3:], query)
    assert not is_reply_to(reply[:11], query)
    other = format_query(format_name("other.example"), RecordType.TXT, identity=b"ab", recursion=True)
    assert not is_reply_to(reply, other)


def test_a_message_without_the_question_can_only_be_an_error() -> None:
    query = format_query(format_name("example.com"), RecordType.TXT, identity=b"ab", recursion=True)
    for rcode, counts in ((1, True), (5, True), (0, False), (3, False)):
        bare = b"ab" + bytes((0x80, rcode)) + bytes(8)
        assert is_bare_error(bare, query) is counts
        assert not is_reply_to(bare, query)
        assert not is_bare_error(b"xy" + bare[2:], query)
        assert not is_bare_error(bare + b"x", query)


@pytest.mark.parametrize(
    "name",
    [b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\x20", b"\x41a\0", b"\x05ab", b"\xc0\x00"],
    ids=["itself", "circle", "forward", "kind", "short", "header"],
)
def test_a_name_that_never_ends_is_refused(name: bytes) -> None:
    message = ONE_ANSWER + name + ADDRESS
    with pytest.raises(MalformedResponse):
        parse_response(message)


def test_a_long_chain_of_pointers_does_not_make_a_long_name() -> None:
    labels = b"\x3f" + b"a" * 63
    message = struct.pack("!6H", 1, 0x8000, 1, 1, 0, 0) + labels * 3 + b"\0\0\x10\0\x01"
    message += labels + b"\xc0\x0c" + ADDRESS
    with pytest.raises(MalformedResponse, match="255"):
        parse_response(message)


def test_left_over_bytes_and_wrong_lengths_are_refused() -> None:
    good = response_with(
        f"{OWNER} 300 CNAME hop.example.net.", authority=("example.com. 5 SOA a. b. 1 2 3 4 5",)
    )
    wire = good.to_wire()
    parse_response(wire)
    with pytest.raises(MalformedResponse, match="left over"):
        parse_response(wire + b"\0")
    for cut in range(12, len(wire)):
        with pytest.raises(MalformedResponse):
            parse_response(wire[:cut])


def test_a_ttl_with_the_top_bit_counts_as_zero() -> None:
    message = (
        struct.pack("!6H", 1, 0x8000, 0, 1, 0, 0)
        + b"\0"
        + struct.pack("!HHIH", 1, 1, 2**31, 4)
        + b"\x7f\0\0\1"
    )
    assert parse_response(message).answers[0].ttl == 0


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(junk: bytes) -> None:
    try:
        parse_response(junk)
    except MalformedResponse:
        return


@given(st.data())
def test_flipped_bits_are_read_or_refused(data: st.DataObject) -> None:
    wire = bytearray(
        response_with(
            f"{OWNER} 300 CNAME hop.example.net.",
            'hop.example.net. 60 TXT "p=AB" "CD"',
            authority=("example.com. 5 SOA ns.example.com. b. 1 2 3 4 5",),
        ).to_wire()
    )
    for at in data.draw(st.lists(st.integers(0, len(wire) - 1), min_size=1, max_size=4)):
        wire[at] ^= data.draw(st.integers(1, 255))
    try:
        parse_response(bytes(wire))
    except MalformedResponse:
        return
