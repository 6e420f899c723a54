"""The AWS SDK for JavaScript v3, unmodified, against the whole application."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import NODE_MODULES
from tests.journeys.test_wire_errors import pkcs8
from tests.journeys.wire_application import KEY, running

SCRIPT = Path(__file__).with_name("wire_js.mjs")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    with running(tmp_path_factory.mktemp("js")) as application:
        settings = {
            "AWS_ENDPOINT_URL_SESV2": application.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY.access_key_id,
            "AWS_SECRET_ACCESS_KEY": KEY.secret,
            "MODULES": str(NODE_MODULES.parent),
            "OWN_KEY": pkcs8(rsa.generate_private_key(65537, 1024)),
        }
        done = subprocess.run(
            ["node", str(SCRIPT)], env=os.environ | settings, capture_output=True, text=True, timeout=50
        )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


@pytest.mark.needs_npm("@aws-sdk/client-sesv2")
def test_every_operation_answers_the_javascript_sdk(told: list[Any]) -> None:
    assert [answer[1] for answer in told] == [200, 400, 200, 200, 400, 200, 200, 404, 200, 400, 400, 200, 404]
    assert all(answer[3] == "string" for answer in told if answer[1] == 200), "a request id"


@pytest.mark.needs_npm("@aws-sdk/client-sesv2")
def test_its_answers_have_the_members_that_the_sdk_models(told: list[Any]) -> None:
    created, put_own, put_easy, found, listed = (told[place][2] for place in (0, 2, 3, 6, 8))
    assert created["DkimAttributes"]["Status"] == "NOT_STARTED"
    assert len(created["DkimAttributes"]["Tokens"]) == 3
    assert put_own == {"DkimStatus": "PENDING", "DkimTokens": ["s1"]}
    assert put_easy["DkimTokens"] == created["DkimAttributes"]["Tokens"]
    assert put_easy["SigningHostedZone"] == "dkim.wire.test"
    assert found["DkimAttributes"]["SigningEnabled"] is False
    assert found["DkimAttributes"]["LastKeyGenerationTimestamp"].startswith("20")
    assert [row["IdentityName"] for row in listed["EmailIdentities"]] == ["js.example"]


@pytest.mark.needs_npm("@aws-sdk/client-sesv2")
def test_its_errors_have_the_modelled_names(told: list[Any]) -> None:
    names = [(answer[0], answer[2]) for answer in told if answer[1] != 200]
    assert names == [
        ("CreateEmailIdentity", "AlreadyExistsException"),
        ("PutEmailIdentityDkimSigningAttributes", "BadRequestException"),
        ("GetEmailIdentity", "NotFoundException"),
        ("SendEmail", "MessageRejected"),
        ("CreateContactList", "BadRequestException"),
        ("DeleteEmailIdentity", "NotFoundException"),
    ]
    assert told[7][3] == "Email identity a+b ~'(*)!@js.example does not exist."
