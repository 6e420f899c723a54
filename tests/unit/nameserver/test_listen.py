"""The name server's sockets, asked by dnspython over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from mailseal.nameserver.listen import RunningNameServer, StreamLimits, start_name_server
from mailseal.nameserver.rate import RateLimit
from tests.unit.nameserver.zones import APEX, LONG_KEY, WrittenSource, written_zone

Story = Callable[[RunningNameServer, WrittenSource], Coroutine[Any, Any, None]]


def tell(
    story: Story, *hosts: str, limits: StreamLimits | None = None, rate: RateLimit | None = None
) -> None:
    async def run() -> None:
        zone, source = written_zone()
        running = await start_name_server(
            [(host, 0) for host in hosts or ("127.0.0.1",)],
            [zone],
            source,
            limits=limits or StreamLimits(),
            rate=rate,
        )
        try:
            await story(running, source)
        finally:
            await running.close()

    asyncio.run(run())


def make_query(name: str = f"tokenwithkey.{APEX}") -> dns.message.Message:
    return dns.message.make_query(name, "TXT", use_edns=0, payload=1232)


def test_udp_and_tcp_answer_on_the_same_port_of_both_families() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        assert [host for host, _ in running.addresses] == ["127.0.0.1", "::1"]
        for host, port in running.addresses:
            for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
                response = await ask(make_query(), host, port=port, timeout=5)
                assert b"".join(response.answer[0][0].strings) == LONG_KEY

    tell(story, "127.0.0.1", "::1")


def test_a_truncated_answer_is_whole_over_tcp() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        host, port = running.addresses[0]
        response, used_tcp = await dns.asyncquery.udp_with_fallback(
            make_query(f"huge.{APEX}"), host, port=port, timeout=5
        )
        assert used_tcp
        assert len(b"".join(response.answer[0][0].strings)) == 2000

    tell(story)


def test_a_change_is_answered_at_once() -> None:
    async def story(running: RunningNameServer, source: WrittenSource) -> None:
        host, port = running.addresses[0]
        for number in range(20):
            source.put("moving", b"p=%d" % number)
            response = await dns.asyncquery.udp(make_query(f"moving.{APEX}"), host, port=port, timeout=5)
            assert response.answer[0][0].strings == (b"p=%d" % number,)

    tell(story)


def test_a_source_that_fails_is_servfail_and_the_server_lives_on() -> None:
    async def story(running: RunningNameServer, source: WrittenSource) -> None:
        host, port = running.addresses[0]
        texts, source.texts = source.texts, None  # type: ignore[assignment]
        for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
            response = await ask(make_query(), host, port=port, timeout=5)
            assert response.rcode() == dns.rcode.SERVFAIL
        source.texts = texts
        response = await dns.asyncquery.udp(make_query(), host, port=port, timeout=5)
        assert response.rcode() == dns.rcode.NOERROR

    tell(story)


def test_several_queries_share_a_stream_and_are_answered_in_order() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        reader, writer = await asyncio.open_connection(*running.addresses[0])
        queries = [make_query(f"{label}.{APEX}") for label in ("blank", "tokenwithkey", "huge", "none")]
        for query in queries:
            wire = query.to_wire()
            writer.write(len(wire).to_bytes(2) + wire)
        for query in queries:
            size = int.from_bytes(await reader.readexactly(2))
            assert query.is_response(dns.message.from_wire(await reader.readexactly(size)))
        writer.close()
        await writer.wait_closed()

    tell(story)


def test_a_stream_that_says_nothing_is_closed() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        reader, writer = await asyncio.open_connection(*running.addresses[0])
        writer.write(b"\0")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

    tell(story, limits=StreamLimits(idle_s=0.05))


def test_silent_streams_cannot_lock_out_one_that_asks() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        host, port = running.addresses[0]
        silent = [await asyncio.open_connection(host, port) for _ in range(12)]
        response = await dns.asyncquery.tcp(make_query(), host, port=port, timeout=5)
        assert response.rcode() == dns.rcode.NOERROR
        assert len(running._streams) <= 4
        for _, writer in silent:
            writer.close()

    tell(story, limits=StreamLimits(at_most=4))


def test_a_taken_address_is_an_error_and_leaves_nothing_open() -> None:
    async def run() -> None:
        zone, source = written_zone()
        first = await start_name_server([("127.0.0.1", 0)], [zone], source)
        with pytest.raises(OSError, match="in use"):
            await start_name_server([("127.0.0.1", 0), first.addresses[0]], [zone], source)
        response = await dns.asyncquery.udp(make_query(), "127.0.0.1", port=first.addresses[0][1], timeout=5)
        assert response.answer
        await first.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("everywhere", "asked"), [("0.0.0.0", "127.0.0.5"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")]
)
def test_one_socket_for_all_addresses_replies_from_the_one_that_was_asked(
    everywhere: str, asked: str
) -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        port = running.addresses[0][1]
        # dnspython raises UnexpectedSource for an answer from elsewhere.
        response = await dns.asyncquery.udp(make_query(), asked, port=port, timeout=2)
        assert response.answer

    tell(story, everywhere)


def test_a_client_that_floods_is_told_to_come_over_tcp_unless_its_cookie_proves_where_it_is() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        host, port = running.addresses[0]
        asked = make_query()
        asked.use_edns(0, payload=1232, options=[dns.edns.GenericOption(10, b"client's")])
        first = await dns.asyncquery.udp(asked, host, port=port, timeout=20)
        [cookie] = [option for option in first.options if option.otype == 10]
        asked.use_edns(0, payload=1232, options=[cookie])
        for _ in range(20):
            assert (await dns.asyncquery.udp(asked, host, port=port, timeout=20)).answer
        cut = 0
        for _ in range(20):
            try:
                answer = await dns.asyncquery.udp(make_query(), host, port=port, timeout=0.2)
                cut += bool(answer.flags & dns.flags.TC)
            except dns.exception.Timeout:
                continue
            if cut:
                break
        assert cut
        whole = await dns.asyncquery.tcp(make_query(), host, port=port, timeout=20)
        assert whole.answer

    tell(story, rate=RateLimit(1, own_machine_too=True))


def test_a_cookie_of_a_wrong_length_is_a_format_error_over_both() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        host, port = running.addresses[0]
        asked = make_query()
        asked.use_edns(0, options=[dns.edns.GenericOption(10, b"seven..")])
        for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
            response = await ask(asked, host, port=port, timeout=20)
            assert response.rcode() == dns.rcode.FORMERR

    tell(story)


def test_one_client_cannot_take_all_connections() -> None:
    async def story(running: RunningNameServer, _: WrittenSource) -> None:
        host, port = running.addresses[0]
        opened = [await asyncio.open_connection(host, port) for _ in range(3)]
        async with asyncio.timeout(20):
            assert await opened[0][0].read() == b"", "the one that waited longest made room"
        wire = make_query().to_wire()
        for _, writer in opened[1:]:
            writer.write(len(wire).to_bytes(2) + wire)
        for reader, writer in opened[1:]:
            async with asyncio.timeout(20):
                assert await reader.readexactly(2)
            writer.close()

    tell(story, limits=StreamLimits(at_most_each=2))
