"""One effect and one answer for the same call, on a real database: repeated, crashed, in a race."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.commands import CreateIdentity
from mailseal.core.errors import AlreadyExists, NotFound
from mailseal.service import configure
from mailseal.service.once import AnsweredAlready, CallId, OnceStore, call_id, earlier_answer
from mailseal.sesv2.calls import MUTATING, SERVICE, UNSTORED, Asked, answer_of, perform
from mailseal.sesv2.operations import Operation
from mailseal.sesv2.replays import Replays
from tests.fakes import START, fake_world, opened_store
from tests.unit.service.scenes import WHO, Scene, scene

CALL = call_id("MSTEST", "invocation-1", "POST", b"/v2/email/identities", "0" * 64)
CREATE = b'{"EmailIdentity": "example.com"}'


def told(story: Callable[[Scene], Awaitable[Any]], folder: Path) -> Any:
    """What a story in a fresh scene comes to."""

    async def run() -> Any:
        async with scene(folder) as stage:
            return await story(stage)

    return asyncio.run(run())


async def asked(
    stage: Scene,
    operation: Operation,
    body: bytes = b"",
    call: CallId = CALL,
    *,
    replays: Replays | None = None,
    other: str = "",
) -> bytes:
    """The answer of a call as the front end gets it."""
    now = stage.clock.now()

    async def work(store: OnceStore) -> bytes:
        world = replace(stage.world, store=store)
        query = f"ResourceArn={ARN}&TagKeys=k".encode() if operation is Operation.UNTAG_RESOURCE else b""
        request = Asked(
            world, WHO, now, operation, "POST", "example.com", query, body, lambda name: None, other
        )
        return await perform(SERVICE, request)

    def answer(result: object) -> bytes | None:
        return answer_of(operation, result)

    return await (replays or Replays()).stored(stage.world.store, call, now, answer, work)


def test_a_call_made_again_gets_its_answer_and_has_no_second_effect(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        first = await asked(stage, Operation.CREATE_EMAIL_IDENTITY, CREATE)
        made = await stage.get()
        assert await asked(stage, Operation.CREATE_EMAIL_IDENTITY, CREATE) == first
        assert await stage.get() == made

    told(story, tmp_path)


def test_without_an_answer_kept_the_same_call_would_be_refused(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        await asked(stage, Operation.CREATE_EMAIL_IDENTITY, CREATE)
        other = replace(CALL, invocation_id="invocation-2")
        with pytest.raises(AlreadyExists):
            await asked(stage, Operation.CREATE_EMAIL_IDENTITY, CREATE, other)

    told(story, tmp_path)


def test_a_crash_between_commit_and_answer_is_made_good_by_the_next_process(tmp_path: Path) -> None:
    class PowerCut(BaseException):
        """What ends a process between two instructions."""

    async def first_process() -> None:
        async with scene(tmp_path) as stage:
            once = OnceStore(
                stage.world.store,
                CALL,
                START,
                lambda result: answer_of(Operation.CREATE_EMAIL_IDENTITY, result),
            )
            world = replace(stage.world, store=once)
            await configure.create_identity(world, WHO, CreateIdentity("example.com"), START)
            raise PowerCut

    async def second_process() -> tuple[bytes, int]:
        async with opened_store(tmp_path) as store:
            stage = Scene(fake_world(store))
            answer = await asked(stage, Operation.CREATE_EMAIL_IDENTITY, CREATE)
            return answer, (await stage.get()).version

    with pytest.raises(PowerCut):
        asyncio.run(first_process())
    answer, version = asyncio.run(second_process())
    assert b"NOT_STARTED" in answer
    assert version == 1, "the identity was made once and changed by nobody"


def test_a_refused_call_keeps_nothing_and_may_be_made_again(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        with pytest.raises(NotFound):
            await asked(stage, Operation.DELETE_EMAIL_IDENTITY)
        assert await earlier_answer(stage.world.store, CALL, START) is None
        await stage.create()
        assert await asked(stage, Operation.DELETE_EMAIL_IDENTITY) == b"{}"

    told(story, tmp_path)


def test_a_unit_that_fails_takes_its_answer_back_with_its_effect(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        once = OnceStore(stage.world.store, CALL, START, lambda result: b"answer")

        def unit(tx: Any) -> None:
            tx.installation.put("x", b"y")
            raise RuntimeError("at the last moment")

        with pytest.raises(RuntimeError):
            await once.write(unit)
        assert once.stored is None
        assert await earlier_answer(stage.world.store, CALL, START) is None
        await once.write(lambda tx: tx.installation.put("x", b"y"))
        assert await earlier_answer(stage.world.store, CALL, START) == b"answer"

    told(story, tmp_path)


def test_of_two_processes_at_the_same_call_one_has_the_effect_and_both_its_answer(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        """Each with a memory of its own, as two processes have."""
        both = (asked(stage, Operation.CREATE_EMAIL_IDENTITY, CREATE, replays=Replays()) for _ in range(2))
        one, other = await asyncio.gather(*both)
        assert one == other
        assert (await stage.get()).version == 1

    told(story, tmp_path)


def test_the_loser_of_a_race_has_done_nothing(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        store = stage.world.store
        winner, loser = (OnceStore(store, CALL, START, lambda result: b"answer") for _ in range(2))
        await winner.write(lambda tx: tx.installation.put("x", b"winner"))
        with pytest.raises(AnsweredAlready):
            await loser.write(lambda tx: tx.installation.put("x", b"loser"))
        assert await store.read(lambda tx: tx.installation.get("x")) == b"winner"

    told(story, tmp_path)


def test_after_a_quarter_of_an_hour_it_is_another_call(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        await stage.create()
        await asked(stage, Operation.DELETE_EMAIL_IDENTITY)
        stage.clock.advance(minutes=14, seconds=59)
        assert await asked(stage, Operation.DELETE_EMAIL_IDENTITY) == b"{}"
        stage.clock.advance(seconds=1)
        with pytest.raises(NotFound):
            await asked(stage, Operation.DELETE_EMAIL_IDENTITY)
        await stage.create()
        assert await asked(stage, Operation.DELETE_EMAIL_IDENTITY) == b"{}", "its old answer stands in no way"

    told(story, tmp_path)


ARN = "arn:aws:ses:us-east-1:000000000001:identity/example.com"
POLICY = b'{"Policy": "{\\"Version\\": \\"2012-10-17\\", \\"Statement\\": []}"}'
BODIES: dict[Operation, list[bytes]] = {
    Operation.CREATE_EMAIL_IDENTITY: [
        b'{"EmailIdentity": "new.example"}',
        b'{"EmailIdentity": "me@example.com"}',
    ],
    Operation.PUT_DKIM_SIGNING_ATTRIBUTES: [
        b'{"SigningAttributesOrigin": "AWS_SES"}',
        b'{"SigningAttributesOrigin": "AWS_SES",'
        b' "SigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"}}',
    ],
    Operation.PUT_DKIM_ATTRIBUTES: [b"{}", b'{"SigningEnabled": true}'],
    Operation.PUT_FEEDBACK_ATTRIBUTES: [b"{}", b'{"EmailForwardingEnabled": true}'],
    Operation.PUT_MAIL_FROM_ATTRIBUTES: [b"{}", b'{"MailFromDomain": "bounce.example.com"}', b"{}"],
    Operation.PUT_CONFIGURATION_SET_ATTRIBUTES: [b"{}", b'{"ConfigurationSetName": "given"}'],
    Operation.CREATE_CONFIGURATION_SET: [b'{"ConfigurationSetName": "other"}'],
    Operation.DELETE_CONFIGURATION_SET: [b""],
    Operation.CREATE_POLICY: [POLICY],
    Operation.UPDATE_POLICY: [POLICY],
    Operation.DELETE_POLICY: [b""],
    Operation.TAG_RESOURCE: [f'{{"ResourceArn": "{ARN}", "Tags": [{{"Key": "k", "Value": "v"}}]}}'.encode()],
    Operation.UNTAG_RESOURCE: [b""],
    Operation.DELETE_EMAIL_IDENTITY: [b""],
}
OTHERS = {
    Operation.DELETE_CONFIGURATION_SET: "given",
    Operation.CREATE_POLICY: "new",
    Operation.UPDATE_POLICY: "given",
    Operation.DELETE_POLICY: "given",
}


@pytest.mark.parametrize("operation", sorted(MUTATING - UNSTORED))
def test_what_is_stored_is_what_was_answered(operation: Operation, tmp_path: Path) -> None:
    assert operation in BODIES, "say what it is called with"

    async def story(stage: Scene) -> None:
        await stage.create()
        before = [
            (Operation.CREATE_CONFIGURATION_SET, b'{"ConfigurationSetName": "given"}', ""),
            (Operation.CREATE_POLICY, POLICY, "given"),
        ]
        for number, (first, body, other) in enumerate(before):
            await asked(stage, first, body, replace(CALL, invocation_id=f"before {number}"), other=other)
        for number, body in enumerate(BODIES[operation]):
            call = replace(CALL, invocation_id=str(number))
            answer = await asked(stage, operation, body, call, other=OTHERS.get(operation, ""))
            assert await earlier_answer(stage.world.store, call, stage.clock.now()) == answer

    told(story, tmp_path)


def test_old_answers_are_forgotten_some_at_a_time_and_others_stay(tmp_path: Path) -> None:
    async def story(stage: Scene) -> None:
        def unit(tx: Any) -> list[int]:
            for number in range(10):
                until = START + timedelta(minutes=number)
                assert tx.answers.save("A", str(number), "h", b"answer", START - timedelta(1), until)
            at = START + timedelta(minutes=4)
            return [tx.answers.forget_before(at, 3) for _ in range(3)]

        assert await stage.world.store.write(unit) == [3, 2, 0]
        left = [await earlier_answer(stage.world.store, CallId("A", str(n), "h"), START) for n in range(10)]
        assert [one is not None for one in left] == [False] * 5 + [True] * 5

    told(story, tmp_path)
