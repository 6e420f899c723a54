"""A signed request of which any byte was changed on its way is never executed, by the whole application."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from mailseal.sesv2.operations import Operation
from tests.journeys.hostile import furnish, state_of, valid
from tests.unit.sesv2.rig import Wire
from tests.unit.sesv2.whole import Whole, tell

MUTANTS = 40_000 if os.environ.get("CI") == "true" else 4_000
SHARE = -(-MUTANTS // len(Operation))
SIGNED = (b"authorization", b"host", b"x-amz-date", b"content-type")


def parts(wire: Wire) -> dict[str, bytes]:
    """Everything that the signature covers, and the signature."""
    headers = {name.decode(): value for name, value in wire.headers if name in SIGNED}
    whole = {"method": wire.method.encode(), "path": wire.path, "query": wire.query, "body": wire.body}
    return {name: value for name, value in (whole | headers).items() if value}


def with_part(wire: Wire, name: str, value: bytes) -> Wire:
    """The request with one of its parts put in the place of the old one."""
    match name:
        case "method":
            return replace(wire, method=value.decode("latin-1"))
        case "path":
            return replace(wire, path=value)
        case "query":
            return replace(wire, query=value)
        case "body":
            # Of the right length: else it is the length that is refused.
            return replace(wire, body=value).with_header(b"content-length", str(len(value)).encode())
        case _:
            return wire.with_header(name.encode(), value)


def changed(value: bytes, place: int, chance: random.Random) -> bytes:
    """The value with something done to its byte at that place."""
    before, octet, after = value[:place], value[place], value[place + 1 :]
    return chance.choice(
        (
            before + bytes([octet ^ (1 << chance.randrange(8))]) + after,
            before + bytes([chance.randrange(256)]) + after,
            before + after,
            before + bytes([chance.randrange(256)]) + value[place:],
            before + value[place:][:1] * 2 + after,
            before + after[:1] + bytes([octet]) + after[1:],
            value[:place],
        )
    )


def says_the_same(name: str, value: bytes, mutant: bytes) -> bool:
    """Whether SigV4 takes both for one: blanks at the ends and runs of them, the order of a query."""
    if name == "query":
        return _pairs(value) == _pairs(mutant)
    if name in ("path", "body", "method"):
        return value == mutant
    # Between the parts of the Authorization header blanks may be left out.
    if name == "authorization":
        return value.replace(b" ", b"") == mutant.replace(b" ", b"")
    return value.split() == mutant.split()


def _pairs(query: bytes) -> list[tuple[str, str]]:
    return sorted(parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1"))


def mutants(wire: Wire, chance: random.Random) -> Iterator[tuple[str, Wire]]:
    """The request changed in one place, each place in its turn, again and again."""
    places = [(name, place) for name, value in parts(wire).items() for place in range(len(value))]
    for name, place in cycle(places):
        value = parts(wire)[name]
        mutant = changed(value, place, chance)
        if not says_the_same(name, value, mutant):
            yield f"{name}[{place}] {mutant!r}", with_part(wire, name, mutant)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", Operation)
def test_no_request_with_a_changed_byte_is_executed(operation: Operation, tmp_path: Path) -> None:
    chance = random.Random(f"signature {operation.value}")
    accepted = []

    async def story(application: Whole) -> None:
        await furnish(application)
        wire = valid(operation, chance)
        before = state_of(application)
        for how, mutant in islice(mutants(wire, chance), SHARE):
            answer = await application.ask(mutant)
            assert 400 <= answer.status < 500, (how, answer)
            assert state_of(application) == before, how
        accepted.append(await application.ask(wire))

    tell(tmp_path, story)
    assert accepted[0].error != "InvalidSignatureException", "the request itself was not signed right"


def test_blanks_and_the_order_of_a_query_are_no_change() -> None:
    assert says_the_same("query", b"b=2&a=%2F", b"a=%2f&b=2")
    assert says_the_same("host", b"a", b" a ")
    assert says_the_same("authorization", b"A Credential=x, B=y", b"A Credential=x,B=y")
    assert not says_the_same("query", b"a=1", b"a=2")
    assert not says_the_same("path", b"/a%2F", b"/a%2f")
