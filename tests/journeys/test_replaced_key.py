"""The owner replaces the TXT under one and the same selector: the one change that receivers may notice."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes import pooled_key
from tests.journeys.rig import KEY, Rig, running_rig

NAME = "example.com"
RECORD = "s1._domainkey.example.com"


def put(rig: Rig, number: int) -> None:
    """The owner brings a key of their own, through SES's API."""
    own = base64.b64encode(pooled_key(number).to_pkcs8()).decode()
    rig.client().put_email_identity_dkim_signing_attributes(
        EmailIdentity=NAME,
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes={"DomainSigningSelector": "s1", "DomainSigningPrivateKey": own},
    )


def command(rig: Rig, *words: str) -> str:
    """What a command of the operator's prints, asked over HTTP."""
    keys = {"AWS_ACCESS_KEY_ID": KEY.access_key_id, "AWS_SECRET_ACCESS_KEY": KEY.secret}
    done = subprocess.run(
        [sys.executable, "-m", "mailseal", "identity", *words, NAME, "--endpoint", rig.app.api_url],
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(rig: Rig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command(rig, "show", "--json"))
    return found


def sent(rig: Rig) -> bytes:
    """The mail that was sent just now, as it arrived."""
    rig.client().send_email(
        FromEmailAddress=f"sales@{NAME}",
        Destination={"ToAddresses": ["someone@receiver.test"]},
        Content={"Simple": {"Subject": {"Data": "offer"}, "Body": {"Text": {"Data": "offer"}}}},
    )
    return rig.mails()[-1]


def test_the_owner_is_told_and_mail_is_signed_with_the_key_whose_record_stands(tmp_path: Path) -> None:
    with running_rig(tmp_path) as rig:
        rig.client().create_email_identity(EmailIdentity=NAME)
        put(rig, 0)
        rig.publish(NAME)
        rig.advance(seconds=60, steps=10)
        assert rig.dkim_status(NAME) == "SUCCESS"
        assert shown(rig)["cache_window"] is None
        old = rig.text_at(RECORD)
        assert rig.is_signed(sent(rig))

        put(rig, 1)
        rig.settle()
        window = shown(rig)["cache_window"]
        assert (window["selector"], window["ttl"], window["was_replaced"]) == ("s1", 5, False)
        assert "publish a new selector" in window["text"]
        assert "publish a new selector" in " ".join(command(rig, "show").split())
        assert rig.text_at(RECORD) == old
        assert rig.is_signed(sent(rig))

        rig.publish(NAME)
        rig.advance(seconds=60, steps=10)
        assert rig.dkim_status(NAME) == "SUCCESS"
        assert rig.text_at(RECORD) != old
        assert rig.is_signed(sent(rig))
        told = [event["text"] for event in shown(rig)["events"] if event["kind"] == "cache"]
        assert len(told) == 2
        assert all("will refuse mail signed with the new key" in text for text in told)
        rig.advance(seconds=60)
        assert shown(rig)["cache_window"] is None
