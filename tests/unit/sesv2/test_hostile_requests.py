"""Signed but hostile: every operation with wrong types, sizes, characters and depths in every place."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from tests.unit.sesv2.rig import IDENTITIES, Rig, easy, signed

NAME = IDENTITIES + "/example.com"
SECRET_KEY = "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAL"
OWN = {
    "DomainSigningSelector": "s1",
    "DomainSigningPrivateKey": SECRET_KEY,
    "NextSigningKeyLength": "RSA_2048_BIT",
    "DomainSigningAttributesOrigin": "EXTERNAL",
}
BODIES: dict[str, tuple[str, str, Any]] = {
    "create": (
        "POST",
        IDENTITIES,
        {
            "EmailIdentity": "example.net",
            "Tags": [{"Key": "k", "Value": "v"}],
            "DkimSigningAttributes": OWN,
            "ConfigurationSetName": "c",
        },
    ),
    "list": (
        "POST",
        "/v2/email/list-identities",
        {"Filter": {"IDENTITY_NAME_CONTAINS": "x"}, "NextToken": "t", "PageSize": 7},
    ),
    "dkim": ("PUT", NAME + "/dkim", {"SigningEnabled": True}),
    "signing": (
        "PUT",
        NAME + "/dkim/signing",
        {"SigningAttributesOrigin": "EXTERNAL", "SigningAttributes": OWN},
    ),
    "send": (
        "POST",
        "/v2/email/outbound-emails",
        {
            "FromEmailAddress": "a@example.com",
            "Destination": {"ToAddresses": ["b@example.net"], "CcAddresses": [], "BccAddresses": []},
            "Content": {
                "Simple": {
                    "Subject": {"Data": "s", "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": "t"}, "Html": {"Data": "<p>"}},
                    "Headers": [{"Name": "X-A", "Value": "b"}],
                    "Attachments": [
                        {
                            "RawContent": "QUJD",
                            "FileName": "a.png",
                            "ContentDisposition": "INLINE",
                            "ContentDescription": "d",
                            "ContentId": "i",
                            "ContentTransferEncoding": "BASE64",
                            "ContentType": "image/png",
                        }
                    ],
                }
            },
            "ReplyToAddresses": ["c@example.com"],
            "FeedbackForwardingEmailAddress": "d@example.com",
            "FromEmailAddressIdentityArn": "arn:aws:ses:us-east-1:000000000001:identity/example.com",
            "ConfigurationSetName": "c",
        },
    ),
}
MODELLED = {"BadRequestException", "SerializationException", "NotFoundException", "AlreadyExistsException"}


NUMBERS = [None, True, False, 0, -1, 1.5, 2**31, 2**63, 10**40]
TEXTS = ["", " ", "x" * 70, "x" * 30_000, "\x00", "\r\nBcc: a@b", "é", "\U0001f600", "\u202e", "{}", "null"]
SCALARS = [*NUMBERS, *TEXTS, "' OR 1=1 --", "%s%n", "../..", "-----BEGIN RSA PRIVATE KEY-----"]
COMPOUNDS = [[], {}, [None], [[]], [1], {"": ""}, {"a": None}, ["x"] * 500, dict.fromkeys("abcdef", 1)]


def hostile(chance: random.Random) -> Any:
    """A value that somebody might put where another one is meant."""
    deep: Any = "x"
    for _ in range(chance.choice([3, 40, 900])):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    return chance.choice([*SCALARS, *COMPOUNDS, deep])


def planted(value: Any, chance: random.Random) -> Any:
    """The body with something hostile in one place, or with that place gone."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        if chance.random() < 0.1:
            return {key: inner for key, inner in value.items() if key != name}
        return {**value, name: planted(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        return [planted(value[0], chance), *value[1:]]
    return hostile(chance)


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_a_modelled_error_and_shows_no_key(name: str) -> None:
    method, path, body = BODIES[name]
    chance = random.Random(f"hostile {name}")
    rig = Rig()

    async def all_of_them() -> set[str]:
        seen = set()
        for _ in range(800):
            rig.cases.identities = {"example.com": easy()}
            content = json.dumps(planted(body, chance)).encode()
            arrived = len(rig.cases.arrived)
            answer = await rig.asked(signed(method, path, content))
            assert answer.status == 200 or answer.status in (400, 404), (content, answer)
            assert answer.status == 200 or answer.error in MODELLED, (content, answer)
            assert SECRET_KEY.encode() not in answer.content
            assert len(rig.cases.arrived) == arrived + 1 or answer.status == 400
            seen.add(answer.error or "accepted")
        return seen

    assert {"SerializationException", "accepted"} <= asyncio.run(all_of_them())
    assert {line.event for line in rig.lines} == {"request"}


NO_OBJECTS = [b"\x00", b"\xff\xfe", b"{", b"null", b"[]", b"0", b'"x"', b"{}{}", b"a=b"]


@pytest.mark.parametrize("content", NO_OBJECTS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_object_is_a_serialization_failure(name: str, content: bytes) -> None:
    method, path, _ = BODIES[name]
    rig = Rig()
    answer = rig.ask(signed(method, path, content))
    assert (answer.status, answer.error) == (400, "SerializationException")
    assert rig.cases.arrived == []
