"""Handing over into a Maildir: a real folder, since that is all there is to it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from mailseal.core.envelope import Declined, Envelope, HandedOver
from mailseal.smtp.maildir import MaildirNextHop

ENVELOPE = Envelope("from@example.com", ("to@example.org",))
MESSAGE = b"From: a@example.com\r\n\r\n.dot\r\nGr\xc3\xbc\xc3\x9fe"


def test_the_file_holds_exactly_the_bytes(tmp_path: Path) -> None:
    answer = asyncio.run(MaildirNextHop(tmp_path / "box").hand_over(ENVELOPE, MESSAGE))
    assert isinstance(answer, HandedOver)
    assert (tmp_path / "box" / "new" / answer.answer).read_bytes() == MESSAGE
    assert list((tmp_path / "box" / "tmp").iterdir()) == []


def test_the_envelope_lies_beside_it(tmp_path: Path) -> None:
    answer = asyncio.run(MaildirNextHop(tmp_path).hand_over(ENVELOPE, MESSAGE))
    assert isinstance(answer, HandedOver)
    beside = json.loads((tmp_path / ".envelopes" / f"{answer.answer}.json").read_text())
    assert beside == {"mail_from": "from@example.com", "recipients": ["to@example.org"]}


def test_many_at_once_keep_their_own_files(tmp_path: Path) -> None:
    async def run() -> list[HandedOver | Declined]:
        hop = MaildirNextHop(tmp_path)
        return await asyncio.gather(*(hop.hand_over(ENVELOPE, b"%d" % n) for n in range(50)))

    asyncio.run(run())
    kept = [path.read_bytes() for path in (tmp_path / "new").iterdir()]
    assert sorted(kept) == sorted(b"%d" % n for n in range(50))


def test_a_disk_that_does_not_take_it_is_a_temporary_no(tmp_path: Path) -> None:
    hop = MaildirNextHop(tmp_path)
    (tmp_path / "tmp").rmdir()
    answer = asyncio.run(hop.hand_over(ENVELOPE, MESSAGE))
    assert isinstance(answer, Declined)
    assert not answer.permanent
    assert list((tmp_path / "new").iterdir()) == []
