"""What is made of a resolver's answers, and of everything else that comes instead of one."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from mailseal.core.observations import Asked, Observation, Outcome, Question, RecordType, Stage
from mailseal.resolver.asking import DnsResolver
from tests.unit.resolver.servers import (
    Packets,
    Script,
    ScriptedServer,
    Servers,
    always,
    framed,
    nothing,
    reply,
)

NAME = "t._domainkey.example.com"
QUESTION = Question(NAME, RecordType.TXT)
ALIAS = f"{NAME}. 300 CNAME k.dkim.example.net."
KEY = 'k.dkim.example.net. 60 TXT "p=AB" "CD"'
SOA = "example.com. 900 SOA ns.example.com. admin.example.com. 7 1 2 3 300"
QUICK = (0.05, 0.05, 0.05)


def see(
    script: Script,
    *,
    question: Question = QUESTION,
    stream: Script | None = None,
    tries_s: tuple[float, ...] = (2.0, 0.05, 0.05),
) -> tuple[Observation, ScriptedServer]:
    async def run() -> tuple[Observation, ScriptedServer]:
        servers = Servers()
        server = await servers.start(script, stream=stream)
        try:
            resolver = DnsResolver([server.vantage], tries_s=tries_s)
            [seen] = await resolver.ask_vantages([question])
        finally:
            servers.close()
        return seen, server

    return asyncio.run(run())


def test_an_alias_with_its_key_is_an_answer() -> None:
    seen, server = see(always(ALIAS, KEY, flags=dns.flags.AD))
    assert seen.question == QUESTION
    assert seen.asked == Asked(Stage.VANTAGE, server.vantage)
    assert seen.outcome is Outcome.ANSWER
    assert seen.chain == ("k.dkim.example.net",)
    assert seen.texts == (b"p=ABCD",)
    assert seen.ttl == 60
    assert seen.authenticated
    assert seen.rcode == "NOERROR"


def test_the_order_of_records_and_strangers_among_them_do_not_matter() -> None:
    stranger = 'other.example. 1 TXT "p=evil"'
    hop = "hop.example. 200 CNAME k.dkim.example.net."
    seen, _ = see(always(KEY, stranger, hop, f"{NAME}. 300 CNAME hop.example."))
    assert seen.chain == ("hop.example", "k.dkim.example.net")
    assert seen.texts == (b"p=ABCD",)


def test_a_text_beside_the_chain_is_not_the_answer() -> None:
    seen, _ = see(always(ALIAS, 'unrelated.example. 60 TXT "p=x"', authority=[SOA]))
    assert seen.outcome is Outcome.NODATA
    assert seen.texts == ()


def test_nxdomain_with_an_alias_keeps_the_alias() -> None:
    seen, _ = see(always(ALIAS, authority=[SOA], rcode="NXDOMAIN"))
    assert seen.outcome is Outcome.NXDOMAIN
    assert seen.chain == ("k.dkim.example.net",)
    assert seen.negative_ttl == 300


def test_absence_of_the_name_and_of_the_type_are_told_apart() -> None:
    for rcode, outcome in (("NXDOMAIN", Outcome.NXDOMAIN), ("NOERROR", Outcome.NODATA)):
        seen, _ = see(always(authority=[SOA], rcode=rcode))
        assert seen.outcome is outcome
        assert seen.negative_ttl == 300
        assert seen.zone == "example.com"
        assert seen.soa is not None
        assert seen.soa.serial == 7


def test_a_negative_ttl_is_the_smaller_of_the_soas_two() -> None:
    seen, _ = see(always(authority=[SOA.replace("900", "20")], rcode="NXDOMAIN"))
    assert seen.negative_ttl == 20


def test_several_texts_stay_several() -> None:
    seen, _ = see(always(f'{NAME}. 60 TXT "a"', f'{NAME}. 60 TXT "b" "c"', f'{NAME}. 60 TXT ""'))
    assert sorted(seen.texts) == [b"", b"a", b"bc"]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTAUTH", "YXDOMAIN"])
def test_a_failing_resolver_is_not_an_absent_record(rcode: str) -> None:
    seen, _ = see(always(rcode=rcode))
    assert seen.outcome is Outcome.TEMPORARY
    assert seen.detail
    assert seen.negative_ttl is None


def test_a_dead_resolver_is_not_an_absent_record() -> None:
    seen, server = see(nothing, tries_s=QUICK)
    assert seen.outcome is Outcome.TEMPORARY
    assert seen.rcode == ""
    assert "no answer within" in seen.detail
    assert len(server.asked) == 3


def test_a_closed_port_is_not_an_absent_record() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    [seen] = asyncio.run(DnsResolver([f"udp://127.0.0.1:{port}"]).ask_vantages([QUESTION]))
    assert seen.outcome is Outcome.TEMPORARY
    assert "can't be reached" in seen.detail


def test_a_lost_packet_is_asked_for_again() -> None:
    calls = iter(range(10))

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        return [reply(query, ALIAS, KEY).to_wire()] if next(calls) == 2 else []

    seen, _ = see(script, tries_s=(0.05, 0.05, 2))
    assert seen.outcome is Outcome.ANSWER


@pytest.mark.parametrize("code", range(6, 13))
def test_servfail_with_a_dnssec_reason_is_bogus(code: int) -> None:
    seen, server = see(always(rcode="SERVFAIL", ede=(code, "signature \x1b[31m expired")))
    assert seen.outcome is Outcome.BOGUS
    assert seen.rcode == "SERVFAIL"
    assert r"\x1b[31m" in seen.detail
    assert "\x1b" not in seen.detail
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [0, 3, 5, 13, 22, 23])
def test_servfail_with_another_reason_is_temporary_and_keeps_it(code: int) -> None:
    seen, _ = see(always(rcode="SERVFAIL", ede=(code, "because")))
    assert seen.outcome is Outcome.TEMPORARY
    assert "because" in seen.detail


def test_servfail_that_answers_with_checking_disabled_is_bogus() -> None:
    def script(query: dns.message.Message, wire: bytes) -> Packets:
        unchecked = query.flags & dns.flags.CD
        yield (reply(query, ALIAS, KEY) if unchecked else reply(query, rcode="SERVFAIL")).to_wire()

    seen, server = see(script)
    assert seen.outcome is Outcome.BOGUS
    assert seen.texts == ()
    assert len(server.asked) == 3


def test_a_resolver_that_recovered_in_between_is_not_bogus() -> None:
    calls = iter(range(10))

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        yield (reply(query, ALIAS, KEY) if next(calls) else reply(query, rcode="SERVFAIL")).to_wire()

    seen, _ = see(script)
    assert seen.outcome is Outcome.ANSWER


def test_forged_and_broken_packets_before_the_true_one_are_ignored() -> None:
    def script(query: dns.message.Message, wire: bytes) -> Packets:
        forged = reply(query, f'{NAME}. 60 TXT "p=evil"').to_wire()
        yield bytes((forged[0] ^ 1,)) + forged[1:]
        yield forged[:12] + forged[12:].swapcase()
        yield wire
        yield b""
        yield forged[:20]
        yield forged + b"\0"
        yield forged[:7] + b"\x09" + forged[8:]
        yield reply(dns.message.make_query("other.example", "TXT", id=query.id), rcode="NXDOMAIN").to_wire()
        yield b"\0" * 4096
        yield reply(query, ALIAS, KEY).to_wire()

    seen, server = see(script)
    assert seen.texts == (b"p=ABCD",)
    assert len(server.asked) == 1


def test_a_forged_packet_alone_is_no_answer() -> None:
    def script(query: dns.message.Message, wire: bytes) -> Packets:
        forged = reply(query, f'{NAME}. 60 TXT "p=evil"').to_wire()
        yield bytes((forged[0] ^ 1,)) + forged[1:]

    seen, _ = see(script, tries_s=QUICK)
    assert seen.outcome is Outcome.TEMPORARY
    assert seen.detail == "only answers to other questions came"


def test_a_packet_from_another_address_is_never_read() -> None:
    async def run() -> Observation:
        servers = Servers()
        forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        forger.bind(("127.0.0.2", 0))
        victims: list[int] = []

        def script(query: dns.message.Message, wire: bytes) -> Packets:
            # What an attacker who even sees the query would send from elsewhere.
            for victim in victims:
                forger.sendto(reply(query, f'{NAME}. 60 TXT "p=evil"').to_wire(), ("127.0.0.1", victim))
            return [reply(query, ALIAS, KEY).to_wire()]

        server = await servers.start(script)
        loop = asyncio.get_running_loop()
        add_reader = loop.add_reader

        def spying(fd: int, *arguments: Any) -> Any:
            with socket.socket(fileno=socket.dup(fd)) as copy:
                victims.append(copy.getsockname()[1])
            return add_reader(fd, *arguments)

        loop.add_reader = spying  # type: ignore[method-assign]
        [seen] = await DnsResolver([server.vantage]).ask_vantages([QUESTION])
        servers.close()
        forger.close()
        assert victims
        return seen

    assert asyncio.run(run()).texts == (b"p=ABCD",)


def test_ids_ports_and_case_differ_from_query_to_query() -> None:
    ids: set[int] = set()
    spelt: set[str] = set()

    def script(query: dns.message.Message, wire: bytes) -> Packets:
        ids.add(query.id)
        spelt.add(query.question[0].name.to_text())
        yield reply(query, ALIAS, KEY).to_wire()

    async def run() -> None:
        servers = Servers()
        server = await servers.start(script)
        await DnsResolver([server.vantage]).ask_vantages([QUESTION] * 50)
        servers.close()

    asyncio.run(run())
    assert len(ids) > 45
    assert len(spelt) > 45


def test_a_server_that_answers_in_lower_case_is_believed_on_the_last_try() -> None:
    def script(query: dns.message.Message, wire: bytes) -> Packets:
        lowered = dns.message.from_wire(wire[:12] + wire[12:].lower())
        yield reply(lowered, ALIAS, KEY).to_wire()

    seen, server = see(script, tries_s=(0.05, 0.05, 2))
    assert seen.outcome is Outcome.ANSWER
    assert len(server.asked) == 3


def test_a_server_without_edns_is_asked_without_it() -> None:
    def script(query: dns.message.Message, wire: bytes) -> Packets:
        if query.edns >= 0:
            return [wire[:2] + b"\x80\x01" + bytes(8)]
        return [reply(query, ALIAS, KEY).to_wire()]

    seen, server = see(script, tries_s=(0.2, 0.1, 0.1))
    assert seen.outcome is Outcome.ANSWER
    assert len(server.asked) == 2


def truncated(query: dns.message.Message, wire: bytes) -> Packets:
    yield reply(query, flags=dns.flags.TC).to_wire()


def test_a_truncated_answer_is_fetched_over_tcp() -> None:
    def whole(query: dns.message.Message, wire: bytes) -> Packets:
        yield framed(reply(query, ALIAS, KEY, f'{NAME}. 60 TXT "{"x" * 200}"').to_wire())

    seen, server = see(truncated, stream=whole)
    assert seen.texts == (b"p=ABCD",)
    assert server.streamed == 1


def stream_of(make: Callable[[dns.message.Message], bytes]) -> Script:
    return lambda query, wire: [make(query)]


@pytest.mark.parametrize(
    ("stream", "detail"),
    [
        (stream_of(lambda q: framed(reply(q, flags=dns.flags.TC).to_wire())), "truncated over TCP too"),
        (stream_of(lambda q: (40000).to_bytes(2) + bytes(100)), "larger than 16 KiB"),
        (stream_of(lambda q: framed(reply(q, KEY).to_wire())[:9]), "none came in time"),
        (stream_of(lambda q: framed(b"\0" * 40)), "another question"),
        (stream_of(lambda q: framed(reply(q, KEY).to_wire() + b"x")), "broken answer"),
    ],
    ids=["TC again", "too large", "drip", "forged", "broken"],
)
def test_what_goes_wrong_over_tcp_is_temporary_and_named(stream: Script, detail: str) -> None:
    seen, _ = see(truncated, stream=stream, tries_s=(0.2, 0.1, 0.1))
    assert seen.outcome is Outcome.TEMPORARY
    assert detail in seen.detail


def test_aliases_that_never_end_are_temporary() -> None:
    circle, _ = see(always(f"{NAME}. 5 CNAME b.example.", f"b.example. 5 CNAME {NAME}."))
    assert circle.outcome is Outcome.TEMPORARY
    names = [NAME, *(f"hop{n}.example" for n in range(12))]
    links = [f"{a}. 5 CNAME {b}." for a, b in itertools.pairwise(names)]
    long, _ = see(always(*links))
    assert long.outcome is Outcome.TEMPORARY
    assert "aliases" in long.detail
    eight, _ = see(always(*links[:8], f'{names[8]}. 5 TXT "end"'))
    assert eight.texts == (b"end",)
    assert len(eight.chain) == 8


def test_a_target_with_quotes_or_a_scheme_is_shown_as_it_is() -> None:
    for written in (r"\"k.dkim.example.net\".", "https://k.dkim.example.net."):
        seen, _ = see(always(f"{NAME}. 5 CNAME {written}", authority=[SOA], rcode="NXDOMAIN"))
        assert seen.chain == (written[:-1],)


def test_each_vantage_gives_one_observation_of_each_question() -> None:
    async def run() -> None:
        servers = Servers()
        good = await servers.start(always(ALIAS, KEY), "127.0.0.1")
        bad = await servers.start(always(rcode="REFUSED"), "127.0.0.2")
        questions = [Question(f"n{n}.example", RecordType.TXT) for n in range(3)]
        seen = await DnsResolver([good.vantage, bad.vantage]).ask_vantages(questions)
        servers.close()
        assert [(s.asked.server, s.question) for s in seen] == [
            (vantage, question) for vantage in (good.vantage, bad.vantage) for question in questions
        ]

    asyncio.run(run())


@pytest.mark.parametrize(
    "spelling",
    ["127.0.0.1", "tcp://127.0.0.1:853", "udp://name.example:53", "udp:", "https://127.0.0.1", "tls://a/b"],
)
def test_a_vantage_written_otherwise_is_refused_at_the_start(spelling: str) -> None:
    with pytest.raises(ValueError, match=r"vantage|address"):
        DnsResolver([spelling])


def test_a_vantage_may_have_an_ipv6_address() -> None:
    async def run() -> None:
        servers = Servers()
        server = await servers.start(always(ALIAS, KEY), "::1")
        [seen] = await DnsResolver([f"udp://[::1]:{server.port}"]).ask_vantages([QUESTION])
        servers.close()
        assert seen.outcome is Outcome.ANSWER

    asyncio.run(run())
