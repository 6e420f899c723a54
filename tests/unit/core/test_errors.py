"""Refusals: SES's sentences to the byte, and no private key that was sent in the place of a name."""

from __future__ import annotations

import base64
import random

import pytest

from mailseal.core.errors import BadRequest, NotFound

KEY = base64.b64encode(random.Random(2).randbytes(600)).decode()


@pytest.mark.parametrize(
    "sent",
    [
        KEY,
        KEY[:64],
        f"{KEY}.example.com",
        f"user@{KEY}",
        KEY.encode().hex(),
        f"-----BEGIN PRIVATE KEY-----\\n{KEY[:30]}",
        "\n".join(KEY[at : at + 64] for at in range(0, len(KEY), 64)),
        repr("\n".join(KEY[at : at + 64] for at in range(0, len(KEY), 64))),
    ],
)
def test_a_key_in_the_place_of_a_name_does_not_come_back(sent: str) -> None:
    refused = BadRequest(f"Invalid domain name <{sent}>.", hint=f"see {sent}")
    for told in (refused.message, refused.hint, str(refused)):
        assert not any(sent[at : at + 12] in told for at in range(40, len(sent) - 12)), told
    assert refused.message.startswith("Invalid domain name <")


@pytest.mark.parametrize(
    "sentence",
    [
        "Email identity news.example.com does not exist.",
        "User: arn:aws:iam::000000000001:user/AKIAIOSFODNN7EXAMPLE is not authorized to perform: "
        "ses:SendEmail on resource: arn:aws:ses:us-east-1:000000000001:identity/example.com",
        "d2xs5a2qd7edll7bjpxcfqxgp6yz6zx2._domainkey." + "a" * 63 + ".example.com",
        "/srv/mailseal/data/of/one/installation/in/a/deep/folder/on/this/machine/master.key cannot be read",
    ],
)
def test_every_other_sentence_stays_as_it_is(sentence: str) -> None:
    assert NotFound(sentence).message == str(NotFound(sentence)) == sentence
