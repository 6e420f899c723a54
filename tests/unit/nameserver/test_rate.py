"""The bound on answers: by network and kind, with a way out for those who are really there."""

from __future__ import annotations

import dns.message
import dns.rcode

from mailseal.nameserver.answer import answer
from mailseal.nameserver.rate import RateLimit, cut
from tests.unit.nameserver.zones import APEX, written_zone

HOST, NEIGHBOUR, OTHER = "192.0.2.1", "192.0.2.99", "192.0.3.1"
RATE = 10


def response(label: str = "tokenwithkey", rdtype: str = "TXT", *, edns: bool = True) -> bytes:
    zone, _ = written_zone()
    query = dns.message.make_query(f"{label}.{APEX}", rdtype, use_edns=0 if edns else False)
    made = answer(query.to_wire(), [zone], over_tcp=False)
    assert made is not None
    return made


def verdicts(limit: RateLimit, count: int, host: str, made: bytes) -> list[bytes | None]:
    return [limit.verdict(made, host) for _ in range(count)]


def test_above_the_rate_every_second_answer_is_cut_and_the_others_are_dropped() -> None:
    limit, made = RateLimit(RATE), response()
    limit.begin(1.0)
    assert verdicts(limit, RATE, HOST, made) == [made] * RATE
    assert verdicts(limit, 4, NEIGHBOUR, made) == [None, cut(made), None, cut(made)]
    assert verdicts(limit, RATE, OTHER, made) == [made] * RATE, "another network"
    assert limit.verdict(response("unknown"), HOST) is not None, "another kind of answer"


def test_the_next_second_begins_anew() -> None:
    limit, made = RateLimit(1), response()
    limit.begin(1.0)
    assert verdicts(limit, 2, HOST, made) == [made, None]
    limit.begin(1.9)
    assert limit.verdict(made, HOST) == cut(made)
    limit.begin(2.0)
    assert limit.verdict(made, HOST) == made


def test_an_ipv6_household_counts_as_one() -> None:
    limit, made = RateLimit(1), response()
    limit.begin(1.0)
    assert limit.verdict(made, "2001:db8:0:1::1") == made
    assert limit.verdict(made, "2001:db8:0:12::9") is None
    assert limit.verdict(made, "2001:db8:0:100::1") == made


def test_this_machine_has_no_bound_and_a_rate_of_nothing_is_none() -> None:
    made = response()
    limit = RateLimit(1)
    limit.begin(1.0)
    for host in ("127.0.0.1", "::1"):
        assert verdicts(limit, 5, host, made) == [made] * 5
    unbounded = RateLimit(0)
    unbounded.begin(1.0)
    assert verdicts(unbounded, 500, HOST, made) == [made] * 500


def test_what_goes_out_to_a_flooded_network_is_less_than_what_came() -> None:
    limit, made = RateLimit(RATE), response()
    query = dns.message.make_query(f"tokenwithkey.{APEX}", "TXT", use_edns=0).to_wire()
    limit.begin(1.0)
    flood = 2000
    sent = sum(len(one or b"") for one in verdicts(limit, flood, HOST, made))
    assert sent < flood * len(query)


def test_a_cut_answer_has_its_question_and_says_so() -> None:
    for edns in (True, False):
        read = dns.message.from_wire(cut(response(edns=edns)))
        assert read.question[0].name.to_text() == f"tokenwithkey.{APEX}."
        assert (bool(read.flags & 0x0200), read.answer, read.edns) == (True, [], 0 if edns else -1)
    assert cut(bytes(12)) == b"\0\0\2" + bytes(9)
