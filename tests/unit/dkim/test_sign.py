"""Signatures: their shape is SES's, and what they cover cannot be added to."""

import re
from dataclasses import replace

import pytest

from mailseal.dkim.canonicalization import Canonicalization
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import PrivateKey, generate_ed25519_key
from mailseal.dkim.message import Message, MessageRefused, parse_message
from mailseal.dkim.sign import EIGHT_DAYS, OVERSIGNED, Signer, SignOptions, sign
from mailseal.dkim.verify import KeyAnswer, KeyFound, NoKey, Result, verify

AT = 1_700_000_000
SELECTOR = "abcdefghijklmnopqrstuvwxyz234567"


def signer(key: PrivateKey, sdid: str = "example.com", selector: str = SELECTOR) -> Signer:
    return Signer(sdid, selector, key.sign_digest, key.bits // 8)


def results(raw: bytes, key: PrivateKey) -> list[Result]:
    def look_up(name: str) -> KeyAnswer:
        assert "._domainkey." in name
        return KeyFound((format_key_record(key.spki),))

    return [verification.result for verification in verify(parse_message(raw), look_up, now=AT)]


def tags(field: bytes) -> dict[str, str]:
    value = field.decode().partition(":")[2]
    pairs = (spec.partition("=") for spec in value.split(";"))
    return {name.strip(): "".join(text.split()) for name, _, text in pairs}


def test_the_field_has_the_shape_of_ses(message: Message, key: PrivateKey) -> None:
    field = sign(message, [signer(key)], AT)
    assert re.fullmatch(
        rb"DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=relaxed/simple;\r\n"
        rb"\ts=[a-z2-7]{32}; d=example\.com; t=1700000000;\r\n"
        rb"\tx=1700691200;\r\n"
        rb"\th=From:TO:Subject:\r\n"
        rb"\tFrom:To:Cc:Subject:Date:Reply-To:MIME-Version:Content-Type:Message-ID;\r\n"
        rb"\tbh=[A-Za-z0-9+/]{43}=;\r\n"
        rb"\tb=[A-Za-z0-9+/]{64}\r\n"
        rb"(\t [A-Za-z0-9+/]{67}\r\n){4}"
        rb"\t [A-Za-z0-9+/]{10}==\r\n",
        field,
    )
    assert list(tags(field)) == ["v", "a", "q", "c", "s", "d", "t", "x", "h", "bh", "b"]


def test_every_line_of_the_field_is_at_most_78_octets(message: Message, key: PrivateKey) -> None:
    for sdid in ("a.example", "sub.sub.sub.example.com", "x" * 60 + ".example.com"):
        for selector in ("s", SELECTOR, "y" * 63):
            field = sign(message, [signer(key, sdid, selector)], AT)
            limit = max(78, len(sdid) + 5)
            assert max(len(line) for line in field.split(b"\r\n")) <= limit
            assert results(field + message.raw, key) == [Result.PASS]


def test_an_ed25519_signature_stands_below_the_rsa_one(message: Message, key: PrivateKey) -> None:
    second = generate_ed25519_key()
    below = Signer("example.com", "ed", second.sign_digest, 64, "ed25519-sha256")
    fields = sign(message, [signer(key), below], AT)
    assert [line for line in fields.split(b"\r\n") if b"a=" in line] == [
        b"DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=relaxed/simple;",
        b"DKIM-Signature: v=1; a=ed25519-sha256; q=dns/txt; c=relaxed/simple;",
    ]
    assert max(map(len, fields.split(b"\r\n"))) <= 78
    records = {SELECTOR: format_key_record(key.spki), "ed": format_key_record(second.spki)}

    def look_up(name: str) -> KeyAnswer:
        return KeyFound((records[name.partition(".")[0]],))

    passed = verify(parse_message(fields + message.raw), look_up, now=AT)
    assert [one.result for one in passed] == [Result.PASS, Result.PASS]
    records["ed"] = format_key_record(generate_ed25519_key().spki)
    failed = verify(parse_message(fields + message.raw), look_up, now=AT)
    assert [one.result for one in failed] == [Result.PASS, Result.FAIL]


def test_it_expires_eight_days_later_unless_told_otherwise(message: Message, key: PrivateKey) -> None:
    assert int(tags(sign(message, [signer(key)], AT))["x"]) - AT == EIGHT_DAYS
    assert "x" not in tags(sign(message, [signer(key)], AT, options=SignOptions(lifetime_seconds=None)))


@pytest.mark.parametrize("header", list(Canonicalization))
@pytest.mark.parametrize("body", list(Canonicalization))
def test_every_canonicalization_verifies(
    message: Message, key: PrivateKey, short_key: PrivateKey, header: Canonicalization, body: Canonicalization
) -> None:
    for each in (key, short_key):
        field = sign(message, [signer(each)], AT, options=SignOptions(header=header, body=body))
        assert tags(field)["c"] == f"{header}/{body}"
        assert results(field + message.raw, each) == [Result.PASS]


def test_several_signers_sign_the_same_message_in_their_order(message: Message, key: PrivateKey) -> None:
    fields = sign(message, [signer(key, "example.com"), signer(key, "operator.example")], AT)
    assert fields.count(b"DKIM-Signature: ") == 2
    assert fields.index(b"d=example.com") < fields.index(b"d=operator.example")
    assert results(fields + message.raw, key) == [Result.PASS, Result.PASS]


@pytest.mark.parametrize("name", OVERSIGNED)
def test_a_second_field_of_an_oversigned_name_breaks_the_signature(
    message: Message, key: PrivateKey, name: bytes
) -> None:
    signed = sign(message, [signer(key)], AT) + message.raw
    assert results(name + b": added\r\n" + signed, key) == [Result.FAIL]
    assert results(signed.replace(b"X-Mailer", name + b": added\r\nX-Mailer"), key) == [Result.FAIL]


def test_absent_names_may_be_left_open_for_an_mta_that_adds_them(message: Message, key: PrivateKey) -> None:
    options = SignOptions(added_later=frozenset((b"message-id", b"date", b"subject")))
    field = sign(message, [signer(key)], AT, options=options)
    names = "From:To:Cc:Subject:Reply-To:MIME-Version:Content-Type"
    assert tags(field)["h"] == f"From:TO:Subject:{names}"
    signed = field + message.raw
    assert results(b"Message-ID: <1@example.com>\r\n" + signed, key) == [Result.PASS]
    assert results(b"Cc: a@example.org\r\n" + signed, key) == [Result.FAIL]
    assert results(b"Subject: another\r\n" + signed, key) == [Result.FAIL]


def test_what_is_signed_and_oversigned_can_be_chosen(message: Message, key: PrivateKey) -> None:
    options = SignOptions(signed=frozenset((b"from", b"x-mailer")), oversigned=(b"From",))
    field = sign(message, [signer(key)], AT, options=options)
    assert tags(field)["h"] == "From:X-Mailer:From"
    signed = field + message.raw
    assert results(b"Subject: another\r\n" + signed, key) == [Result.PASS]
    assert results(signed.replace(b"X-Mailer: ", b"X-Mailer: not "), key) == [Result.FAIL]


def test_a_choice_that_leaves_from_open_is_no_choice() -> None:
    with pytest.raises(ValueError, match="From is always"):
        SignOptions(signed=frozenset((b"subject",)))
    with pytest.raises(ValueError, match="From is always"):
        SignOptions(oversigned=(b"Subject",))
    with pytest.raises(ValueError, match="what is oversigned is signed"):
        SignOptions(oversigned=(b"From", b"X-Mailer"))


def test_a_field_that_ses_does_not_sign_may_change(message: Message, key: PrivateKey) -> None:
    signed = sign(message, [signer(key)], AT) + message.raw
    assert results(b"X-New: 1\r\n" + signed.replace(b"X-Mailer: none", b"X-Mailer: any"), key) == [
        Result.PASS
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello  there", b"Hello there"),
        (b"Two  blanks", b"Two blanksX"),
        (b"bob@example.org", b"mob@example.org"),
        (b"t=1700000000", b"t=1700000001"),
        (b"d=example.com", b"d=example.net"),
    ],
)
def test_a_change_of_what_is_signed_breaks_it(
    message: Message, key: PrivateKey, old: bytes, new: bytes
) -> None:
    signed = sign(message, [signer(key)], AT) + message.raw
    assert old in signed
    assert results(signed.replace(old, new), key) == [Result.FAIL]


def test_fields_of_one_name_are_all_signed_and_verify(key: PrivateKey) -> None:
    first = b"References: <1>\r\nSubject: a\r\nReferences: <2>\r\n"
    raw = first + b"From: a@example.com\r\nreferences: <3>\r\n\r\nx\r\n"
    field = sign(parse_message(raw), [signer(key)], AT)
    assert tags(field)["h"].startswith("References:Subject:References:From:references:From:")
    assert results(field + raw, key) == [Result.PASS]
    swapped = raw.replace(b"<1>", b"<0>").replace(b"<2>", b"<1>").replace(b"<0>", b"<2>")
    assert results(field + swapped, key) == [Result.FAIL]


@pytest.mark.parametrize("header", [b"Subject: x\r\n", b"From: a@example.com\r\nFROM: b@example.com\r\n"])
def test_a_message_without_exactly_one_from_is_not_signed(key: PrivateKey, header: bytes) -> None:
    with pytest.raises(MessageRefused) as refusal:
        sign(parse_message(header + b"\r\nbody\r\n"), [signer(key)], AT)
    assert refusal.value.code == "from_count"


def test_a_message_whose_last_line_does_not_end_is_not_signed(key: PrivateKey) -> None:
    with pytest.raises(MessageRefused) as refusal:
        sign(parse_message(b"From: a@example.com\r\n\r\nbody"), [signer(key)], AT)
    assert refusal.value.code == "no_final_crlf"


def test_an_empty_body_is_signed_and_verifies(key: PrivateKey) -> None:
    raw = b"From: a@example.com\r\n\r\n"
    for body in Canonicalization:
        field = sign(parse_message(raw), [signer(key)], AT, options=SignOptions(body=body))
        assert results(field + raw, key) == [Result.PASS]


def test_a_signature_of_the_wrong_length_is_a_fault(message: Message, key: PrivateKey) -> None:
    with pytest.raises(ValueError, match="not as long"):
        sign(message, [replace(signer(key), signature_bytes=128)], AT)


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nX: y", "a;b", "é.example", ".", "a..b"])
def test_a_name_that_would_break_the_field_makes_no_signer(key: PrivateKey, bad: str) -> None:
    with pytest.raises(ValueError, match="not a DNS name"):
        signer(key, sdid=bad)
    with pytest.raises(ValueError, match="not a DNS name"):
        signer(key, selector=bad)


def test_a_signer_does_not_show_what_signs(key: PrivateKey) -> None:
    assert "sign_digest" not in repr(signer(key))


@pytest.mark.parametrize("body", list(Canonicalization))
def test_an_octet_that_one_verifier_takes_for_a_blank_is_signed_simple(
    key: PrivateKey, body: Canonicalization
) -> None:
    raw = "From: a@example.com\r\nSubject: voilà  !\r\nX-A: b\r\n\r\nà\r\n".encode()
    field = sign(parse_message(raw), [signer(key)], AT, options=SignOptions(body=body))
    assert tags(field)["c"] == f"simple/{body}"
    assert results(field + raw, key) == [Result.PASS]
    unsigned_only = raw.replace("à  !".encode(), b"a").replace(b"X-A: b", "X-A: à".encode())
    field = sign(parse_message(unsigned_only), [signer(key)], AT, options=SignOptions(body=body))
    assert tags(field)["c"] == f"relaxed/{body}"


def test_no_key_answers_do_not_pass(message: Message, key: PrivateKey) -> None:
    signed = parse_message(sign(message, [signer(key)], AT) + message.raw)
    assert [each.result for each in verify(signed, lambda _: NoKey.UNAVAILABLE)] == [Result.TEMPERROR]
    assert [each.result for each in verify(signed, lambda _: NoKey.NOT_FOUND)] == [Result.PERMERROR]
