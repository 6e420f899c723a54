"""What PostgreSQL alone can do: several nodes at once, a server that goes away, an answer that is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from mailseal.core.errors import Unavailable
from mailseal.core.startup import StartRefused
from mailseal.store.lane import Lane
from mailseal.store.migrate import shipped
from mailseal.store.postgresql import PostgresqlStore, peek_installation, prepare
from mailseal.store.transaction import Transaction
from tests.postgresql import Server, server
from tests.store.stories import NOTHING_DUE, create, new_identity, renamed
from tests.store.test_due import LEASE, due
from tests.unit.core.scenes import START

pytestmark = pytest.mark.needs_debian("postgresql")
Story = Callable[[list[PostgresqlStore]], Awaitable[None]]


def tell(url: str, story: Story, nodes: int = 2) -> None:
    """Tells a story to several nodes on one database."""

    async def told() -> None:
        async with AsyncExitStack() as parts:
            stores = []
            for _ in range(nodes):
                stores.append(await PostgresqlStore.open(url, folder=Path("/nowhere")))
                parts.push_async_callback(stores[-1].close)
            await story(stores)

    asyncio.run(told())


@pytest.fixture
def url() -> str:
    return server().database()


def test_of_nodes_that_start_at_once_exactly_one_makes_the_schema() -> None:
    url = server().empty_database()
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait(30)
        try:
            prepare(url)
        except BaseException as fault:  # noqa: BLE001
            failures.append(fault)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT number FROM schema_migrations ORDER BY number").fetchall()
    assert [number for (number,) in rows] == [migration.number for migration in shipped()]


def test_a_database_that_is_new_holds_no_installation_and_is_not_changed_by_a_peek() -> None:
    url = server().empty_database()
    assert peek_installation(url) == {}
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert rows == [(0,)]


def test_a_database_that_does_not_exist_is_told_in_three_lines() -> None:
    with pytest.raises(StartRefused, match="nowhere cannot be opened"):
        prepare(server().url("nowhere"))


def test_what_one_node_was_answered_for_the_other_node_reads(url: str) -> None:
    async def story(stores: list[PostgresqlStore]) -> None:
        one, two = stores
        for turn in range(20):
            await one.write(lambda tx, turn=turn: tx.installation.put("a", b"%d" % turn))
            assert await two.read(lambda tx: tx.installation.get("a")) == b"%d" % turn

    tell(url, story)


def test_counts_that_nodes_raise_at_once_lose_nothing(url: str) -> None:
    def unit(tx: Transaction) -> None:
        number = int(tx.installation.get("n") or b"0")
        tx.installation.put("n", b"%d" % (number + 1))

    async def story(stores: list[PostgresqlStore]) -> None:
        await asyncio.gather(*(stores[turn % 2].write(unit) for turn in range(60)))
        assert await stores[0].read(lambda tx: tx.installation.get("n")) == b"60"

    tell(url, story)


def test_what_nodes_claim_at_once_is_claimed_by_one_of_them(url: str) -> None:
    async def story(stores: list[PostgresqlStore]) -> None:
        def fill(tx: Transaction) -> None:
            for number in range(60):
                identity = renamed(new_identity(), f"d{number}.example.com")
                create(tx, identity, due({identity.newest.setting_id: 0}, 0))

        await stores[0].write(fill)
        for claim in ("identities", "slots"):
            claims = await asyncio.gather(
                *(
                    stores[turn % 2].write(lambda tx, c=claim: getattr(tx, c).claim_due(START, LEASE, 7))
                    for turn in range(20)
                )
            )
            names = [repr(one) for some in claims for one in some]
            assert (len(names), len(set(names))) == (60, 60)

    tell(url, story)


def test_a_mark_set_while_its_name_is_being_published_is_not_lost(url: str) -> None:
    owner = "token.dkim.mx.example.net"

    async def story(stores: list[PostgresqlStore]) -> None:
        await stores[0].write(lambda tx: tx.zone.mark(owner))
        has_looked, may_end = threading.Event(), threading.Event()
        runs = []

        def publisher(tx: Transaction) -> None:
            runs.append(tx.zone.marked(9))
            has_looked.set()
            assert may_end.wait(30)
            tx.zone._execute("DELETE FROM marked_names WHERE owner = ?", (owner,))

        publishing = asyncio.ensure_future(stores[0].write(publisher))
        assert await asyncio.to_thread(has_looked.wait, 30)
        await stores[1].write(lambda tx: tx.zone.mark(owner))
        may_end.set()
        await publishing
        assert runs == [[owner], [owner]], "it had to look again after the other's change"

    tell(url, story)


def test_a_change_that_is_lost_to_another_is_no_change(url: str) -> None:
    async def story(stores: list[PostgresqlStore]) -> None:
        stored = await stores[0].write(lambda tx: create(tx, new_identity()))
        saved = await asyncio.gather(
            *(
                store.write(
                    lambda tx: tx.identities.save(replace(stored, signing_enabled=False), NOTHING_DUE)
                )
                for store in stores
            )
        )
        assert sorted(one is None for one in saved) == [False, True]

    tell(url, story)


def test_an_answer_to_commit_that_is_lost_is_asked_for_and_the_change_is_made_once(url: str) -> None:
    """The connection ends between the server's COMMIT and the client's look at it."""

    class Cut:
        """A connection that is cut right after its next COMMIT has been carried out."""

        def __init__(self, inner: psycopg.Connection) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def execute(self, statement: object, *values: object) -> object:
            done = self._inner.execute(statement, *values)
            if statement == "COMMIT":
                self._inner.close()
                raise psycopg.OperationalError("the connection was cut")
            return done

    runs = []

    def unit(tx: Transaction) -> None:
        runs.append(1)
        tx.installation._execute("UPDATE zones SET serial = serial + 1 WHERE zone = ?", ("z",))

    lane = Lane(url)
    lane.write(lambda tx: tx.zone.add("z"), float("inf"))
    lane._connection = Cut(lane._connection)
    lane.write(unit, float("inf"))
    assert runs == [1]
    assert lane.read(lambda tx: tx.zone.serial("z"), float("inf")) == 2
    lane.close()


def test_a_commit_that_never_reached_the_server_is_made_again(url: str) -> None:
    class Cut:
        """A connection that is cut right before its next COMMIT."""

        def __init__(self, inner: psycopg.Connection) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def execute(self, statement: object, *values: object) -> object:
            if statement == "COMMIT":
                self._inner.close()
            return self._inner.execute(statement, *values)

    runs = []

    def unit(tx: Transaction) -> None:
        runs.append(1)
        tx.installation._execute("UPDATE zones SET serial = serial + 1 WHERE zone = ?", ("z",))

    lane = Lane(url)
    lane.write(lambda tx: tx.zone.add("z"), float("inf"))
    lane._connection = Cut(lane._connection)
    lane.write(unit, float("inf"))
    assert runs == [1, 1]
    assert lane.read(lambda tx: tx.zone.serial("z"), float("inf")) == 2
    lane.close()


def test_the_other_node_sees_what_one_publishes_within_a_moment(url: str) -> None:
    async def story(stores: list[PostgresqlStore]) -> None:
        before = stores[1].served.generation()
        await stores[0].write(lambda tx: tx.zone.advance("z.example"))
        for _ in range(1000):
            if stores[1].served.generation() != before:
                break
            await asyncio.sleep(0.03)
        assert stores[1].served.generation() != before
        assert stores[1].served.zone_serial("z.example") == 2
        assert abs(stores[0].served.clock_offset) < timedelta(seconds=5)

    tell(url, story)


def test_a_server_that_crashes_under_load_loses_nothing_that_was_acknowledged() -> None:
    own = Server()
    try:
        url = own.empty_database()
        kept: list[str] = []
        refused: list[str] = []

        async def story(stores: list[PostgresqlStore]) -> None:
            ended = asyncio.Event()

            async def client(number: int) -> None:
                turn = 0
                while not ended.is_set():
                    name = f"{number}-{turn}"
                    turn += 1
                    try:
                        await stores[number % 2].write(lambda tx, name=name: tx.installation.put(name, b"x"))
                    except Unavailable:
                        refused.append(name)
                    else:
                        kept.append(name)

            clients = [asyncio.create_task(client(number)) for number in range(6)]
            for _ in range(5):
                before = len(kept)
                for _ in range(3000):
                    if len(kept) > before + 30:
                        break
                    await asyncio.sleep(0.01)
                assert len(kept) > before + 30, "it went on after the crash"
                await asyncio.to_thread(own.stop, "immediate")
                await asyncio.to_thread(own.start)
            ended.set()
            await asyncio.gather(*clients)
            stored = await stores[0].read(lambda tx: set(tx.installation.values()))
            assert set(kept) - stored == set()

        tell(url, story)
    finally:
        own.end()


def test_a_server_that_is_away_is_told_as_such_and_nothing_is_kept(url: str) -> None:
    lane = Lane(url.replace("host=", "host=/nowhere"))
    with pytest.raises(Unavailable, match="database does not answer"):
        lane.write(lambda tx: tx.zone.add("z"), 0.0)
    with pytest.raises(Unavailable, match="database does not answer"):
        lane.read(lambda tx: tx.zone.zones(), 0.0)


def test_no_look_up_waits_for_a_server_that_is_away_and_the_first_after_its_return_succeeds() -> None:
    own = Server()
    try:
        url = own.empty_database()

        async def story(stores: list[PostgresqlStore]) -> None:
            served = stores[0].served
            assert served.zone_serial("z.example") == 1
            await asyncio.to_thread(own.stop, "immediate")
            with pytest.raises(psycopg.OperationalError):
                served.zone_serial("z.example")
            with pytest.raises(psycopg.OperationalError, match="does not answer"):
                served.zone_serial("z.example")
            await asyncio.to_thread(own.start)
            await stores[0].write(lambda tx: tx.zone.advance("z.example"))
            for _ in range(1000):
                with suppress(psycopg.OperationalError):
                    assert served.zone_serial("z.example") == 2
                    return
                await asyncio.sleep(0.03)
            raise AssertionError("it never came back")

        tell(url, story, nodes=1)
    finally:
        own.end()
