"""Another master key takes over: all that is sealed moves, under load and after interruptions."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.access import AccessKey, secret_name
from mailseal.core.errors import BadRequest
from mailseal.core.keys import KeyPlace
from mailseal.core.stored import SealedKey
from mailseal.sealing import Keyring, MasterKeyRefused, SealBroken, master_key_of
from mailseal.sealing.succession import open_keyring
from mailseal.service import rewrap
from mailseal.service.world import World
from mailseal.store.sqlite import SqliteStore
from tests.fakes import START, fake_keyring, pooled_key
from tests.unit.service.scenes import DOMAIN, WHO, Scene, scene

DIGEST = hashlib.sha256(b"a message").digest()


def provider(folder: Path, name: str = "b") -> str:
    """The provider of a file with another master key."""
    path = folder / f"{name}.key"
    if not path.exists():
        path.write_bytes(base64.b64encode(hashlib.sha256(name.encode()).digest()))
        path.chmod(0o400)
    return f"file:{path}"


def old_key(number: int, place: KeyPlace | None) -> SealedKey:
    """A short pooled key under the master key of before."""
    return fake_keyring().seal(pooled_key(number % 4, 1024), f"key-{number:05}", START, place)


def place_of(number: int) -> KeyPlace:
    return KeyPlace(WHO.account_id, WHO.region, f"d{number}.example.com", "selector")


async def fill(store: SqliteStore, keys: int, stocked: int = 5, access_keys: int = 3) -> None:
    """Keys with places, keys in stock, access keys and the installation's values, all under the old one."""
    keyring = fake_keyring()
    sealed = [old_key(number, place_of(number)) for number in range(keys)]
    stock = [old_key(number, None) for number in range(keys, keys + stocked)]
    await store.write(lambda tx: [tx.keys.put(key) for key in sealed])
    await store.write(lambda tx: [tx.keys.add_stock(key) for key in stock])
    await store.write(lambda tx: tx.installation.put("master_key_check", keyring.check_value()))
    derivation = keyring.seal_secret("token_derivation", b"secret")
    await store.write(lambda tx: tx.installation.put("token_derivation", derivation))
    await store.write(lambda tx: tx.access_keys.add_account(WHO.account_id, START))
    for number in range(access_keys):
        key = AccessKey(f"MSAK{number:016}", WHO.account_id)
        hidden = keyring.seal_secret(secret_name(key.access_key_id), b"hush")
        if number == 0:
            hidden = b"\x01" + hidden[9:]
        await store.write(lambda tx, k=key, h=hidden: tx.access_keys.add(k, h, START))


async def rotate(world: World, to: str) -> rewrap.Moving:
    """The whole rotation; gives what the last go said."""
    await rewrap.begin(world, to)
    for _ in range(50):
        moving = await rewrap.go_on(world, START, batches=2, settle=0)
        if world.keyring.older_key_id is None:
            return moving
    raise AssertionError("the rotation does not end")


async def all_keys(store: SqliteStore) -> list[SealedKey]:
    """Every sealed key there is, by way of the ids that the tables hold."""
    placed = store._reading.execute("SELECT key_id FROM private_keys").fetchall()
    stock = store._reading.execute("SELECT key_id FROM key_stock").fetchall()
    found = [await store.read(lambda tx, k=key_id: tx.keys.load(k)) for (key_id,) in placed]
    found += [await store.read(lambda tx, k=key_id: tx.keys.load_stock(k)) for (key_id,) in stock]
    return [key for key in found if key is not None]


def opened_with(name: bytes) -> Keyring:
    return Keyring(master_key_of(name, "tests"))


@pytest.mark.parametrize("keys", [0, 1, 99, 100, 101, 250])
def test_everything_moves_to_the_new_master_key(tmp_path: Path, keys: int) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await fill(one.world.store, keys)  # type: ignore[arg-type]
            moving = await rotate(one.world, provider(tmp_path))
            assert (moving.left, moving.broken) == (0, [])
            new = opened_with(hashlib.sha256(b"b").digest())
            found = await all_keys(one.world.store)  # type: ignore[arg-type]
            assert len(found) == keys + 5
            for key in found:
                new.confirm_key(key)
                with pytest.raises(SealBroken):
                    fake_keyring().confirm_key(key)
            secrets = await one.world.store.read(lambda tx: tx.access_keys.list_not_under(b"", "", 100))
            assert [new.open_secret(secret_name(i), s) for i, s in secrets] == [b"hush"] * 3
            stored = await one.world.store.read(lambda tx: tx.installation.values())
            assert new.open_secret("token_derivation", stored["token_derivation"]) == b"secret"
            new.confirm(stored["master_key_check"])
            assert rewrap.PREDECESSOR not in stored

    asyncio.run(story())


def test_mail_is_signed_in_every_moment_of_a_rotation(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await one.create()
            await one.proven()
            await fill(one.world.store, 300)  # type: ignore[arg-type]
            signed, is_over = 0, False

            async def send_on() -> None:
                nonlocal signed
                while not is_over:
                    assert (await one.send()).startswith(b"DKIM-Signature:")
                    signed += 1
                    await asyncio.sleep(0)

            sending = asyncio.create_task(send_on())
            await rotate(one.world, provider(tmp_path))
            before = signed
            await one.create("later.example.com")
            is_over = True
            await sending
            assert before > 5
            assert (await one.send()).startswith(b"DKIM-Signature:")

    asyncio.run(story())


def test_a_rotation_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await fill(one.world.store, 250)  # type: ignore[arg-type]
            await rewrap.begin(one.world, provider(tmp_path))
            first = await rewrap.go_on(one.world, START, batches=1, settle=0)
            assert (first.moved, first.left) == (100, 155)
            stored = await one.world.store.read(lambda tx: tx.installation.values())
            again = replace(one.world, keyring=open_keyring(provider(tmp_path), stored).keyring)
            moving = await rewrap.go_on(again, START, settle=0)
            assert (moving.left, again.keyring.older_key_id) == (0, None)

    asyncio.run(story())


def test_a_row_that_does_not_open_is_told_and_keeps_the_old_master_key(tmp_path: Path) -> None:
    alarms: list[tuple[str, str]] = []

    async def story() -> None:
        async with scene(tmp_path, alarm=lambda name, text: alarms.append((name, text))) as one:
            await fill(one.world.store, 30)  # type: ignore[arg-type]
            bad = replace(old_key(900, place_of(900)), envelope=b"\x01" + bytes(200))
            await one.world.store.write(lambda tx: tx.keys.put(bad))
            await rewrap.begin(one.world, provider(tmp_path))
            moving = await rewrap.go_on(one.world, START, settle=0)
            assert moving.broken == ["key key-00900"]
            assert moving.left == 1
            assert one.world.keyring.older_key_id == fake_keyring().master_key_id
            assert [name for name, _ in alarms] == ["d900.example.com"]
            told = await one.world.store.read(
                lambda tx: tx.events.list(WHO.account_id, WHO.region, "d900.example.com", 5)
            )
            assert [event.kind for event in told] == ["alarm"]
            await rewrap.go_on(one.world, START, settle=0)
            again = await one.world.store.read(
                lambda tx: tx.events.list(WHO.account_id, WHO.region, "d900.example.com", 5)
            )
            assert len(again) == 1

    asyncio.run(story())


def test_what_cannot_be_read_back_stops_the_rotation_and_keeps_the_old_master_key(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await fill(one.world.store, 120)  # type: ignore[arg-type]
            await tampered(
                one,
                "CREATE TRIGGER spoils AFTER UPDATE ON private_keys WHEN NEW.key_id = 'key-00007' "
                "AND length(NEW.envelope) > 300 "
                "BEGIN UPDATE private_keys SET envelope = zeroblob(300) WHERE key_id = NEW.key_id; END",
            )
            await rewrap.begin(one.world, provider(tmp_path))
            with pytest.raises(SealBroken, match="key-00007"):
                await rewrap.go_on(one.world, START, settle=0)
            assert one.world.keyring.older_key_id == fake_keyring().master_key_id
            stored = await one.world.store.read(lambda tx: tx.installation.values())
            assert rewrap.PREDECESSOR in stored

    asyncio.run(story())


def test_a_second_rotation_waits_for_the_first(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await fill(one.world.store, 3)  # type: ignore[arg-type]
            await rewrap.begin(one.world, provider(tmp_path))
            with pytest.raises(BadRequest, match="still moving"):
                await rewrap.begin(one.world, provider(tmp_path, "c"))

    asyncio.run(story())


def test_of_two_changes_at_once_one_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await fill(one.world.store, 30)  # type: ignore[arg-type]
            ready = one.world.keyring.successor(provider(tmp_path, "late"))
            begun = await asyncio.gather(
                *(rewrap.begin(one.world, provider(tmp_path, name)) for name in ("b", "c", "d")),
                return_exceptions=True,
            )
            assert [type(one) for one in begun].count(BadRequest) == 2
            await rewrap.go_on(one.world, START, settle=0)
            assert one.world.keyring.older_key_id is None
            assert ready.replaces != one.world.keyring.master_key_id
            stored = await one.world.store.read(lambda tx: tx.installation.values())
            names = [name for name in ("b", "c", "d") if opens(provider(tmp_path, name), stored)]
            assert len(names) == 1
            keyring = open_keyring(provider(tmp_path, names[0]), stored).keyring
            for key in await all_keys(one.world.store):  # type: ignore[arg-type]
                keyring.confirm_key(key)

    asyncio.run(story())


def opens(configured: str, stored: Mapping[str, bytes]) -> bool:
    """Whether a start with this provider opens the database."""
    try:
        return open_keyring(configured, stored).outdated == ""
    except MasterKeyRefused:
        return False


def test_a_provider_that_gives_no_key_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await fill(one.world.store, 3)  # type: ignore[arg-type]
            before = await one.world.store.read(lambda tx: tx.installation.values())
            with pytest.raises(BadRequest, match=r"nowhere\.key cannot be read"):
                await rewrap.begin(one.world, f"file:{tmp_path}/nowhere.key")
            assert await one.world.store.read(lambda tx: tx.installation.values()) == before
            assert one.world.keyring.older_key_id is None

    asyncio.run(story())


async def tampered(one: Scene, statement: str, *values: bytes | str) -> None:
    """A row changed by somebody who can write to the file."""
    store = one.world.store
    assert isinstance(store, SqliteStore)
    await store.write(lambda tx: tx.keys._execute(statement, values))


TAMPERINGS = {
    "an edited envelope": "UPDATE private_keys SET envelope = CAST(substr(envelope, 1, 500) || "
    "x'0000000000000000' || substr(envelope, 509) AS BLOB) WHERE domain = 'example.com'",
    "another domain's envelope": "UPDATE private_keys SET envelope = "
    "(SELECT envelope FROM private_keys WHERE domain = 'other.example') WHERE domain = 'example.com'",
    "another public key": "UPDATE private_keys SET spki = "
    "(SELECT spki FROM private_keys WHERE domain = 'other.example') WHERE domain = 'example.com'",
    "another account": "UPDATE private_keys SET account_id = '000000000002' WHERE domain = 'example.com'",
    "a slot that leads to another domain's key": "UPDATE slots SET key_id = "
    "(SELECT key_id FROM private_keys WHERE domain = 'other.example') "
    "WHERE domain = 'example.com' AND key_id IS NOT NULL",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_row_that_was_tampered_with_signs_nothing_and_raises_an_alarm(
    tmp_path: Path, tampering: str
) -> None:
    alarms: list[str] = []

    async def story() -> None:
        async with scene(tmp_path, alarm=lambda name, text: alarms.append(name)) as one:
            one.dns.domains.add("other.example")
            await one.create("other.example")
            await one.create()
            await one.proven()
            await one.send()
            await tampered(one, TAMPERINGS[tampering])
            sent = len(one.next_hop.given)
            for _ in range(3):
                with pytest.raises(SealBroken):
                    await one.send()
            assert len(one.next_hop.given) == sent
            assert alarms == [DOMAIN] * 3
            events = await one.world.store.read(
                lambda tx: tx.events.list(WHO.account_id, WHO.region, DOMAIN, 20)
            )
            assert [event.kind for event in events].count("alarm") == 1

    asyncio.run(story())


def test_a_row_rolled_back_to_the_old_master_key_signs_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as one:
            await one.create()
            await one.proven()
            await fill(one.world.store, 1)  # type: ignore[arg-type]
            await one.send()
            row = "SELECT envelope, master_key_id FROM private_keys WHERE domain = 'example.com'"
            ((envelope, master_key_id),) = one.world.store._reading.execute(row).fetchall()  # type: ignore[attr-defined]
            await rotate(one.world, provider(tmp_path))
            await one.send()
            back = "UPDATE private_keys SET envelope = ?, master_key_id = ? WHERE domain = 'example.com'"
            await tampered(one, back, envelope, master_key_id)
            with pytest.raises(SealBroken):
                await one.send()

    asyncio.run(story())


def test_a_stock_key_that_was_tampered_with_is_thrown_away_and_told(tmp_path: Path) -> None:
    alarms: list[str] = []

    async def story() -> None:
        async with scene(tmp_path, alarm=lambda name, text: alarms.append(name)) as one:
            await one.world.store.write(lambda tx: tx.keys.add_stock(old_key(1, None)))
            await tampered(one, "UPDATE key_stock SET bits = 2048, made_at = 0")
            await one.create()
            assert alarms[0] == "the stock"
            assert (await one.proven()).signing is not None
            await one.send()
            left = await one.world.store.read(lambda tx: tx.keys.stock_levels())
            assert left == {}

    asyncio.run(story())
