"""The sandbox's own client signs as the server checks."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from mailseal.sandbox.client import SandboxClient
from mailseal.sandbox.settings import ACCESS_KEY
from mailseal.sesv2.sigv4 import Headers, Target, check_time, derive_key, parse_claim, proves


@pytest.mark.parametrize(
    "path", ["/mailseal/v1/sandbox/clock", "/mailseal/v1/identities/b%C3%BC%40x.example"]
)
@pytest.mark.parametrize(("question", "content"), [("", b""), ("after=a%20b&domain=x", b'{"by": "72h"}')])
def test_a_request_of_the_client_proves_its_key(path: str, question: str, content: bytes) -> None:
    client = SandboxClient("http://127.0.0.1:7080")
    sent = client._signed("POST", path, question, content, "127.0.0.1:7080")
    headers: Headers = [(name.encode(), value.encode()) for name, value in sent.items()]
    claim = parse_claim(headers, question.encode())
    check_time(claim, datetime.now(UTC))
    derived = derive_key(ACCESS_KEY, claim.date, claim.region)
    target = Target("POST", path.encode(), question.encode())
    assert proves(claim, target, headers, hashlib.sha256(content).hexdigest(), derived)
    assert not proves(claim, target, headers, hashlib.sha256(content + b" ").hexdigest(), derived)


def test_the_secret_is_in_no_repr() -> None:
    assert ACCESS_KEY not in repr(SandboxClient("http://127.0.0.1:7080"))
