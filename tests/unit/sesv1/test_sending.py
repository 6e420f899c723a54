"""Mail through SendEmail and SendRawEmail of the query API: signed, handed over, or refused with a reason."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from mailseal.core.envelope import NoAnswer
from mailseal.dkim.message import parse_message
from tests.unit.service.scenes import DOMAIN, MAIL
from tests.unit.service.test_spine import check_signature
from tests.unit.sesv1.rig import Rig, play

SIMPLE: dict[str, Any] = {
    "Source": "News <news@example.com>",
    "Destination": {"ToAddresses": ["you@example.net"], "BccAddresses": ["hidden@example.net"]},
    "Message": {
        "Subject": {"Data": "Grüße & <more> + 100 %", "Charset": "UTF-8"},
        "Body": {"Text": {"Data": "a+b=c & ü\r\n"}, "Html": {"Data": "<p>ü</p>"}},
    },
}


async def proven(here: Rig) -> None:
    await here.call("VerifyDomainDkim", Domain=DOMAIN)
    await here.here.proven()


def test_a_simple_message_is_signed_and_handed_over(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        sent = await here.call(
            "SendEmail", **SIMPLE, ReplyToAddresses=["back@example.com"], ReturnPath="bounce@example.com"
        )
        envelope, message = here.here.next_hop.given[-1]
        assert sent["MessageId"]
        assert envelope.recipients == ("you@example.net", "hidden@example.net")
        assert envelope.mail_from == "bounce@example.com"
        check_signature(here.here, message)
        names = {field.name.lower(): field.value for field in parse_message(message).fields}
        assert b"bcc" not in names
        assert b"back@example.com" in names[b"reply-to"]
        assert b"=?utf-8?" in names[b"subject"].lower()

    play(tmp_path, story)


def test_a_raw_message_keeps_its_bytes(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        # Octets whose base64 is full of + and /, which a form has to escape.
        body = bytes(range(0x20, 0x7F)) + "þÿ>>>???".encode() * 20
        raw = MAIL + body + b"\r\n"
        await here.call(
            "SendRawEmail",
            Source="bounce@example.com",
            Destinations=["a@example.net", "b@example.net"],
            RawMessage={"Data": raw},
        )
        envelope, message = here.here.next_hop.given[-1]
        assert (envelope.mail_from, envelope.recipients) == (
            "bounce@example.com",
            ("a@example.net", "b@example.net"),
        )
        assert message.endswith(raw)
        check_signature(here.here, message)

    play(tmp_path, story)


def test_a_raw_message_names_its_recipients_itself_where_the_call_does_not(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        await here.call("SendRawEmail", RawMessage={"Data": MAIL})
        assert here.here.next_hop.given[-1][0].recipients == ("you@example.net",)

    play(tmp_path, story)


def test_who_is_not_verified_is_refused_in_ses_words(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        code, word, sentence = (await here.answer("SendEmail", **SIMPLE)).error
        assert (code, word) == (400, "MessageRejected")
        assert sentence.startswith(
            "Email address is not verified. The following identities failed the check in region US-EAST-1: "
        )
        assert here.here.next_hop.given == []

    play(tmp_path, story)


def test_a_sender_of_bounces_that_is_not_verified_is_refused_too(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        answer = await here.answer("SendRawEmail", Source="a@other.example", RawMessage={"Data": MAIL})
        assert answer.error[:2] == (400, "MessageRejected")

    play(tmp_path, story)


def test_an_unknown_configuration_set_has_its_own_code(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        answer = await here.answer("SendEmail", **SIMPLE, ConfigurationSetName="none")
        sentence = "Configuration set <none> does not exist."
        assert answer.error == (400, "ConfigurationSetDoesNotExist", sentence)

    play(tmp_path, story)


def test_a_silent_next_hop_is_a_fault_of_the_receiver_that_may_be_tried_again(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        here.here.next_hop.answers.append(NoAnswer("nobody"))
        answer = await here.answer("SendEmail", **SIMPLE)
        assert answer.error[:2] == (503, "ServiceUnavailable")
        assert answer.headers[b"retry-after"] == b"5"
        assert b"<Type>Receiver</Type>" in answer.content

    play(tmp_path, story)


@pytest.mark.parametrize("data", ["!", "QUJ", "QUJD=", "QUJD\nQUJD"])
def test_raw_data_that_is_not_base64_is_refused(tmp_path: Path, data: str) -> None:
    async def story(here: Rig) -> None:
        answer = await here.form(Action="SendRawEmail", **{"RawMessage.Data": data})
        assert answer.error[:2] == (400, "MalformedInput")

    play(tmp_path, story)


def test_a_large_message_may_be_sent_and_nothing_else_may_be_large(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        raw = MAIL + (b"x" * 76 + b"\r\n") * 30_000
        await here.call("SendRawEmail", RawMessage={"Data": raw})
        assert here.here.next_hop.given[-1][1].endswith(raw)
        code, word, _ = (await here.form(Action="ListIdentities", Other="x" * 1_100_000)).error
        assert (code, word) == (413, "RequestEntityTooLarge")

    play(tmp_path, story)


def test_the_same_call_made_again_sends_once(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await proven(here)
        form = b"Action=SendRawEmail&RawMessage.Data=" + base64.b64encode(MAIL).replace(b"+", b"%2B")
        again = {"amz-sdk-invocation-id": "i-1"}
        first = await here.ask("POST", form, headers=again)
        second = await here.ask("POST", form, headers=again)
        assert first.parsed("SendRawEmail")["MessageId"] == second.parsed("SendRawEmail")["MessageId"]
        assert len(here.here.next_hop.given) == 1
        await here.ask("POST", form, headers={"amz-sdk-invocation-id": "i-2"})
        assert len(here.here.next_hop.given) == 2

    play(tmp_path, story)
