"""SendEmail as SES has it: who may, who gets it, what is taken out, what is added, what is refused."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.commands import (
    Attachment,
    CreateIdentity,
    Recipients,
    SendEmail,
    SimpleMessage,
    TextContent,
)
from mailseal.core.envelope import HandedOver
from mailseal.core.errors import AccessDenied, BadRequest, MessageRejected, NotFound, Unavailable
from mailseal.core.policy import Policy
from mailseal.dkim.message import parse_message
from mailseal.service import send
from mailseal.service.addresses import create_address
from tests.unit.service.scenes import DOMAIN, MAIL, WHO, Scene
from tests.unit.service.test_addresses import ME, prove
from tests.unit.service.test_spine import check_signature, play, selector_of

TO = Recipients(("you@example.net",))
TEXT = SimpleMessage(TextContent("hello"), text=TextContent("hello"))
ARN = "arn:aws:ses:us-east-1:000000000001:identity/"


async def ready(here: Scene) -> None:
    await here.create()
    await here.proven()


async def sent(here: Scene, **members: Any) -> bytes:
    """The message as the next hop got it."""
    await send.send_email(here.world, WHO, SendEmail(**members), here.clock.now())
    return here.next_hop.given[-1][1]


def names(message: bytes) -> list[str]:
    return [field.name.decode() for field in parse_message(message).fields]


def told(here: Scene) -> tuple[str, tuple[str, ...]]:
    """MAIL FROM and RCPT TO of the newest message."""
    envelope = here.next_hop.given[-1][0]
    return envelope.mail_from, envelope.recipients


def raw(*fields: str) -> bytes:
    return "".join(f"{line}\r\n" for line in fields).encode() + b"\r\nhello\r\n"


def test_simple_content_with_attachments_is_signed_whole(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        picture = Attachment(bytes(range(256)) * 8000, "Bild für dich.png")
        content = SimpleMessage(TextContent("Grüße"), text=TextContent("ü"), attachments=(picture,))
        message = await sent(
            here,
            simple=content,
            from_address="Ich <me@example.com>",
            destination=Recipients(("you@example.net",), ("they@example.net",), ("Hidden <it@example.net>",)),
            reply_to=("desk@example.org", "Other <other@example.org>"),
        )
        check_signature(here, message)
        assert told(here) == ("me@example.com", ("you@example.net", "they@example.net", "it@example.net"))
        assert b"it@example.net" not in message
        assert b"\r\nReply-To: desk@example.org, Other <other@example.org>\r\n" in message
        assert base64.b64encode(picture.content[:57]) in message
        assert b"\r\nContent-Type: multipart/mixed; boundary=" in message

    play(tmp_path, story)


def test_the_id_that_is_told_has_sess_form_and_is_in_the_message(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        ids = set()
        for _ in range(2):
            command = SendEmail(simple=TEXT, from_address="me@example.com", destination=TO)
            message_id = await send.send_email(here.world, WHO, command, here.clock.now())
            prefix, *groups, suffix = message_id.split("-")
            assert (len(prefix), prefix[:4], suffix) == (16, "0100", "000000")
            assert int(prefix[4:], 16) == int(here.clock.real_now().timestamp() * 1000)
            assert [len(group) for group in groups] == [8, 4, 4, 4, 12]
            field = f"Message-ID: <{message_id}@{here.world.hosted_zone}>".encode()
            assert field in here.next_hop.given[-1][1]
            ids.add(message_id)
        assert len(ids) == 2

    play(tmp_path, story)


def test_a_raw_message_keeps_its_own_date_and_id_and_gets_what_it_lacks(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        assert (await sent(here, raw=MAIL)).endswith(MAIL)
        bare = await sent(here, raw=raw("From: me@example.com", "To: you@example.net"))
        assert names(bare) == ["DKIM-Signature", "From", "To", "Date", "Message-ID"]
        check_signature(here, bare)

    play(tmp_path, story)


def test_fields_that_speak_to_us_are_heard_and_taken_out(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        message = await sent(
            here,
            raw=raw(
                "X-SES-SOURCE-ARN: " + ARN + "example.com",
                "x-ses-from-arn: " + ARN + "example.com",
                "X-SES-RETURN-PATH-ARN: " + ARN + "example.com",
                "X-SES-MESSAGE-TAGS: a=b",
                "Return-Path: <bounces@example.com>",
                "From: me@example.com",
                "To: you@example.net",
                "Cc: they@example.net,",
                " Them <them@example.net>",
                "Bcc: it@example.net",
                "X-Session: kept",
            ),
        )
        assert told(here) == (
            "bounces@example.com",
            ("you@example.net", "they@example.net", "them@example.net", "it@example.net"),
        )
        assert names(message) == ["DKIM-Signature", "From", "To", "Cc", "X-Session", "Date", "Message-ID"]

    play(tmp_path, story)


def test_a_destination_goes_before_what_the_header_says(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        await sent(here, raw=MAIL, destination=Recipients(bcc=("only@example.org",)))
        assert told(here)[1] == ("only@example.org",)
        await sent(here, raw=MAIL, destination=Recipients())
        assert told(here)[1] == ("you@example.net",)
        hidden = raw("From: me@example.com", "To: undisclosed-recipients:;", "Bcc: it@example.net")
        await sent(here, raw=hidden)
        assert told(here)[1] == ("it@example.net",)

    play(tmp_path, story)


def test_a_from_field_that_is_missing_is_the_one_that_was_named(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        named = {"from_address": "Me <me@example.com>", "destination": TO}
        message = await sent(here, raw=raw("Subject: x"), **named)
        assert b"\r\nFrom: Me <me@example.com>\r\n" in message
        check_signature(here, message)
        with pytest.raises(BadRequest, match="no From"):
            await sent(here, raw=raw("Subject: x"), destination=TO)

    play(tmp_path, story)


def test_every_address_that_is_used_has_to_be_covered(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        used = {"simple": TEXT, "from_address": "me@example.com", "destination": TO}
        with pytest.raises(MessageRejected, match=r"region US-EAST-1: bounces@example\.org$"):
            await sent(here, **used, feedback_to="bounces@example.org")
        with pytest.raises(MessageRejected, match=r"US-EAST-1: you@example\.org$"):
            await sent(here, raw=MAIL, from_address="you@example.org")
        theirs = MAIL.replace(b"news@example.com", b"news@example.org")
        with pytest.raises(MessageRejected, match=r"US-EAST-1: news@example\.org, b@example\.org$"):
            await sent(here, raw=theirs, feedback_to="b@example.org")
        assert here.next_hop.given == []
        await prove(here, "bounces@example.org")
        await sent(here, **used, feedback_to="Bounces <bounces@example.org>")
        assert told(here)[0] == "bounces@example.org"

    play(tmp_path, story)


def test_an_identity_named_by_arn_must_be_this_accounts_and_cover_the_address(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        used = {"simple": TEXT, "from_address": "me@example.com", "destination": TO}
        await sent(here, **used, from_arn=ARN + DOMAIN)
        theirs = f"arn:aws:ses:us-east-1:000000000002:identity/{DOMAIN}"
        for member in ("from_arn", "feedback_arn"):
            with pytest.raises(AccessDenied, match="not authorized to perform: ses:SendEmail"):
                await sent(here, **used, **{member: theirs})
            with pytest.raises(BadRequest, match="does not cover"):
                await sent(here, **used, **{member: ARN + "example.org"})
            with pytest.raises(MessageRejected):
                await sent(here, **used, **{member: ARN + "me@example.com"})
        with pytest.raises(AccessDenied):
            await sent(
                here, raw=raw(f"X-SES-FROM-ARN: {theirs}", "From: me@example.com", "To: a@example.net")
            )
        assert len(here.next_hop.given) == 1

    play(tmp_path, story)


@pytest.mark.parametrize("place", ["destination", "header"])
def test_fifty_recipients_are_taken_and_one_more_is_not(place: str, tmp_path: Path) -> None:
    def members(count: int) -> dict[str, Any]:
        them = tuple(f"r{number}@example.net" for number in range(count))
        if place == "destination":
            third = count // 3
            return {"raw": MAIL, "destination": Recipients(them[:third], them[third:40], them[40:])}
        return {"raw": raw("From: me@example.com", "To: " + ",\r\n ".join(them))}

    async def story(here: Scene) -> None:
        await ready(here)
        await sent(here, **members(50))
        assert len(told(here)[1]) == 50
        with pytest.raises(BadRequest) as refused:
            await sent(here, **members(51))
        assert refused.value.message == "Recipient count exceeds 50."

    play(tmp_path, story)


def test_forty_megabytes_are_the_most(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        head = raw("From: me@example.com", "To: you@example.net", "Date: x", "Message-ID: <1@example.com>")
        line = b"x" * 988 + b"\r\n"
        most = 40 * 2**20
        body = line * ((most - len(head)) // len(line))
        body += b"y" * (most - len(head) - len(body) - 2) + b"\r\n"
        assert len(head + body) == most
        await sent(here, raw=head + body)
        with pytest.raises(BadRequest) as refused:
            await sent(here, raw=head + b"z" + body)
        assert refused.value.message == (f"Message length is more than 41943040 bytes long: '{most + 1}'.")

    play(tmp_path, story)


def test_a_configuration_set_that_is_named_has_to_exist(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        with pytest.raises(NotFound, match="Configuration set <no> does not exist"):
            await sent(here, raw=MAIL, configuration_set="no")
        with pytest.raises(NotFound):
            await sent(here, raw=b"X-SES-CONFIGURATION-SET: no\r\n" + MAIL)
        assert here.next_hop.given == []

    play(tmp_path, story)


def test_signatures_of_the_senders_own_are_kept_however_many(tmp_path: Path) -> None:
    theirs = b"DKIM-Signature: v=1; d=x.example; s=y; h=from; bh=AAAA; b=AAAA\r\n"

    async def story(here: Scene) -> None:
        await ready(here)
        assert names(await sent(here, raw=theirs * 2 + MAIL))[:3] == ["DKIM-Signature"] * 3

    async def strict(here: Scene) -> None:
        await ready(here)
        await sent(here, raw=theirs + MAIL)
        with pytest.raises(BadRequest) as refused:
            await sent(here, raw=theirs * 2 + MAIL)
        assert refused.value.message == "Duplicate header 'DKIM-Signature'."

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    play(tmp_path / "a", story)
    play(tmp_path / "b", strict, policy=Policy(strict_ses_duplicate_signatures=True))


@pytest.mark.parametrize(
    "fields",
    [
        ("From: a@example.com, b@example.com", "To: you@example.net"),
        ("From: a@example.com", "From: b@example.com", "To: you@example.net"),
        ("To: you@example.net",),
        ("From: a@example.com",),
        ("From: a@example.com", "To: "),
        ("From: a@example.com", "To: you"),
        ("From: a@example.com", "To: friends: you@example.net;"),
        ("From: a@example.com", "To: you@example.net", "Return-Path: nonsense"),
    ],
)
def test_a_message_that_names_not_one_author_or_no_recipient_is_refused(
    fields: tuple[str, ...], tmp_path: Path
) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        with pytest.raises(BadRequest):
            await sent(here, raw=raw(*fields))
        assert here.next_hop.given == []

    play(tmp_path, story)


@pytest.mark.parametrize(
    "members",
    [
        {"simple": TEXT, "destination": TO},
        {"simple": TEXT, "from_address": "a@example.com, b@example.com", "destination": TO},
        {"simple": TEXT, "from_address": "me@example.com"},
        {
            "simple": TEXT,
            "from_address": "me@example.com",
            "destination": TO,
            "feedback_to": "a@example.com, b",
        },
        {"simple": TEXT, "from_address": "me@example.com", "destination": TO, "reply_to": ("x",)},
        {"simple": TEXT, "from_address": "me@example.com\r\nBcc: x@example.net", "destination": TO},
        {"simple": TEXT, "raw": MAIL, "destination": TO},
        {"destination": TO},
    ],
)
def test_a_command_that_is_no_message_is_refused(members: dict[str, Any], tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        with pytest.raises(BadRequest):
            await sent(here, **members)
        assert here.next_hop.given == []

    play(tmp_path, story)


def test_an_addresss_mail_is_signed_by_its_domains_key(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        await prove(here)
        message = await sent(here, simple=TEXT, from_address=ME, destination=TO)
        assert selector_of(message) == (await here.get()).slots[0].token
        check_signature(here, message)

    play(tmp_path, story)


class Silent:
    """A next hop that never answers; the event loop's clock runs ahead by so much while it is asked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.was_asked = False

    async def hand_over(self, envelope: object, message: bytes) -> HandedOver:
        self.was_asked = True
        loop: Any = asyncio.get_running_loop()
        time = loop.time
        loop.time = lambda: time() + self._seconds
        await asyncio.wait_for(asyncio.Event().wait(), 3600)
        raise AssertionError("nobody waits for an hour")


def test_a_next_hop_that_says_nothing_for_fifty_seconds_is_told_as_unavailable(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        await ready(here)
        silent = Silent(50.5)
        world = replace(here.world, next_hop=silent)
        with pytest.raises(Unavailable, match="Send it again"):
            await send.send_email(world, WHO, SendEmail(raw=MAIL), here.clock.now())
        assert silent.was_asked

    play(tmp_path, story)


def test_creating_an_address_waits_for_the_next_hop_ten_seconds_only(tmp_path: Path) -> None:
    async def story(here: Scene) -> None:
        world = replace(here.world, next_hop=Silent(10.5))
        made = await create_address(world, WHO, CreateIdentity(ME), here.clock.now())
        assert (made.address.status.value, made.address.mails_tried) == ("PENDING", 1)

    play(tmp_path, story)
