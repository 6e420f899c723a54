"""A letter that its sender keeps is signed as it would be sent, for those who may send as its author."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.access import Permissions
from mailseal.core.errors import AccessDenied, BadRequest, MessageRejected
from mailseal.core.observations import Question, RecordType
from mailseal.dkim.message import parse_message
from mailseal.dkim.signature import parse_signature
from mailseal.dkim.verify import KeyFound, Result, verify
from mailseal.service.letter import sign_letter
from tests.unit.service.scenes import ELSEWHERE, MAIL, WHO, Scene, scene


def test_a_kept_letter_is_signed_for_its_author_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as one:
            await one.create()
            with pytest.raises(MessageRejected):
                await sign_letter(one.world, WHO, MAIL)
            await one.proven()
            fields = await sign_letter(one.world, WHO, MAIL)
            assert await passes(one, fields + MAIL)
            assert one.next_hop.given == []
            for who, raw in (
                (ELSEWHERE, MAIL),
                (replace(WHO, account_id="000000000009"), MAIL),
                (WHO, MAIL.replace(b"example.com", b"example.org")),
            ):
                with pytest.raises(MessageRejected):
                    await sign_letter(one.world, who, raw)
            with pytest.raises(AccessDenied):
                await sign_letter(one.world, replace(WHO, permissions=OTHERS), MAIL)
            for raw in (b"From: news@example.com\n\nx\n", b"From: news@example.com\r\n" + MAIL):
                with pytest.raises(BadRequest):
                    await sign_letter(one.world, WHO, raw)

    asyncio.run(run())


OTHERS = Permissions(identities=("other.example",))


async def passes(one: Scene, raw: bytes) -> bool:
    message = parse_message(raw)
    said = parse_signature(message.fields[0].value)
    asked = Question(f"{said.selector}._domainkey.{said.sdid}", RecordType.TXT)
    (seen,) = await one.dns.look_up([asked])
    return [each.result for each in verify(message, lambda _: KeyFound(seen.texts))] == [Result.PASS]
