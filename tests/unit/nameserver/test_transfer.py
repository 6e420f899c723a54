"""Zone transfers over the listening server, asked for by dnspython: whole zones, changes, signatures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.xfr
import dns.zone
import pytest

from mailseal.core.rotation import Answer
from mailseal.nameserver.listen import start_name_server
from mailseal.nameserver.transfer import Secondary, Transfers
from mailseal.nameserver.tsig import TsigKey
from mailseal.nameserver.zone import Zone
from mailseal.store.sqlite import SqliteStore
from tests.fakes import opened_store
from tests.unit.core.scenes import START
from tests.unit.nameserver.zones import APEX, LONG_KEY, SETTINGS

KEY = TsigKey("transfer.example.net", "hmac-sha512", b"the secret that both of them know")
KEYRING = {dns.name.from_text(KEY.name): KEY.for_dnspython()}
OTHERS = {
    dns.name.from_text(KEY.name): dns.tsig.Key(KEY.name, b"another secret of that length too", KEY.algorithm)
}


class Primary:
    """A name server over a database, and the zone as a secondary has it."""

    def __init__(self, store: SqliteStore, port: int) -> None:
        self.store, self.port = store, port
        self.copy = dns.zone.Zone(APEX)

    async def change(self, **texts: bytes | None) -> int:
        """The serial under which these names give these texts."""

        for label, text in texts.items():
            owner, answer = f"{label}.{APEX}", Answer(text, 60)
            await self.store.write(lambda tx, o=owner, a=answer: tx.zone.serve(APEX, o, a, START))
        return await self.store.write(lambda tx: tx.zone.advance(APEX))

    async def follow(self, *, keyring: object = None, rdtype: str | None = None) -> int:
        """How many messages it took to bring the copy up to date."""
        query, serial = dns.xfr.make_query(self.copy, keyring=keyring, keyalgorithm=KEY.algorithm)
        if rdtype == "AXFR":
            query, serial = dns.message.make_query(APEX, "AXFR"), None
            self.copy = dns.zone.Zone(APEX)
            if keyring:
                query.use_tsig(keyring)
        rdtype_now = query.question[0].rdtype
        messages = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2) + wire)
        with dns.xfr.Inbound(self.copy, rdtype_now, serial) as inbound:
            done, context = False, None
            while not done:
                size = int.from_bytes(await reader.readexactly(2))
                response = dns.message.from_wire(
                    await reader.readexactly(size),
                    keyring=query.keyring,
                    request_mac=query.mac,
                    xfr=True,
                    origin=self.copy.origin,
                    tsig_ctx=context,
                    multi=True,
                    one_rr_per_rrset=rdtype_now == dns.rdatatype.IXFR,
                )
                assert response.had_tsig == bool(keyring)
                context = response.tsig_ctx
                done = inbound.process_message(response)
                messages += 1
        writer.close()
        return messages

    def texts(self) -> dict[str, bytes]:
        """The texts of the copy by label."""
        found = {}
        for name, rdataset in self.copy.iterate_rdatasets("TXT"):
            found[name.to_text()] = b"".join(rdataset[0].strings)
        return found

    def serial(self) -> int:
        return int(self.copy.get_soa().serial)


Story = Callable[[Primary], Awaitable[None]]


def tell(folder: Path, story: Story, *secondaries: Secondary) -> None:
    async def told() -> None:
        async with opened_store(folder) as store:
            zone = Zone(SETTINGS, store.served)
            await store.write(lambda tx: tx.zone.settle(APEX, zone.shape()))
            transfers = Transfers([zone], store.served, secondaries)
            server = await start_name_server([("127.0.0.1", 0)], [zone], store.served, transfers=transfers)
            try:
                await story(Primary(store, server.addresses[0][1]))
            finally:
                await server.close()

    asyncio.run(told())


HERE = Secondary("127.0.0.1", 5300)
HERE_SIGNED = Secondary("127.0.0.1", 5300, KEY)


@pytest.mark.parametrize("keyring", [None, KEYRING], ids=["unsigned", "signed"])
def test_a_zone_of_many_names_is_taken_whole(tmp_path: Path, keyring: object) -> None:
    async def story(primary: Primary) -> None:
        wanted = {f"t{number}": b"%d" % number + LONG_KEY for number in range(600)}
        serial = await primary.change(**wanted)
        assert await primary.follow(keyring=keyring, rdtype="AXFR") > 15, "in messages of a bounded size"
        assert primary.texts() == wanted | {"_serial": b"%d" % serial}
        assert primary.serial() == serial
        names = {name.to_text() for name in primary.copy.nodes}
        assert {"@", "ns1", "a.ns2", "t599"} <= names

    tell(tmp_path, story, HERE_SIGNED if keyring else HERE)


@pytest.mark.parametrize("keyring", [None, KEYRING], ids=["unsigned", "signed"])
def test_a_secondary_that_missed_some_serials_takes_these_alone(tmp_path: Path, keyring: object) -> None:
    async def story(primary: Primary) -> None:
        await primary.change(**{f"t{number}": LONG_KEY for number in range(300)})
        await primary.follow(keyring=keyring, rdtype="AXFR")
        before = primary.serial()
        await primary.change(t1=b"one", t2=None, new=b"")
        await primary.change(t1=None, t2=b"two")
        serial = await primary.change(new=b"three")
        assert await primary.follow(keyring=keyring) == 1
        assert primary.serial() == serial == before + 3
        texts = primary.texts()
        assert "t1" not in texts
        assert (texts["t2"], texts["new"]) == (b"two", b"three")
        assert (len(texts), texts["_serial"]) == (301, b"%d" % serial)
        assert await primary.follow(keyring=keyring) == 1, "nothing is new, and it says so"

    tell(tmp_path, story, HERE_SIGNED if keyring else HERE)


def test_a_secondary_from_before_the_journal_takes_the_whole_zone(tmp_path: Path) -> None:
    async def story(primary: Primary) -> None:
        await primary.change(a=b"1", b=b"2")
        await primary.follow(rdtype="AXFR")
        await primary.change(a=b"3")
        await primary.store.write(lambda tx: tx.zone.settle(APEX, "another configuration"))
        serial = await primary.change(b=None)
        await primary.follow()
        assert primary.texts() == {"a": b"3", "_serial": b"%d" % serial}

    tell(tmp_path, story, HERE)


def test_a_transfer_is_of_one_serial_while_the_zone_changes(tmp_path: Path) -> None:
    async def story(primary: Primary) -> None:
        wanted = {f"t{number:04}": LONG_KEY for number in range(1500)}
        await primary.change(**wanted)
        changes = asyncio.create_task(keep_changing(primary))
        await primary.follow(rdtype="AXFR")
        for _ in range(5):
            await primary.follow()
        changes.cancel()
        await primary.follow()
        texts = primary.texts()
        assert texts.pop("_serial") == b"%d" % primary.serial()
        assert set(texts) == set(wanted), "an incremental step onto a zone of another serial would fail"

    async def keep_changing(primary: Primary) -> None:
        for number in range(10_000):
            await primary.change(**{f"t{number % 1500:04}": b"%d" % number})
            await asyncio.sleep(0)

    tell(tmp_path, story, HERE)


async def code(primary: Primary, query: dns.message.Message) -> dns.rcode.Rcode:
    response = await dns.asyncquery.tcp(query, "127.0.0.1", port=primary.port, timeout=20)
    assert not response.answer
    return response.rcode()


def test_whoever_is_no_secondary_gets_nothing(tmp_path: Path) -> None:
    async def story(primary: Primary) -> None:
        await primary.change(a=b"1")
        for rdtype in ("AXFR", "IXFR"):
            assert await code(primary, dns.message.make_query(APEX, rdtype)) == dns.rcode.REFUSED

    tell(tmp_path, story)
    tell(tmp_path, story, Secondary("192.0.2.53"))
    tell(tmp_path, story, HERE_SIGNED)


def test_another_secret_or_another_key_is_told_so(tmp_path: Path) -> None:
    async def story(primary: Primary) -> None:
        await primary.change(a=b"1")
        query = dns.message.make_query(APEX, "AXFR")
        query.use_tsig(OTHERS)
        with pytest.raises(dns.tsig.PeerBadSignature):
            await code(primary, query)
        query = dns.message.make_query(APEX, "AXFR")
        query.use_tsig(
            {dns.name.from_text("other.example"): dns.tsig.Key("other.example", b"x" * 32, "hmac-sha256")}
        )
        with pytest.raises(dns.tsig.PeerBadKey):
            await code(primary, query)

    tell(tmp_path, story, HERE_SIGNED)


def test_a_signed_question_is_answered_signed_over_udp_too(tmp_path: Path) -> None:
    async def story(primary: Primary) -> None:
        serial = await primary.change(a=b"1")
        for rdtype in ("SOA", "IXFR"):
            query = dns.message.make_query(APEX, rdtype)
            query.use_tsig(KEYRING)
            response = await dns.asyncquery.udp(query, "127.0.0.1", port=primary.port, timeout=20)
            assert response.had_tsig
            assert response.answer[0][0].serial == serial

    tell(tmp_path, story, HERE_SIGNED)


def test_a_key_opens_nothing_to_another_address(tmp_path: Path) -> None:
    async def story(primary: Primary) -> None:
        query = dns.message.make_query(APEX, "AXFR")
        query.use_tsig(KEYRING)
        wire = query.to_wire()
        reader, writer = await asyncio.open_connection("127.0.0.1", primary.port)
        writer.write(len(wire).to_bytes(2) + wire)
        told = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        assert told[3] & 0xF == dns.rcode.NOTAUTH
        assert int.from_bytes(told[6:8]) == 0
        writer.close()

    tell(tmp_path, story, Secondary("192.0.2.53", key=KEY))
