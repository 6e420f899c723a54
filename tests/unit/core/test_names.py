"""Names of domains: one spelling of each, and nothing that another one could be taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.errors import BadRequest
from mailseal.core.names import parse_domain, stored_name
from mailseal.core.suffixes import NO_SUFFIXES, PublicSuffixes, parse_public_suffixes, refuse_unowned

LABEL_63 = "a" * 63
GOOD = [
    ("example.com", "example.com"),
    ("EXAMPLE.Com", "example.com"),
    ("a.b.c.d.example.com", "a.b.c.d.example.com"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ("example.xn--p1ai", "example.xn--p1ai"),
    ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),
    ("1and1.com", "1and1.com"),
    ("123.com", "123.com"),
    ("r3---sn-x.example.com", "r3---sn-x.example.com"),
    (f"{LABEL_63}.com", f"{LABEL_63}.com"),
    ("example.museum", "example.museum"),
]
FINAL_DOT, PUNYCODE, ADDRESS, LABELS, TWO, XN, LONG = (
    "final dot",
    "punycode (xn--",
    "IP address",
    "Labels are letters",
    "at least two labels",
    "must be punycode",
    "characters leave room",
)
BAD = [
    ("example.com.", FINAL_DOT),
    ("example.com..", FINAL_DOT),
    (".", FINAL_DOT),
    ("bücher.example", PUNYCODE),
    ("example.рф", PUNYCODE),
    ("ехample.com", PUNYCODE),  # Cyrillic е and х
    ("exаmple.com", PUNYCODE),  # Cyrillic а
    ("examp1e.cоm", PUNYCODE),  # Cyrillic о
    ("еxample.com", PUNYCODE),
    ("αpple.com", PUNYCODE),
    ("ɡoogle.com", PUNYCODE),  # Latin script g
    ("ｅxample.com", PUNYCODE),  # fullwidth e
    ("example。com", PUNYCODE),  # ideographic full stop
    ("example．com", PUNYCODE),  # fullwidth full stop
    ("example｡com", PUNYCODE),  # halfwidth full stop
    ("\u212aiwi.com", PUNYCODE),  # the Kelvin sign, whose lower case is k
    ("ſtreet.com", PUNYCODE),  # long s, whose upper case is S
    ("İstanbul.com", PUNYCODE),
    ("straße.example", PUNYCODE),
    ("example\u00ad.com", PUNYCODE),  # soft hyphen
    ("exam\u200bple.com", PUNYCODE),  # zero width space
    ("example.com\u200e", PUNYCODE),  # left-to-right mark
    ("\u202eexample.com", PUNYCODE),
    ("example.com\u0000", LABELS),
    ("example.com\u2028", PUNYCODE),
    ("ex\u0301ample.com", PUNYCODE),
    ("①.example", PUNYCODE),
    ("¹.example", PUNYCODE),
    ("192.0.2.1", ADDRESS),
    ("[192.0.2.1]", ADDRESS),
    ("2001:db8::1", ADDRESS),
    ("[2001:db8::1]", ADDRESS),
    ("[IPv6:2001:db8::1]", ADDRESS),
    ("::ffff:192.0.2.1", ADDRESS),
    ("0300.0.2.1", ADDRESS),
    ("192.0.513", ADDRESS),
    ("3221225985", ADDRESS),
    ("0xc0.0x0.0x2.0x1", ADDRESS),
    ("example.0x", ADDRESS),
    ("1.2.3.4.5", ADDRESS),
    ("example.123", ADDRESS),
    ("com", TWO),
    ("localhost", TWO),
    ("", TWO),
    ("xn--p1ai", TWO),
    ("example..com", LABELS),
    (".example.com", LABELS),
    ("-example.com", LABELS),
    ("example-.com", LABELS),
    ("exa_mple.com", LABELS),
    ("_dmarc.example.com", LABELS),
    ("exa mple.com", LABELS),
    (" example.com", LABELS),
    ("example.com ", LABELS),
    ("example.com\t", LABELS),
    ("example.com\r\n", LABELS),
    ("*.example.com", LABELS),
    ("example.com/", LABELS),
    ("http://example.com", LABELS),
    ("example.com:25", LABELS),
    ("example,com", TWO),
    ("exam%70le.com", LABELS),
    ("exam\\112le.com", LABELS),
    ('"example".com', LABELS),
    ("<example.com>", LABELS),
    ("user@example.com", LABELS),
    (f"a{LABEL_63}.com", LABELS),
    ("xn--.com", LABELS),
    ("xn---.com", LABELS),
    ("xn--a.com", XN),
    ("xn--example.com", XN),
    ("xn--example-.com", LABELS),
    ("xn--exmple-cua0.com", XN),  # what decodes to nothing
    ("xn--EXMPLE-4NF0.com", XN),
    ("xn--ls8h0000000000.com", XN),
    ("xn--bcher-2pa.example", XN),  # BÜcher: upper case
    ("xn--bucher-xyd.example", XN),  # u and a combining diaeresis: not composed
    ("xn--example-376c.com", XN),  # right-to-left override in it
    (".".join(["a" * 60] * 4), LONG),
]


@pytest.mark.parametrize(("text", "domain"), GOOD)
def test_a_domain_has_one_spelling(text: str, domain: str) -> None:
    assert parse_domain(text) == domain
    assert parse_domain(domain) == domain
    assert stored_name(text) == domain


@pytest.mark.parametrize(("text", "hint"), BAD)
def test_what_is_no_domain_is_refused_with_what_to_do(text: str, hint: str) -> None:
    with pytest.raises(BadRequest) as told:
        parse_domain(text)
    assert told.value.message == "The EmailIdentity value must be a valid domain."
    assert hint in told.value.hint


@given(st.text(max_size=40))
def test_whatever_comes_is_refused_or_has_one_spelling(text: str) -> None:
    try:
        domain = parse_domain(text)
    except BadRequest:
        return
    assert domain.isascii()
    assert domain == domain.lower() == parse_domain(domain)
    assert not domain.endswith(".")


@given(st.text(max_size=40))
def test_a_name_that_is_looked_up_never_finds_one_that_is_spelled_with_other_letters(text: str) -> None:
    try:
        found = stored_name(text)
    except BadRequest:
        return
    local, at, domain = text.rpartition("@")
    assert found == f"{local}{at}{domain.lower()}"
    assert len(found) == len(text), "lower case of ASCII letters changes no other letter"


@pytest.mark.parametrize("name", ["example.com.", "Me@example.com.", "exämple.com", "Me@\u212aiwi.com"])
def test_what_could_be_taken_for_another_name_is_not_looked_up(name: str) -> None:
    with pytest.raises(BadRequest):
        stored_name(name)


LIST = """
// ===BEGIN ICANN DOMAINS===
// a comment
com
uk
co.uk
公司.cn   // the rest of a line is a comment
*.ck
!www.ck

// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
github.io
// ===END PRIVATE DOMAINS===
"""


@pytest.mark.parametrize(
    ("domain", "is_suffix"),
    [
        ("co.uk", True),
        ("example.co.uk", False),
        ("anything.ck", True),
        ("www.ck", False),
        ("mail.anything.ck", False),
        ("xn--55qx5d.cn", True),
        ("github.io", False),
        ("unknown.tld", False),
    ],
)
def test_the_list_tells_suffixes_from_domains(domain: str, is_suffix: bool) -> None:
    suffixes = parse_public_suffixes(LIST)
    assert suffixes.has(domain) is is_suffix
    if is_suffix:
        with pytest.raises(BadRequest, match="must be a valid domain") as told:
            refuse_unowned(parse_domain(domain), suffixes)
        assert f"{domain} is a public suffix" in told.value.hint
    else:
        refuse_unowned(parse_domain(domain), suffixes)


@pytest.mark.parametrize(
    "name", ["mail.local", "a.localhost", "x.invalid", "a.onion", "a.alt", "2.0.192.in-addr.arpa"]
)
def test_names_that_stand_for_something_else_are_no_domains(name: str) -> None:
    with pytest.raises(BadRequest) as told:
        refuse_unowned(parse_domain(name), NO_SUFFIXES)
    assert "no domains that mail can come from" in told.value.hint


@pytest.mark.parametrize("name", ["example.com", "shop.example", "shop.test", "localhost.example.com"])
def test_names_of_documentation_and_tests_are_taken(name: str) -> None:
    refuse_unowned(parse_domain(name), PublicSuffixes(frozenset({"com", "example"})))


def test_a_list_without_its_section_is_no_list() -> None:
    with pytest.raises(ValueError, match="ICANN"):
        parse_public_suffixes("com\nuk\n")
