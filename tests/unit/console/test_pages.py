"""The console's pages without a browser: what forms do, what a refusal looks like, what is escaped."""

from __future__ import annotations

from pathlib import Path

from mailseal.core.commands import CreateIdentity
from mailseal.core.lifecycle import DkimStatus
from mailseal.service import access
from mailseal.service.configure import create_identity, get_identity
from mailseal.service.survey import PAGE, Cursor, Wanted, counts, survey
from tests.fakes import START
from tests.unit.console.visitor import ACCOUNT, HOME, WHO, Visitor, visiting

HOSTILE = "<img src=x onerror=alert(1)>"


async def made(visitor: Visitor, *names: str) -> None:
    """Identities of these names."""
    for name in names:
        await create_identity(visitor.world, WHO, CreateIdentity(name), visitor.world.clock.now())


def test_a_new_identity_takes_two_fields_and_shows_its_records(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        assert "Add your first domain" in (await visitor.get(f"{HOME}/identities")).words
        form = {"token": (await visitor.get(f"{HOME}/new")).token, "method": "easy", "bits": "2048"}
        created = await visitor.post(f"{HOME}/new", form | {"identity": "https://Example.COM/"})
        assert created.to == f"{HOME}/identity/example.com"
        page = await visitor.get(created.to)
        assert "Publish these records" in page.words
        assert page.text.count('class="rec"') == 3
        again = await visitor.post(f"{HOME}/new", form | {"identity": "example.com"})
        assert again.to == created.to
        refused = await visitor.post(f"{HOME}/new", form | {"identity": "no domain"})
        assert refused.status == 400
        assert 'value="no domain"' in refused.text
        assert 'role="alert"' in refused.text

    visiting(tmp_path, story)


def test_an_own_key_that_is_none_is_refused_and_not_shown_again(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        form = {"token": (await visitor.get(f"{HOME}/new")).token, "method": "byo", "selector": "s1"}
        refused = await visitor.post(f"{HOME}/new", form | {"identity": "example.com", "key": "SECRETKEY!"})
        assert refused.status == 400
        assert "not a private key" in refused.words
        assert "SECRETKEY" not in refused.text

    visiting(tmp_path, story)


def test_nothing_is_deleted_before_its_name_was_typed(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        await made(visitor, "example.com")
        path = f"{HOME}/change/delete/example.com"
        page = await visitor.get(path)
        assert "Signing stops at once" in page.words
        refused = await visitor.post(path, {"token": page.token, "confirm": "example.org"})
        assert (refused.status, "Nothing was deleted" in refused.words) == (400, True)
        await get_identity(visitor.world, WHO, "example.com", START)
        gone = await visitor.post(path, {"token": page.token, "confirm": "example.com"})
        assert gone.to == f"{HOME}/identities"
        assert (await visitor.get(f"{HOME}/identity/example.com")).status == 404

    visiting(tmp_path, story)


def test_signing_is_paused_and_goes_on(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        await made(visitor, "example.com")
        path = f"{HOME}/change/signing/example.com"
        token = (await visitor.get(path)).token
        await visitor.post(path, {"token": token, "enabled": "no"})
        assert not (await get_identity(visitor.world, WHO, "example.com", START)).signing_enabled
        assert "Resume signing" in (await visitor.get(path)).words
        await visitor.post(path, {"token": token, "enabled": "yes"})
        assert (await get_identity(visitor.world, WHO, "example.com", START)).signing_enabled

    visiting(tmp_path, story)


def test_a_change_that_is_refused_says_why_on_its_own_page(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        await made(visitor, "example.com")
        path = f"{HOME}/change/length/example.com"
        token = (await visitor.get(path)).token
        form = {"token": token, "method": "easy"}
        assert (await visitor.post(path, form | {"bits": "1024"})).status == 303
        refused = await visitor.post(path, form | {"bits": "2048"})
        assert refused.status == 400
        assert 'role="alert"' in refused.text
        assert (await visitor.post(path, form | {"bits": "512"})).status == 400
        assert (await visitor.get(f"{HOME}/change/nothing/example.com")).status == 404

    visiting(tmp_path, story)


def test_a_secret_is_on_the_page_that_made_it_and_on_no_other(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        path = f"{HOME}/access"
        token = (await visitor.get(path)).token
        page = await visitor.post(path, {"token": token, "for": "api", "label": HOSTILE})
        key = (await access.list_access_keys(visitor.world, ACCOUNT))[0]
        assert "shown this once" in page.words
        assert key.label == HOSTILE
        assert HOSTILE not in page.text
        secret = page.text.split('id="made-secret">')[1].split("<")[0]
        assert len(secret) == 40
        assert secret not in (await visitor.get(path)).text
        one = f"{path}/{key.access_key_id}"
        await visitor.post(one, {"token": token, "do": "disable"})
        assert not (await access.list_access_keys(visitor.world, ACCOUNT))[0].enabled
        await visitor.post(one, {"token": token, "do": "delete"})
        assert await access.list_access_keys(visitor.world, ACCOUNT) == ()
        assert (await visitor.post(one, {"token": token, "do": "delete"})).status == 404

    visiting(tmp_path, story)


def test_an_access_key_of_another_account_is_out_of_reach_here(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        token = (await visitor.get(f"{HOME}/access")).token
        await visitor.post(f"{HOME}/access", {"token": token, "for": "api"})
        key = (await access.list_access_keys(visitor.world, ACCOUNT))[0]
        other = "000000000002"
        await visitor.world.store.write(lambda tx: tx.access_keys.add_account(other, START))
        path = f"/console/{other}/us-east-1/access/{key.access_key_id}"
        assert (await visitor.post(path, {"token": token, "do": "delete"})).status == 404

    visiting(tmp_path, story)


def test_events_of_all_identities_come_newest_first_and_go_on_behind_the_last(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        for number in range(30):
            visitor.world.clock.advance(seconds=1)
            await made(visitor, f"d{number:02}.example")
        first = await visitor.get(f"{HOME}/events")
        assert first.words.index("d29.example") < first.words.index("d28.example")
        older = first.text.split('class="btn" href="')[-1].split('"')[0].replace("&amp;", "&")
        second = await visitor.get(older)
        assert "d00.example" in second.words
        assert "d29.example" not in second.words

    visiting(tmp_path, story)


def test_a_page_of_the_list_goes_on_behind_its_last_row_and_shows_each_once(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        names = [f"d{number:02}.example" for number in range(PAGE * 2 + 3)]
        await made(visitor, *names)
        found, after = [], Cursor()
        for _ in range(4):
            page = await survey(visitor.world, WHO, Wanted(after=after))
            found += [row.name for row in page.rows]
            if page.following is None:
                break
            after = page.following
        assert found == names
        searched = await survey(visitor.world, WHO, Wanted(contains="d1"))
        assert [row.name for row in searched.rows] == names[10:20]
        pending = await survey(visitor.world, WHO, Wanted(status=DkimStatus.PENDING, by_name=True))
        assert len(pending.rows) == PAGE
        assert not (await survey(visitor.world, WHO, Wanted(status=DkimStatus.FAILED))).rows
        counted = await counts(visitor.world, WHO)
        assert (counted[None], counted[DkimStatus.PENDING], counted[DkimStatus.SUCCESS]) == (53, 53, 0)
        shown = await visitor.get(f"{HOME}/identities")
        assert "Next" in shown.words
        assert "d00.example" in shown.words

    visiting(tmp_path, story)


def test_what_is_searched_for_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        await made(visitor, "example.com")
        page = await visitor.get(
            f"{HOME}/identities?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&status=NONSENSE&at=x"
        )
        assert page.status == 200
        assert "<img" not in page.text
        assert "No identity has" in page.words

    visiting(tmp_path, story)


def test_a_fault_is_a_page_and_a_line_without_detail(tmp_path: Path) -> None:
    async def story(visitor: Visitor) -> None:
        page = await visitor.get(f"{HOME}/health")
        assert page.status == 500
        assert "AttributeError" not in page.text
        assert [line.fields["fault"] for line in visitor.lines if line.event == "fault"] == ["AttributeError"]

    visiting(tmp_path, story, surroundings=object())
