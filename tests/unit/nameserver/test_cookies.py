"""DNS cookies: given to whoever asks, good from the address they were given to, and never demanded."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.rcode
import pytest

from mailseal.nameserver.cookies import Asked, Cookies, take_cookie, with_cookie
from tests.unit.nameserver.zones import APEX

CLIENT = b"client's"
HOST, OTHER = "192.0.2.77", "192.0.2.78"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def query(*options: dns.edns.Option, payload: int = 1232) -> bytes:
    asked = dns.message.make_query(f"blank.{APEX}", "TXT", use_edns=0, payload=payload, options=list(options))
    return asked.to_wire()


def cookie_option(value: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(10, value)


def taken(value: bytes) -> Asked:
    asked = take_cookie(query(cookie_option(value)))
    assert asked is not None
    return asked


def test_a_cookie_is_taken_out_of_the_query_and_all_else_stays() -> None:
    other = dns.edns.GenericOption(65001, b"other")
    for options in ([other, cookie_option(CLIENT)], [cookie_option(CLIENT), other]):
        whole = query(*options)
        asked = take_cookie(whole)
        assert asked is not None
        assert (asked.client, asked.server, asked.payload_bytes) == (CLIENT, b"", 1232)
        expected = dns.message.from_wire(query(other))
        expected.id = dns.message.from_wire(whole).id
        assert asked.message == expected.to_wire()


def test_a_message_without_one_is_left_alone() -> None:
    for message in (query(), query(dns.edns.GenericOption(3, b"")), b"", bytes(12), bytes(40)):
        assert take_cookie(message) is None


def test_a_message_cut_anywhere_is_no_fault() -> None:
    whole = query(cookie_option(CLIENT + b"server's"))
    for size in range(len(whole)):
        asked = take_cookie(whole[:size])
        assert asked is None or asked.client


@pytest.mark.parametrize(("size", "formed"), [(7, 0), (8, 1), (9, 0), (15, 0), (16, 1), (40, 1), (41, 0)])
def test_the_lengths_of_its_parts_are_what_they_may_be(size: int, formed: int) -> None:
    assert taken(bytes(size)).is_formed == bool(formed)


def test_a_cookie_that_comes_back_proves_the_address_it_was_given_to() -> None:
    clock = Clock()
    cookies = Cookies(clock)
    given, proven = cookies.reply(taken(CLIENT), HOST)
    assert not proven
    assert given.startswith(CLIENT)
    assert len(given) == 24
    assert cookies.reply(taken(given), HOST) == (given, True)
    assert not cookies.reply(taken(given), OTHER)[1]
    assert not cookies.reply(taken(b"another!" + given[8:]), HOST)[1]
    assert not cookies.reply(taken(given[:-1] + bytes((given[-1] ^ 1,))), HOST)[1]
    assert not Cookies(clock).reply(taken(given), HOST)[1], "another secret"


def test_a_cookie_is_renewed_in_time_and_ends() -> None:
    clock = Clock()
    cookies = Cookies(clock)
    given, _ = cookies.reply(taken(CLIENT), HOST)
    clock.now += 2000
    renewed, proven = cookies.reply(taken(given), HOST)
    assert proven
    assert renewed != given
    clock.now += 2000
    assert not cookies.reply(taken(given), HOST)[1]
    assert cookies.reply(taken(renewed), HOST)[1]
    clock.now -= 9000
    assert not cookies.reply(taken(renewed), HOST)[1], "it is from the future"


def test_an_answer_that_the_cookie_makes_too_long_is_cut_over_udp() -> None:
    asked = taken(CLIENT)._replace(payload_bytes=512)
    answer = dns.message.make_response(dns.message.from_wire(asked.message))
    answer.use_edns(0, payload=1232)
    wire = answer.to_wire()
    assert dns.message.from_wire(with_cookie(wire, asked, bytes(24), over_tcp=False)).options[0].otype == 10
    long = wire[:-11] + bytes(460) + wire[-11:]
    cut = dns.message.from_wire(with_cookie(long, asked, bytes(24), over_tcp=False))
    assert cut.flags & 0x0200
    assert not cut.answer
    assert cut.options[0].otype == 10
    assert len(with_cookie(long, asked, bytes(24), over_tcp=True)) == len(long) + 28
