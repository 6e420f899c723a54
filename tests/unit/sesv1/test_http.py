"""The query API at its edge: who gets in, what an action is, and what errors look like on the wire."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mailseal.core.access import NO_MATCH, Permissions
from mailseal.core.limits import Limits, Rate
from mailseal.sesv2 import neighbours
from tests.unit.service.scenes import DOMAIN
from tests.unit.sesv1.rig import Rig, play

NAMESPACE = "{http://ses.amazonaws.com/doc/2010-12-01/}"


def test_an_answer_is_xml_with_the_request_id_of_its_header(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        answer = await here.answer("VerifyDomainDkim", Domain=DOMAIN)
        assert answer.headers[b"content-type"] == b"text/xml"
        root = ET.fromstring(answer.content)
        assert root.tag == f"{NAMESPACE}VerifyDomainDkimResponse"
        request_id = root.findtext(f"{NAMESPACE}ResponseMetadata/{NAMESPACE}RequestId")
        assert answer.headers[b"x-amzn-requestid"].decode() == request_id
        assert len(root.findall(f".//{NAMESPACE}DkimTokens/{NAMESPACE}member")) == 3

    play(tmp_path, story)


def test_an_action_may_stand_in_the_query_of_a_get(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        query = "Action=VerifyDomainIdentity&Domain=example.com&Version=2010-12-01"
        answer = await here.ask("GET", b"", query=query)
        assert answer.status == 200
        assert await here.call("ListIdentities") == {"Identities": [DOMAIN]}

    play(tmp_path, story)


def test_a_form_in_the_body_of_a_get_is_not_read(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        answer = await here.ask("GET", b"Domain=example.com", query="Action=VerifyDomainDkim")
        assert answer.error[:2] == (400, "ValidationError")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("form", "code", "sentence"),
    [
        ({}, "MissingAction", "Missing Action"),
        ({"Action": "VerifyEverything"}, "InvalidAction", None),
        ({"Action": "ListIdentities", "Version": "2009-01-01"}, "InvalidAction", None),
        ({"Action": "GetTemplate"}, "InvalidAction", "Mailseal does not serve GetTemplate."),
        ({"Action": "listIdentities"}, "InvalidAction", None),
        ({"Action": "\x00<&>"}, "InvalidAction", None),
    ],
)
def test_an_action_that_is_not_served_is_told_by_its_name(
    tmp_path: Path, form: dict[str, str], code: str, sentence: str | None
) -> None:
    async def story(here: Rig) -> None:
        answer = await here.form(**form)
        told = (
            f"Could not find operation {form.get('Action')} for version {form.get('Version', '2010-12-01')}"
        )
        assert answer.error == (400, code, (sentence or told).replace("\x00", "\ufffd"))

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("action", "pairs", "sentence"),
    [
        ("VerifyDomainDkim", {}, "Value at 'domain' failed to satisfy constraint: Member must not be null"),
        ("DeleteIdentity", {}, "Value at 'identity' failed to satisfy constraint: Member must not be null"),
        (
            "VerifyDomainDkim",
            {"Domain": ""},
            "Value at 'domain' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "GetIdentityDkimAttributes",
            {f"Identities.member.{place}": "a.example" for place in range(1, 102)},
            "Value at 'identities' failed to satisfy constraint: "
            "Member must have length less than or equal to 100",
        ),
        (
            "ListIdentities",
            {"MaxItems": "1001"},
            "Value at 'maxItems' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000",
        ),
        (
            "ListIdentities",
            {"IdentityType": "DOMAIN"},
            "Value at 'identityType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [EmailAddress, Domain]",
        ),
        (
            "SetIdentityDkimEnabled",
            {"Identity": "example.com"},
            "Value at 'dkimEnabled' failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_a_broken_constraint_is_told_with_its_member(
    tmp_path: Path, action: str, pairs: dict[str, str], sentence: str
) -> None:
    async def story(here: Rig) -> None:
        answer = await here.form(Action=action, **pairs)
        assert answer.error == (400, "ValidationError", f"1 validation error detected: {sentence}")

    play(tmp_path, story)


def test_a_wrong_signature_and_an_unknown_key_look_alike(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        answer = await here.ask("POST", b"Action=ListIdentities")
        assert answer.status == 200
        at = here.here.clock.real_now()
        body = b"Action=ListIdentities"
        stamp = at.strftime("%Y%m%dT%H%M%SZ").encode()
        told = []
        for key in (b"MSTEST", b"MSNOBODY"):
            claim = b"Credential=%s/%s/us-east-1/ses/aws4_request" % (key, stamp[:8])
            value = b"AWS4-HMAC-SHA256 %s, SignedHeaders=host;x-amz-date, Signature=%s" % (claim, b"0" * 64)
            headers = [
                (b"host", b"x"),
                (b"x-amz-date", stamp),
                (b"authorization", value),
                (b"content-length", b"21"),
            ]
            answer = await here.raw("POST", b"", headers, body, at)
            told.append((answer.error, answer.content.count(b"\n")))
        assert told[0] == told[1]
        assert told[0][0] == (403, "SignatureDoesNotMatch", NO_MATCH)

    play(tmp_path, story)


def test_an_unsigned_request_is_refused_before_its_form_is_read(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        at = here.here.clock.real_now()
        headers = [(b"host", b"x"), (b"content-length", b"3")]
        answer = await here.raw("POST", b"", headers, b"%zz", at)
        assert answer.error == (403, "MissingAuthenticationToken", "Missing Authentication Token")

    play(tmp_path, story)


def test_a_method_that_the_query_protocol_has_not_is_refused(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        answer = await here.raw("PUT", b"Action=ListIdentities", [], b"", here.here.clock.real_now())
        assert answer.error[:2] == (400, "InvalidParameterValue")

    play(tmp_path, story)


def test_a_key_may_do_only_what_its_permissions_name(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyDomainDkim", Domain="a.example")
        refused = await here.answer("VerifyDomainDkim", Domain="b.test")
        code, word, sentence = refused.error
        assert (code, word) == (403, "AccessDenied")
        assert sentence.endswith(
            "is not authorized to perform: ses:VerifyDomainDkim on resource: "
            "arn:aws:ses:us-east-1:000000000001:identity/b.test"
        )
        refused = await here.answer("GetIdentityDkimAttributes", Identities=["a.example", "b.test"])
        assert refused.error[:2] == (403, "AccessDenied")
        told = await here.call("GetIdentityDkimAttributes", Identities=["a.example"])
        assert list(told["DkimAttributes"]) == ["a.example"]
        assert (await here.answer("DeleteIdentity", Identity="a.example")).error[1] == "AccessDenied"
        assert (await here.answer("ListIdentities")).error[1] == "AccessDenied"

    allowed = Permissions(("ses:VerifyDomainDkim", "ses:Get*", "ses:List*"), ("*.example",))
    play(tmp_path, story, permissions=allowed)


def test_who_asks_too_often_is_throttled(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        # The clock of signatures may move on by a second in between, and let one more pass.
        answers = [await here.form(Action="ListIdentities") for _ in range(4)]
        throttled = [answer.error for answer in answers if answer.status != 200]
        assert throttled[0] == (400, "Throttling", "Rate exceeded")

    play(tmp_path, story, limits=Limits(rate=Rate(1, 1)))


def test_the_quota_is_the_one_that_the_api_v2_tells(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        told = await here.call("GetSendQuota")
        limits = (neighbours.UNLIMITED_A_DAY, neighbours.UNLIMITED_A_SECOND)
        assert (told["Max24HourSend"], told["MaxSendRate"]) == limits

    play(tmp_path, story)


def test_a_fault_tells_nothing_but_its_request_id(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        # A value that no part of Mailseal would make: the first use of it fails.
        object.__setattr__(here.here.world, "token_secret", None)
        answer = await here.answer("VerifyDomainIdentity", Domain=DOMAIN)
        assert answer.error == (500, "InternalFailure", "The service failed at this request.")
        told = {line.event: line.fields for line in here.lines}
        assert told["fault"]["where"] == "sesv1"
        assert told["fault"]["request_id"] == answer.headers[b"x-amzn-requestid"].decode()
        assert (told["request"]["status"], told["request"]["error"]) == (500, "InternalFailure")

    play(tmp_path, story)


def test_each_request_has_one_line_that_names_action_and_identity(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        await here.call("VerifyDomainDkim", Domain=DOMAIN)
        await here.form(Action="Unheard")
        lines = [line.fields for line in here.lines if line.event == "request"]
        assert [(line["operation"], line.get("identity"), line["status"]) for line in lines] == [
            ("VerifyDomainDkim", DOMAIN, 200),
            ("unknown", None, 400),
        ]
        assert lines[0]["access_key_id"] == "MSTEST"

    play(tmp_path, story)
