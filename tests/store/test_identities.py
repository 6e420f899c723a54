"""Identities as they are stored: nothing is lost on the way, and nobody overwrites a newer row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailseal.core.identity import ByoDkim, EasyDkim, Identity, Setting
from mailseal.core.keys import KeyPlace
from mailseal.core.lifecycle import DkimStatus, ErrorType, Evidence, Proof, started
from mailseal.core.observations import SoaRecord
from mailseal.core.rotation import SlotState, with_domain_gone
from mailseal.core.stored import DueTimes, IdentityQuery
from mailseal.store.sqlite import SqliteStore
from mailseal.store.transaction import Transaction
from tests.store.stories import (
    NOTHING_DUE,
    PLACE,
    create,
    new_identity,
    publish,
    put_keys,
    renamed,
    sealed,
    tell,
    tell_each,
)
from tests.unit.core.scenes import ACCOUNT, DOMAIN, POLICY, REGION, START, key

MOMENTS = st.integers(0, 4 * 10**12).map(
    lambda ms: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
)
DURATIONS = st.integers(0, 10**12).map(lambda ms: timedelta(milliseconds=ms))
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
PROOFS = st.builds(
    Proof,
    status=st.sampled_from(DkimStatus),
    since=MOMENTS,
    searching_since=MOMENTS,
    excused=DURATIONS,
    first_match_at=st.none() | MOMENTS,
    negatives=st.integers(0, 10**6),
    missing_for=DURATIONS,
    temporaries=st.integers(0, 10**6),
    temporary_since=st.none() | MOMENTS,
    last_evidence=st.none() | st.sampled_from(Evidence),
    last_checked_at=st.none() | MOMENTS,
    last_success_at=st.none() | MOMENTS,
    error_type=st.none() | st.sampled_from(ErrorType),
    soa=st.none() | st.builds(SoaRecord, TEXTS, TEXTS, st.integers(0, 2**32 - 1), st.integers(0, 2**31)),
    negative_until=st.none() | MOMENTS,
)

pytestmark = pytest.mark.usefixtures("each_engine")


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    """Any identity with an Easy or a BYODKIM setting, with or without an older one that signs."""
    byo = ByoDkim("s1", key(90))
    methods = {"easy 2048": EasyDkim(2048), "easy 1024": EasyDkim(1024), "own": byo}
    newest, older = (
        Setting(name, methods[name], draw(PROOFS)) for name in draw(st.permutations(sorted(methods)))[:2]
    )
    return replace(
        new_identity(),
        newest=newest,
        signing=draw(st.sampled_from([None, newest, older])),
        signing_enabled=draw(st.booleans()),
        length_changed_at=draw(st.none() | MOMENTS),
        downgraded_at=draw(st.none() | MOMENTS),
        last_key_at=draw(st.none() | MOMENTS),
        new_key_wanted=draw(st.booleans()),
    )


def save_with_keys(tx: Transaction, state: Identity) -> Identity | None:
    """Saves a state, its keys put into their places first."""
    put_keys(tx, state, state.slots)
    if tx.keys.load(key(90).key_id) is None:
        tx.keys.put(sealed(key(90), KeyPlace(*PLACE, "s1")))
    return tx.identities.save(state, NOTHING_DUE)


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(states=st.lists(identities(), min_size=1, max_size=4))
def test_what_is_loaded_is_what_was_saved(each_engine: str, states: list[Identity]) -> None:
    async def story(store: SqliteStore) -> None:
        for version, drawn in enumerate(states):
            state = replace(drawn, version=version)
            saved = await store.write(lambda tx, state=state: save_with_keys(tx, state))
            assert saved == replace(state, version=version + 1)
            assert await store.read(lambda tx: tx.identities.load(*PLACE)) == saved

    tell_each(each_engine, story)


def test_a_row_that_somebody_changed_since_is_not_overwritten(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        first = await store.write(lambda tx: create(tx, new_identity()))
        second = await store.write(
            lambda tx: tx.identities.save(replace(first, signing_enabled=False), NOTHING_DUE)
        )
        late = replace(first, new_key_wanted=True, slots=with_domain_gone(first.slots, START, POLICY))
        due = DueTimes({first.newest.setting_id: START}, START)
        assert await store.write(lambda tx: tx.identities.save(late, due)) is None
        assert await store.write(lambda tx: tx.identities.delete(first)) is False
        assert await store.read(lambda tx: tx.identities.load(*PLACE)) == second
        assert await store.read(lambda tx: tx.identities.next_due_at()) is None

    tell(tmp_path, story)


def test_a_name_that_exists_cannot_be_created_again(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        other = replace(new_identity(), newest=Setting("another", EasyDkim(1024), started(START)))
        assert await store.write(lambda tx: tx.identities.save(other, NOTHING_DUE)) is None
        assert await store.read(lambda tx: tx.identities.load(*PLACE)) == stored

    tell(tmp_path, story)


def test_the_same_name_in_another_account_or_region_is_another_identity(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: create(tx, new_identity()))
        assert await store.read(lambda tx: tx.identities.load("000000000002", REGION, DOMAIN)) is None
        assert await store.read(lambda tx: tx.identities.load(ACCOUNT, "eu-west-1", DOMAIN)) is None

    tell(tmp_path, story)


def test_slots_outlive_the_identity_and_become_due_when_they_are_to_leave(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        gone = replace(stored, slots=with_domain_gone(stored.slots, START, POLICY))
        assert await store.write(lambda tx: tx.identities.delete(gone)) is True
        assert await store.read(lambda tx: tx.identities.load(*PLACE)) is None
        slots = await store.read(lambda tx: tx.slots.load(*PLACE))
        assert slots is not None
        assert [slot.token for slot in slots] == [slot.token for slot in stored.slots]
        leaves = min(slot.withdraw_at for slot in slots if slot.withdraw_at)
        assert await store.read(lambda tx: tx.identities.next_due_at()) == leaves

    tell(tmp_path, story)


def test_a_key_is_erased_when_neither_slot_nor_setting_refers_to_it(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        kept = stored.slots[0].key
        assert kept is not None

        def move_to_byodkim(tx: Transaction) -> Identity | None:
            tx.keys.put(sealed(key(90), KeyPlace(*PLACE, "s1")))
            own = Setting("own", ByoDkim("s1", key(90)), started(START))
            return tx.identities.save(replace(stored, newest=own, signing=stored.newest), NOTHING_DUE)

        moved = await store.write(move_to_byodkim)
        assert moved is not None
        assert await store.read(lambda tx: tx.keys.load(kept.key_id)) is not None

        blank = replace(moved.slots[0], state=SlotState.BLANK, key=None)
        only_own = replace(moved, signing=None, slots=(blank, *moved.slots[1:]))
        moved = await store.write(lambda tx: tx.identities.save(only_own, NOTHING_DUE))
        assert moved is not None
        assert await store.read(lambda tx: tx.keys.load(kept.key_id)) is None
        assert await store.read(lambda tx: tx.keys.load(key(90).key_id)) is not None

        await store.write(lambda tx: tx.identities.delete(moved))
        assert await store.read(lambda tx: tx.keys.load(key(90).key_id)) is None

    tell(tmp_path, story)


@pytest.mark.parametrize("each_engine", ["sqlite"], indirect=True)
def test_an_erased_key_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    envelope = b"a sealed key that somebody wanted gone"

    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        ref = key(77)
        place = KeyPlace(*PLACE, "s9")
        await store.write(lambda tx: tx.keys.put(replace(sealed(ref, place), envelope=envelope)))
        store._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert envelope in store.path.read_bytes()
        await store.write(lambda tx: tx.identities.save(stored, NOTHING_DUE))
        store._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    tell(tmp_path, story)
    assert not [path for path in tmp_path.iterdir() if envelope in path.read_bytes()]


def test_only_names_whose_answer_has_to_change_are_marked(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        assert await store.write(lambda tx: publish(tx, START)) == [slot.owner for slot in stored.slots]
        stored = await store.read(lambda tx: tx.identities.load(*PLACE))
        assert stored is not None

        await store.write(lambda tx: tx.identities.save(replace(stored, signing_enabled=False), NOTHING_DUE))
        assert await store.read(lambda tx: tx.zone.marked(10)) == []

        stored = await store.read(lambda tx: tx.identities.load(*PLACE))
        assert stored is not None
        second = replace(stored.slots[1], state=SlotState.NEXT, key=key(8))
        following = replace(stored, slots=(stored.slots[0], second, stored.slots[2]))

        def unit(tx: Transaction) -> Identity | None:
            put_keys(tx, following, following.slots)
            return tx.identities.save(following, NOTHING_DUE)

        await store.write(unit)
        assert await store.read(lambda tx: tx.zone.marked(10)) == [second.owner]

    tell(tmp_path, story)


def test_saving_an_old_copy_does_not_touch_what_was_answered(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        before = await store.write(lambda tx: create(tx, new_identity()))
        await store.write(lambda tx: publish(tx, START))
        assert before.slots[0].answered is None
        await store.write(lambda tx: tx.identities.save(before, NOTHING_DUE))
        slots = await store.read(lambda tx: tx.slots.load(*PLACE))
        assert slots is not None
        assert all(slot.answered is not None for slot in slots)

    tell(tmp_path, story)


def test_a_slots_token_is_for_life(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        stored = await store.write(lambda tx: create(tx, new_identity()))
        other = replace(stored.slots[0], token="x" * 32)
        changed = replace(stored, slots=(other, *stored.slots[1:]))
        try:
            await store.write(lambda tx: tx.identities.save(changed, NOTHING_DUE))
        except ValueError:
            assert await store.read(lambda tx: tx.identities.load(*PLACE)) == stored
        else:
            raise AssertionError("another token was taken")

    tell(tmp_path, story)


def test_pages_of_a_list_have_every_name_once_in_their_order(tmp_path: Path) -> None:
    names = sorted(f"{letter}{number}.example.com" for letter in "bac" for number in range(5))

    async def story(store: SqliteStore) -> None:
        for name in reversed(names):
            await store.write(lambda tx, name=name: create(tx, renamed(new_identity(), name)))
        seen: list[str] = []
        for _ in range(10):
            query = IdentityQuery(ACCOUNT, REGION, after=seen[-1] if seen else "", limit=4)
            page = await store.read(lambda tx, query=query: tx.identities.list(query))
            seen += [row.name for row in page]
            if len(page) < 4:
                break
        assert seen == names

    tell(tmp_path, story)


def test_filters_take_their_characters_literally(tmp_path: Path) -> None:
    names = ["a-b.example.com", "a_b.example.com", "axb.example.com", "a%b.example.com", "a!b.example.com"]

    async def story(store: SqliteStore) -> None:
        for name in names:
            await store.write(lambda tx, name=name: create(tx, renamed(new_identity(), name)))

        async def found(part: str) -> list[str]:
            query = IdentityQuery(ACCOUNT, REGION, name_contains=part)
            return [row.name for row in await store.read(lambda tx: tx.identities.list(query))]

        assert await found("a_b") == ["a_b.example.com"]
        assert await found("a%b") == ["a%b.example.com"]
        assert await found("a!b") == ["a!b.example.com"]
        assert await found("A-B.EXAMPLE") == ["a-b.example.com"]
        assert await found("") == sorted(names)
        assert await found("nothing") == []

    tell(tmp_path, story)


def test_a_list_by_status_tells_the_status_of_what_signs(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        pending = renamed(new_identity(), "pending.example.com")
        proven = renamed(new_identity(), "proven.example.com")
        proof = replace(proven.newest.proof, status=DkimStatus.SUCCESS)
        older = Setting("proven", EasyDkim(2048), proof)
        for identity in (pending, replace(proven, signing=older)):
            await store.write(lambda tx, identity=identity: create(tx, identity))

        async def with_status(status: DkimStatus) -> list[tuple[str, bool]]:
            rows = await store.read(
                lambda tx: tx.identities.list(IdentityQuery(ACCOUNT, REGION, status=status))
            )
            return [(row.name, row.may_send) for row in rows]

        assert await with_status(DkimStatus.SUCCESS) == [("proven.example.com", True)]
        assert await with_status(DkimStatus.PENDING) == [("pending.example.com", False)]
        assert await with_status(DkimStatus.FAILED) == []
        counts = await store.read_long(lambda tx: tx.identities.count_by_status())
        assert counts == {"PENDING": 1, "SUCCESS": 1}

    tell(tmp_path, story)
