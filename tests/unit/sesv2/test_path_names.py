"""{EmailIdentity} in every encoding that a client or an attacker may send: one name, or a 400."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailseal.core.errors import BadRequest
from mailseal.core.names import stored_name
from mailseal.sesv2.errors import UnknownOperation
from mailseal.sesv2.operations import Operation, route
from tests.unit.sesv2.rig import IDENTITIES, Rig, refusal, signed

NAME, ADDRESS = "example.com", "User+tag@example.com"


def escaped(text: str, *, lower: bool = False) -> str:
    """Each octet of the text as an escape."""
    return "".join(f"%{octet:02x}" if lower else f"%{octet:02X}" for octet in text.encode())


def same_name() -> Iterator[tuple[str, str]]:
    """Spellings of the two names that mean them: (segment, name)."""
    for name in (NAME, ADDRESS):
        for lower in (False, True):
            yield escaped(name, lower=lower), name
            for place, letter in enumerate(name):
                yield name[:place] + escaped(letter, lower=lower) + name[place + 1 :], name
            for place in range(len(name) - 1):
                two = escaped(name[place : place + 2], lower=lower)
                yield name[:place] + two + name[place + 2 :], name
    for place, letter in enumerate(NAME):
        if letter != ".":
            twice = escaped(NAME[:place]) + letter + escaped(NAME[place + 1 :], lower=True)
            yield twice, NAME
            yield NAME[:place].upper() + NAME[place:], NAME
            yield NAME[:place] + letter.upper() + NAME[place + 1 :], NAME
            yield NAME[:place] + escaped(letter.upper()) + NAME[place + 1 :], NAME
    for domain in ("EXAMPLE.COM", "Example.Com", "eXAMPLE.cOM"):
        yield domain, NAME
        yield f"User+tag@{domain}", ADDRESS
        yield f"User%2Btag%40{domain}", ADDRESS


def other_name() -> Iterator[str]:
    """Spellings that are names, but never these two: they are looked up as what they are."""
    for name in (NAME, ADDRESS):
        twice = escaped(name).replace("%", "%25")
        yield twice
        yield twice.replace("%25", "%2525")
        for place, letter in enumerate(name):
            yield name[:place] + escaped(letter).replace("%", "%25") + name[place + 1 :]
    yield from (
        "user+tag@example.com",
        "USER%2BTAG%40example.com",
        "User tag@example.com",
        "User%20tag@example.com",
    )
    yield from (
        f"{NAME}%20",
        f"%20{NAME}",
        f"{NAME},",
        f"{NAME};",
        f"{NAME}:443",
        f"{NAME}&a=b",
        "*",
        "..example.com",
    )
    yield from (
        f".{NAME}",
        "example..com",
        "-",
        "null",
        "undefined",
        "__proto__",
        f"'{NAME}'",
        f"%22{NAME}%22",
    )


REFUSED = [
    *(
        f"{NAME}{tail}"
        for tail in (".", "..", "%2E", "%2e", "%2E%2E", "%C2%AD", "%E2%80%8B", "%E3%80%82", "%EF%BC%8E")
    ),
    *(f"{ADDRESS}{tail}" for tail in (".", "%2E", "%2E.", "%E3%80%82")),
    # Control characters, NUL first, before, after and inside.
    *(f"{NAME}%{octet:02X}" for octet in (*range(0x20), 0x7F)),
    *(f"%{octet:02X}{NAME}" for octet in (0x00, 0x09, 0x0A, 0x0D)),
    *(f"exam%{octet:02x}ple.com" for octet in (0x00, 0x0A, 0x0D, 0x1B)),
    # Slashes, forward and back, and dot segments made of escapes.
    *(f"{NAME}{slash}x" for slash in ("%2F", "%2f", "%5C", "%5c", "\\")),
    *(f"..{slash}{NAME}" for slash in ("%2F", "%2f", "%5C")),
    *("%2E", "%2e", "%2E%2E", "%2e%2e", ".%2E", "%2E.", ".%2e"),
    # Overlong UTF-8 of a dot, a slash, an @ and NUL, in two to four octets.
    *("%C0%AE", "example%C0%AEcom", "%C0%AF", "%E0%80%AF", "%F0%80%80%AF", "%C1%80", "User%C1%80example.com"),
    *("%C0%80", "%E0%80%80", "%F8%80%80%80%AE"),
    # Broken UTF-8: lone continuation, cut sequence, surrogate, beyond the last plane, Latin-1.
    *(
        "%80",
        "%BF",
        "%FE",
        "%FF",
        "%C3",
        "%E2%82",
        "%ED%A0%80",
        "%ED%BF%BF",
        "%F4%90%80%80",
        "b%FCcher.example",
    ),
    # Broken escapes.
    *(
        "%",
        "%2",
        "%G0",
        "%0G",
        "%%",
        "%2%45",
        f"{NAME}%",
        f"{NAME}%2",
        "%u002e",
        "% 2E",
        "%+2",
        "%-1",
        "%x2E",
    ),
    # Letters beyond ASCII in the domain, escaped as they have to be, and raw.
    *(
        escaped(name)
        for name in ("exämple.com", "exаmple.com", "bücher.example", "\u212aiwi.com", "ｅxample.com")
    ),
    *(escaped(f"User@{name}") for name in ("exämple.com", "\u212aiwi.com", "example。com")),
    *("exämple.com", "bücher.example", "例え.jp"),
]
SAME, OTHER = list(same_name()), list(other_name())


def name_in(segment: str) -> str:
    """The name that a request for this segment is about, as it would be looked up."""
    found = route("GET", b"/v2/email/identities/" + segment.encode())
    assert found.operation is Operation.GET_EMAIL_IDENTITY
    assert found.identity is not None
    return stored_name(found.identity)


def test_the_table_has_three_hundred_encodings() -> None:
    assert len({*(segment for segment, _ in SAME), *OTHER, *REFUSED}) >= 300


@pytest.mark.parametrize(("segment", "name"), SAME)
def test_every_spelling_of_a_name_is_that_name(segment: str, name: str) -> None:
    assert name_in(segment) == name


@pytest.mark.parametrize("segment", OTHER)
def test_what_is_decoded_only_once_or_spelled_otherwise_is_another_name(segment: str) -> None:
    try:
        found = name_in(segment)
    except (BadRequest, UnknownOperation):
        return
    assert found not in {NAME, ADDRESS}


@pytest.mark.parametrize("segment", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(segment: str) -> None:
    with pytest.raises(BadRequest):
        name_in(segment)


@pytest.mark.parametrize("segment", ["", ".", ".."])
@pytest.mark.parametrize("rest", ["", "/dkim", "/dkim/signing"])
def test_a_segment_that_changes_the_path_is_refused(segment: str, rest: str) -> None:
    with pytest.raises((BadRequest, UnknownOperation)):
        route("PUT", f"/v2/email/identities/{segment}{rest}".encode())


def test_escapes_outside_the_name_are_no_part_of_any_path() -> None:
    for path in (
        "/v2/email/identit%69es/example.com",
        "/v2%2Femail/identities/example.com",
        "/V2/email/identities/a.b",
    ):
        with pytest.raises(UnknownOperation):
            route("GET", path.encode())


@pytest.mark.parametrize("segment", ["%00", "%C0%AE", "a%2Fb", "example.com%0A", "%"])
def test_a_name_is_decoded_only_for_whoever_has_proven_the_signature(segment: str) -> None:
    rig = Rig()
    wire = signed("GET", f"{IDENTITIES}/{segment}")
    status, error, message = refusal(rig.ask(wire))
    assert (status, error) == (400, "BadRequestException")
    assert message.startswith("The name in the path")
    stranger = wire.with_header(b"x-amz-date", b"20261123T000000Z").without_header(b"authorization")
    assert refusal(rig.ask(stranger))[:2] == (403, "MissingAuthenticationTokenException")
    assert rig.lines[-1].fields.get("identity") is None
    assert rig.cases.arrived == []
