"""Forms nobody honest sends: each is refused by a modelled error, and only what was signed executes."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mailseal.sesv1.errors import _CODES
from mailseal.sesv1.shapes import INPUTS, Action
from mailseal.sesv2.members import ListOf, Structure
from tests.unit.service.scenes import WHO
from tests.unit.sesv1.rig import FORM, HOST, SECRET, Answer, Rig, play

KNOWN = {code for _, code in _CODES.values()}
ROUNDS = 60
"""Forms for each action."""

VALUES = [
    *(
        "",
        " ",
        ".",
        "..",
        "*",
        "@",
        "a@b",
        "example.com.",
        ".example.com",
        "-x.example",
        "x" * 300,
        "1",
        "-1",
    ),
    *("true", "null", "[]", "{}", "%00", "\x00", "\r\nBcc: x@y.example", "é.example", "例え.example"),
    *("a\u202eb.example", "\ud7ff", "\U0010ffff", "xn--", "192.0.2.1", "[::1]", "a/b.example", "a\\b"),
    *("<x>&amp;</x>", "]]>", "' OR 1=1 --", "QUJD", "QUJ", "me@example.com", "example.com", "99999999999"),
    *("arn:aws:ses:us-east-1:000000000001:identity/example.com", "Domain", "UseDefaultValue", "\ufffe"),
]


def names_of(shape: Any, prefix: str = "") -> list[str]:
    """The names under which a form gives the values of a shape."""
    if isinstance(shape, Structure):
        found = [names_of(member.shape, f"{prefix}.{member.name}") for member in shape.members]
        return [name for names in found for name in names]
    if isinstance(shape, ListOf):
        return [name for place in (1, 2) for name in names_of(shape.element, f"{prefix}.member.{place}")]
    return [prefix.removeprefix(".")]


def twisted(name: str, chance: random.Random) -> str:
    """The name, or one that is nearly it."""
    parts = name.split(".")
    match chance.randrange(8):
        case 0:
            parts.append(chance.choice(["member", "1", "x", ""]))
        case 1 if len(parts) > 1:
            parts.pop()
        case 2:
            parts[-1] = chance.choice(["0", "-1", "01", "entry", "\x00", "é"])
    return ".".join(parts)


def hostile_form(action: Action, chance: random.Random) -> str:
    """A form for the action in which most is wrong."""
    names = names_of(INPUTS[action])
    pairs = [("Action", str(action))]
    for name in names if chance.random() < 0.6 else chance.sample(names, chance.randrange(len(names) + 1)):
        given = twisted(name, chance) if chance.random() < 0.3 else name
        pairs.append((given, chance.choice(VALUES) * (2000 if chance.random() < 0.02 else 1)))
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


def check_answer(answer: Answer, form: object) -> None:
    """Well-formed XML; a success or a modelled error that blames the sender."""
    root = ET.fromstring(answer.content)
    if answer.status == 200:
        return
    assert 400 <= answer.status < 500, (form, answer.content)
    assert root.findtext("{*}Error/{*}Code") in KNOWN
    assert root.findtext("{*}Error/{*}Type") == "Sender"
    assert root.findtext("{*}Error/{*}Message")


def test_no_form_is_a_fault(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        chance = random.Random(20261123)
        answered = dict.fromkeys((True, False), 0)
        for action in Action:
            for _ in range(ROUNDS):
                form = hostile_form(action, chance)
                answer = await here.ask("POST", form.encode())
                check_answer(answer, form)
                answered[answer.status == 200] += 1
        assert min(answered.values()) > 20, "both kinds of answer were seen"
        told = await here.call("ListIdentities")
        assert all(name == name.strip() and "." in name for name in told["Identities"])
        assert [line for line in here.lines if line.event == "fault"] == []

    play(tmp_path, story)


def test_bytes_that_are_no_form_are_refused(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        chance = random.Random(5)
        for size in (0, 1, 2, 3, 10, 100, 1000, 10_000) * 5:
            body = chance.randbytes(size)
            answer = await here.ask("POST", body)
            check_answer(answer, body)
            assert answer.status == 400

    play(tmp_path, story)


def test_no_signed_request_executes_after_a_change_on_its_way(tmp_path: Path) -> None:
    async def story(here: Rig) -> None:
        body, query = b"Action=VerifyDomainDkim&Domain=example.com", b"Version=2010-12-01"
        request = AWSRequest(
            method="POST",
            url=f"http://{HOST}/?{query.decode()}",
            data=body,
            headers={"Host": HOST, "Content-Type": FORM},
        )
        SigV4Auth(Credentials(WHO.access_key_id, SECRET), "ses", "us-east-1").add_auth(request)
        headers = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
        at = here.here.clock.real_now()
        at = at.strptime(request.context["timestamp"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        chance = random.Random(7)

        def changed(raw: bytes, place: int) -> bytes:
            return raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(7))]) + raw[place + 1 :]

        async def refused(query: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
            length = (b"content-length", str(len(body)).encode())
            answer = await here.raw("POST", query, [*headers, length], body, at)
            assert answer.status in (400, 403), answer.content

        for place in range(len(body)):
            await refused(query, headers, changed(body, place))
        for place in range(len(query)):
            await refused(changed(query, place), headers, body)
        for number, (name, value) in enumerate(headers):
            for place in range(len(value)):
                twin = [*headers[:number], (name, changed(value, place)), *headers[number + 1 :]]
                await refused(query, twin, body)
        await refused(query, headers, body + b"&")
        assert await here.call("ListIdentities") == {"Identities": []}
        length = (b"content-length", str(len(body)).encode())
        assert (await here.raw("POST", query, [*headers, length], body, at)).status == 200

    play(tmp_path, story)
