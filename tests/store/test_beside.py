"""What stands beside identities, as it is stored: kept whole, forgotten whole, claimed by one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailseal.core.attributes import DEFAULTS, Attributes
from mailseal.core.commands import Tag
from mailseal.core.configsets import ConfigurationSet
from mailseal.core.lifecycle import started
from mailseal.core.mailfrom import MailFrom, MxFailure
from mailseal.core.names import Domain
from mailseal.store.migrate import migrate, shipped
from mailseal.store.sqlite import SqliteStore, execute_on
from mailseal.store.transaction import Transaction
from tests.store.stories import PLACE, tell, tell_each
from tests.store.test_identities import PROOFS, TEXTS
from tests.unit.core.scenes import ACCOUNT, REGION, START

ADDRESS = (ACCOUNT, REGION, "Me@example.com")
QUICK = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TAGS = st.lists(st.builds(Tag, TEXTS, TEXTS), max_size=5).map(tuple)
ATTRIBUTES = st.builds(Attributes, st.booleans(), st.none() | TEXTS, TAGS)
MAIL_FROM = st.builds(MailFrom, TEXTS.map(Domain), st.sampled_from(MxFailure), PROOFS)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SETS = st.builds(ConfigurationSet, st.just("news"), st.dictionaries(TEXTS, JSON, max_size=4), TAGS)

pytestmark = pytest.mark.usefixtures("each_engine")


def mail_from(domain: str = "bounce.example.com") -> MailFrom:
    return MailFrom(Domain(domain), MxFailure.USE_DEFAULT_VALUE, started(START))


@QUICK
@given(
    attributes=st.lists(ATTRIBUTES, min_size=1, max_size=4),
    mail_froms=st.lists(MAIL_FROM, min_size=1, max_size=4),
    wanted=SETS,
)
def test_what_is_loaded_is_what_was_saved(
    each_engine: str, attributes: list[Attributes], mail_froms: list[MailFrom], wanted: ConfigurationSet
) -> None:
    async def story(store: SqliteStore) -> None:
        for one in attributes:
            await store.write(lambda tx, one=one: tx.attributes.save(*PLACE, one))
            assert await store.read(lambda tx: tx.attributes.load(*PLACE)) == one
        for two in mail_froms:
            await store.write(lambda tx, two=two: tx.mail_from.save(*PLACE, two, START))
            assert await store.read(lambda tx: tx.mail_from.load(*PLACE)) == two
        await store.write(lambda tx: tx.configuration_sets.save(ACCOUNT, REGION, wanted))
        assert await store.read(lambda tx: tx.configuration_sets.load(ACCOUNT, REGION, "news")) == wanted

    tell_each(each_engine, story)


def test_what_nobody_set_is_the_default_and_needs_no_row(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        def unit(tx: Transaction) -> None:
            assert tx.attributes.load(*PLACE) == DEFAULTS
            tx.attributes.save(*PLACE, Attributes(feedback_forwarding=False))
            tx.attributes.save(*PLACE, DEFAULTS)

        await store.write(unit)
        rows = await store.read(lambda tx: tx.attributes._execute("SELECT count(*) FROM attributes"))
        assert list(rows) == [(0,)]
        assert await store.read(lambda tx: tx.mail_from.load(*PLACE)) is None
        assert await store.read(lambda tx: tx.policies.load(*PLACE)) == {}

    tell(tmp_path, story)


def test_two_names_do_not_share_what_stands_beside_them(tmp_path: Path) -> None:
    others = [ADDRESS, (ACCOUNT, "eu-west-1", PLACE[2]), ("000000000009", REGION, PLACE[2])]
    assert len({PLACE, *others}) == 4

    async def story(store: SqliteStore) -> None:
        def unit(tx: Transaction) -> None:
            for place in (PLACE, *others):
                tx.attributes.save(*place, Attributes(tags=(Tag("place", repr(place)),)))
                tx.mail_from.save(*place, mail_from(), START)
                tx.policies.put(*place, "p", repr(place))
            tx.attributes.delete(*PLACE)
            tx.mail_from.delete(*PLACE)
            tx.policies.delete_all(*PLACE)

        await store.write(unit)

        def look(tx: Transaction) -> None:
            assert (tx.attributes.load(*PLACE), tx.mail_from.load(*PLACE)) == (DEFAULTS, None)
            assert tx.policies.load(*PLACE) == {}
            for place in others:
                assert tx.attributes.load(*place).tags == (Tag("place", repr(place)),)
                assert tx.mail_from.load(*place) == mail_from()
                assert tx.policies.load(*place) == {"p": repr(place)}

        await store.read(look)

    tell(tmp_path, story)


def test_policies_are_put_replaced_and_deleted_one_by_one(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        def unit(tx: Transaction) -> None:
            for name, text in (("b", "{}"), ("a", "1"), ("b", "2"), ("c", "3")):
                tx.policies.put(*PLACE, name, text)
            tx.policies.delete(*PLACE, "c")
            tx.policies.delete(*PLACE, "unknown")

        await store.write(unit)
        found = await store.read(lambda tx: tx.policies.load(*PLACE))
        assert list(found.items()) == [("a", "1"), ("b", "2")]

    tell(tmp_path, story)


def test_a_claimed_mail_from_domain_is_claimed_again_only_after_its_lease(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        lease = START + timedelta(seconds=90)
        assert await store.read(lambda tx: tx.mail_from.next_due_at()) is None
        await store.write(lambda tx: tx.mail_from.save(*PLACE, mail_from(), START))
        await store.write(lambda tx: tx.mail_from.save(*ADDRESS, mail_from(), START + timedelta(hours=1)))
        early = START - timedelta(milliseconds=1)
        assert await store.write(lambda tx: tx.mail_from.claim_due(early, lease, 9)) == []
        claimed = await store.write(lambda tx: tx.mail_from.claim_due(START, lease, 9))
        assert [(one.account_id, one.region, one.name) for one in claimed] == [PLACE]
        assert await store.write(lambda tx: tx.mail_from.claim_due(START, lease, 9)) == []
        assert await store.read(lambda tx: tx.mail_from.next_due_at()) == lease
        assert len(await store.write(lambda tx: tx.mail_from.claim_due(lease, lease, 9))) == 1
        assert (
            len(await store.write(lambda tx: tx.mail_from.claim_due(START + timedelta(days=1), lease, 1)))
            == 1
        )

    tell(tmp_path, story)


def test_a_domain_that_is_never_due_is_never_claimed(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.mail_from.save(*PLACE, mail_from(), None))
        later = START + timedelta(days=9999)
        assert await store.write(lambda tx: tx.mail_from.claim_due(later, later, 9)) == []

    tell(tmp_path, story)


def test_a_lease_left_behind_ends_and_no_other_due_time_moves(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        second, lease = timedelta(seconds=1), START + timedelta(seconds=90)

        def unit(tx: Transaction) -> None:
            tx.mail_from.save(*PLACE, mail_from(), START)
            tx.mail_from.save(*ADDRESS, mail_from(), START + 30 * second)
            assert len(tx.mail_from.claim_due(START, lease, 9)) == 1
            assert tx.mail_from.release(START + second, lease - second) == 0
            assert tx.mail_from.release(START + second, lease) == 1
            assert [due.name for due in tx.mail_from.claim_due(START + second, lease, 9)] == [PLACE[2]]
            assert tx.mail_from.next_due_at() == START + 30 * second

        await store.write(unit)

    tell(tmp_path, story)


def test_what_was_seen_of_another_domain_is_forgotten(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        def unit(tx: Transaction) -> None:
            tx.mail_from.save(*PLACE, mail_from(), START)
            assert tx.mail_from.report(*PLACE) is None
            tx.mail_from.save_report(*PLACE, "seen")
            tx.mail_from.save(*PLACE, replace(mail_from(), on_failure=MxFailure.REJECT_MESSAGE), START)
            assert tx.mail_from.report(*PLACE) == "seen"
            tx.mail_from.save(*PLACE, mail_from("mail.example.com"), START)
            assert tx.mail_from.report(*PLACE) is None
            tx.mail_from.save_report(*ADDRESS, "nobody's")
            assert tx.mail_from.report(*ADDRESS) is None

        await store.write(unit)

    tell(tmp_path, story)


def test_a_configuration_set_that_goes_is_taken_from_its_own_identities_alone(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        elsewhere = (ACCOUNT, "eu-west-1", PLACE[2])

        def unit(tx: Transaction) -> None:
            for place in (PLACE, elsewhere):
                tx.attributes.save(*place, Attributes(False, "news", (Tag("a", "b"),)))
            tx.attributes.save(*ADDRESS, Attributes(configuration_set="News"))
            tx.attributes.leave_configuration_set(ACCOUNT, REGION, "news")

        await store.write(unit)
        assert await store.read(lambda tx: tx.attributes.load(*PLACE)) == Attributes(
            False, None, (Tag("a", "b"),)
        )
        for place, name in ((elsewhere, "news"), (ADDRESS, "News")):
            kept = await store.read(lambda tx, place=place: tx.attributes.load(*place))
            assert kept.configuration_set == name

    tell(tmp_path, story)


def test_configuration_sets_are_listed_by_name_page_by_page_whatever_the_case_asked_for(
    tmp_path: Path,
) -> None:
    names = ["Alpha", "alphabet", "beta", "alp", "ALPS"]

    async def story(store: SqliteStore) -> None:
        def unit(tx: Transaction) -> None:
            for name in names:
                tx.configuration_sets.save(ACCOUNT, REGION, ConfigurationSet(name))
            tx.configuration_sets.save(ACCOUNT, "eu-west-1", ConfigurationSet("alpaca"))
            tx.configuration_sets.save("000000000009", REGION, ConfigurationSet("alpine"))

        await store.write(unit)

        def page(after: str, contains: str | None, limit: int) -> object:
            return lambda tx: tx.configuration_sets.list(
                ACCOUNT, REGION, after=after, contains=contains, limit=limit
            )

        assert await store.read(page("", None, 9)) == sorted(names)
        assert await store.read(page("ALPS", None, 2)) == ["Alpha", "alp"]
        assert await store.read(page("", "ALP", 9)) == ["ALPS", "Alpha", "alp", "alphabet"]
        assert await store.read(page("", "%", 9)) == []
        await store.write(lambda tx: tx.configuration_sets.delete(ACCOUNT, REGION, "beta"))
        assert await store.read(page("alphabet", None, 9)) == []

    tell(tmp_path, story)


@pytest.mark.parametrize("text", ["[]", '[["k", "v"], ["ä", ""]]'])
def test_tags_of_a_database_from_before_are_still_the_identitys(tmp_path: Path, text: str) -> None:
    connection = apsw.Connection(str(tmp_path / "old.db"))
    migrate(connection, shipped()[:2])
    connection.execute(
        "INSERT INTO identities (account_id, region, name, version, created_at, newest_setting_id, "
        "signing_enabled, new_key_wanted, tags, status, may_send) "
        "VALUES (?, ?, ?, 1, 0, 's', 1, 0, ?, 'PENDING', 0)",
        (*PLACE, text),
    )
    migrate(connection, shipped())
    tags = Transaction(execute_on(connection)).attributes.load(*PLACE).tags
    assert tags == ((Tag("k", "v"), Tag("ä", "")) if text != "[]" else ())
    columns = {row[1] for row in connection.execute("PRAGMA table_info(identities)")}
    assert "tags" not in columns
    connection.close()
