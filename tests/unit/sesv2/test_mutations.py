"""A signed request that was altered anywhere does not execute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.sesv2.rig import IDENTITIES, Rig, Wire, easy, signed

NAME = IDENTITIES + "/example.com"


def requests() -> dict[str, Wire]:
    """A valid request of every operation."""
    own = {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": "QUJD"}
    return {
        "create": signed("POST", IDENTITIES, {"EmailIdentity": "example.net"}),
        "get": signed("GET", NAME),
        "list": signed("GET", IDENTITIES, query="NextToken=abc&PageSize=7"),
        "list-post": signed("POST", "/v2/email/list-identities", {"PageSize": 7}),
        "delete": signed("DELETE", NAME, headers={"amz-sdk-invocation-id": "1"}),
        "dkim": signed("PUT", NAME + "/dkim", {"SigningEnabled": False}),
        "signing": signed(
            "PUT", NAME + "/dkim/signing", {"SigningAttributesOrigin": "EXTERNAL", "SigningAttributes": own}
        ),
        "send": signed("POST", "/v2/email/outbound-emails", {"Content": {"Raw": {"Data": "QUJD"}}}),
    }


def altered(content: bytes) -> Iterator[bytes]:
    """Each byte flipped in two ways, left out, and one put in before it."""
    for place, octet in enumerate(content):
        before, after = content[:place], content[place + 1 :]
        yield before + bytes([octet ^ 0x01]) + after
        yield before + bytes([octet ^ 0x20]) + after
        yield before + b"A" + content[place:]
        # A blank that falls away in the Authorization header changes nothing that it says.
        if octet != 0x20:
            yield before + after


def mutants(wire: Wire) -> Iterator[Wire]:
    """The request with one thing changed that the signature covers."""
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", wire.method.lower()):
        if method != wire.method:
            yield replace(wire, method=method)
    for path in altered(wire.path):
        yield replace(wire, path=path)
    for query in altered(wire.query):
        yield replace(wire, query=query)
    for body in altered(wire.body):
        yield replace(wire, body=body).with_header(b"content-length", str(len(body)).encode())
    covered = [b"authorization", b"host", b"x-amz-date", *([b"content-type"] if wire.body else [])]
    for name in covered:
        yield wire.without_header(name)
        for value in altered(wire.header(name)):
            yield wire.with_header(name, value)


@pytest.mark.parametrize("name", list(requests()))
def test_no_altered_request_executes(name: str) -> None:
    rig = Rig()
    rig.cases.identities["example.com"] = easy()
    wire = requests()[name]

    async def all_of_them() -> tuple[int, list[tuple[Wire, int]]]:
        count, bad = 0, []
        for mutant in mutants(wire):
            count += 1
            answer = await rig.asked(mutant)
            if rig.cases.arrived or not 400 <= answer.status < 500:
                bad.append((mutant, answer.status))
                rig.cases.arrived.clear()
        return count, bad

    count, bad = asyncio.run(all_of_them())
    assert bad == []
    assert count > 1000
    assert rig.ask(wire).status == 200, "the unaltered request itself must execute"
    assert len(rig.cases.arrived) == 1
