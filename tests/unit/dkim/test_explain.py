"""What was done to a signed message: each known transformation is named, and none where none was done."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailseal.dkim.canonicalization import Canonicalization
from mailseal.dkim.changes import ChangeKind as Kind
from mailseal.dkim.explain import Explanation, Part, explain
from mailseal.dkim.keyrecord import format_key_record
from mailseal.dkim.keys import PrivateKey
from mailseal.dkim.message import parse_message
from mailseal.dkim.sign import Signer, SignOptions, sign
from mailseal.dkim.verify import KeyFound, Result, verify

AT = 1_700_000_000
LETTER = (
    b"From: Alice <alice@example.com>\r\n"
    b"To: bob@example.org,\r\n carol@example.org\r\n"
    b"Subject: minutes of the meeting\r\n"
    b"Date: Mon, 23 Nov 2026 14:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"\r\n"
    b"Hello Bob,\r\n\r\nFrom here on it is Gr\xc3\xbc\xc3\x9fe.\r\n\tindented\r\n..dots\r\n-- \r\nAlice\r\n"
)
PARTS = (
    b"From: Alice <alice@example.com>\r\nSubject: two parts\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe = 1\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"<p>Gr\xc3\xbc\xc3\x9fe</p>\r\n--b--\r\n"
)
RELAXED, SIMPLE = Canonicalization.RELAXED, Canonicalization.SIMPLE
FOOTER = b"\r\n-- \r\nlist mailing list\r\nhttps://list.example/\r\n"


def signed(raw: bytes, key: PrivateKey, how: str = "relaxed/simple") -> bytes:
    header, _, body = how.partition("/")
    options = SignOptions(Canonicalization(header), Canonicalization(body))
    signer = Signer("example.com", "s1", key.sign_digest, key.bits // 8)
    return sign(parse_message(raw), [signer], AT, options=options) + raw


def explained(raw: bytes, key: PrivateKey) -> Explanation:
    message = parse_message(raw)
    header = next(each for each in message.fields if each.name.lower() == b"dkim-signature")
    found = explain(message, header, (format_key_record(key.spki),))
    assert found is not None
    return found


def quoted_printable(text: bytes) -> bytes:
    """As an MTA encodes for a hop without 8BITMIME."""
    lines = [binascii.b2a_qp(line, istext=True) for line in text.split(b"\r\n")]
    return b"\r\n".join(lines)


def in_base64(text: bytes) -> bytes:
    return base64.encodebytes(text).replace(b"\n", b"\r\n")


def body_of(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        head, _, body = raw.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + change(body)

    return changed


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new, 1)

    return changed


def headers_only(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The change done to every field but the signature."""

    def changed(raw: bytes) -> bytes:
        at = raw.index(b"From: ")
        end = raw.index(b"\r\n\r\n")
        return raw[:at] + change(raw[at:end]) + raw[end:]

    return changed


BODY = {
    "a footer": (body_of(lambda b: b + FOOTER), "relaxed/simple", Kind.APPENDED),
    "a footer, relaxed": (body_of(lambda b: b + FOOTER), "relaxed/relaxed", Kind.APPENDED),
    "a footer behind empty lines": (
        body_of(lambda b: b + b"\r\n\r\n" + FOOTER),
        "simple/simple",
        Kind.APPENDED,
    ),
    "a banner": (body_of(lambda b: b"[External mail]\r\n" + b), "relaxed/simple", Kind.PREPENDED),
    "a line between": (replaced(b"\tindented", b"advert\r\n\tindented"), "relaxed/relaxed", Kind.INSERTED),
    "an empty line lost": (replaced(b"Bob,\r\n\r\n", b"Bob,\r\n"), "relaxed/simple", Kind.EMPTY_LINE_LOST),
    "the blank behind two dashes": (replaced(b"-- \r", b"--\r"), "relaxed/simple", Kind.TRAILING_BLANKS),
    "From escaped": (replaced(b"\nFrom here", b"\n>From here"), "relaxed/relaxed", Kind.FROM_ESCAPED),
    "dots doubled": (replaced(b"\n..dots", b"\n...dots"), "relaxed/relaxed", Kind.DOTS_DOUBLED),
    "a tab expanded": (replaced(b"\tindented", b"        indented"), "relaxed/simple", Kind.TABS),
    "a letter": (replaced(b"Hello", b"hello"), "relaxed/simple", Kind.ONE_OCTET),
    "a letter more": (replaced(b"Hello", b"Helllo"), "relaxed/relaxed", Kind.ONE_OCTET),
    "a letter less": (replaced(b"Hello", b"Helo"), "relaxed/relaxed", Kind.ONE_OCTET),
    "quoted-printable": (
        lambda raw: body_of(quoted_printable)(replaced(b" 8bit", b" quoted-printable")(raw)),
        "relaxed/simple",
        Kind.TRANSFER_ENCODED,
    ),
    "base64": (
        lambda raw: body_of(in_base64)(replaced(b" 8bit", b" base64")(raw)),
        "relaxed/relaxed",
        Kind.TRANSFER_ENCODED,
    ),
    "another charset": (
        body_of(lambda b: b.decode().encode("iso-8859-1")),
        "relaxed/simple",
        Kind.CHARSET_CHANGED,
    ),
}
HEADER = {
    "a subject prefix": (replaced(b"Subject: ", b"Subject: [list] "), "relaxed/simple", Kind.PREFIX_ADDED),
    "a longer prefix": (
        replaced(b"Subject: ", b"Subject: *** SPAM *** "),
        "simple/simple",
        Kind.PREFIX_ADDED,
    ),
    "a prefix without blank": (replaced(b"Subject: ", b"Subject: Re:"), "relaxed/simple", Kind.PREFIX_ADDED),
    "a subject suffix": (replaced(b"meeting", b"meeting (fwd)"), "relaxed/simple", Kind.SUFFIX_ADDED),
    "a Reply-To": (
        replaced(b"From: A", b"Reply-To: list@x.example\r\nFrom: A"),
        "relaxed/simple",
        Kind.FIELD_ADDED,
    ),
    "a second Subject": (
        replaced(b"From: A", b"Subject: free\r\nFrom: A"),
        "relaxed/simple",
        Kind.FIELD_ADDED,
    ),
    "MIME-Version removed": (replaced(b"MIME-Version: 1.0\r\n", b""), "relaxed/simple", Kind.FIELD_REMOVED),
    "another From, the old one kept": (
        replaced(b"From: A", b"From: Alice via list <l@x.example>\r\nX-Original-From: A"),
        "relaxed/simple",
        Kind.FIELD_REPLACED,
    ),
    "the encoding of the body": (replaced(b": 8bit", b": 7bit"), "relaxed/simple", Kind.REWRITTEN),
    "quoted parameters": (replaced(b"=utf-8", b'="utf-8"'), "relaxed/simple", Kind.REWRITTEN),
    "one letter": (replaced(b"minutes", b"Minutes"), "relaxed/simple", Kind.REWRITTEN),
    "one letter in the middle": (replaced(b"minutes", b"minuted"), "relaxed/simple", Kind.ONE_OCTET),
    "a field unfolded": (replaced(b",\r\n carol", b", carol"), "simple/simple", Kind.REWRAPPED),
    "a field folded with a tab": (replaced(b",\r\n carol", b",\r\n\tcarol"), "simple/simple", Kind.REWRAPPED),
    "all fields folded with a blank": (
        lambda raw: (
            raw.partition(b"\r\nFrom: ")[0].replace(b"\r\n\t", b"\r\n ")
            + b"\r\nFrom: "
            + raw.partition(b"\r\nFrom: ")[2]
        ),
        "simple/simple",
        Kind.REWRAPPED,
    ),
    "no blank behind colons": (
        headers_only(lambda h: re.sub(rb"(?m)^([A-Za-z-]+): ", rb"\1:", h)),
        "simple/simple",
        Kind.BLANKS_CHANGED,
    ),
    "a name spelled otherwise": (
        replaced(b"\nMessage-ID", b"\nMessage-Id"),
        "simple/simple",
        Kind.NAME_SPELLED,
    ),
}


@pytest.mark.parametrize("name", BODY)
def test_what_was_done_to_a_body_is_named_and_undoes_it(name: str, key: PrivateKey) -> None:
    change, how, kind = BODY[name]
    before = signed(LETTER, key, how)
    after = change(before)
    assert after != before
    found = explained(after, key)
    assert (found.body, [each.kind for each in found.body_changes]) == (Part.CHANGED, [kind])


@pytest.mark.parametrize("name", HEADER)
def test_what_was_done_to_a_header_is_named(name: str, key: PrivateKey) -> None:
    change, how, kind = HEADER[name]
    before = signed(LETTER, key, how)
    after = change(before)
    assert after != before
    found = explained(after, key)
    assert (found.body, found.body_changes) == (Part.INTACT, ())
    assert (found.header, [each.kind for each in found.header_changes]) == (Part.CHANGED, [kind])


def test_a_footer_is_measured_to_the_octet(key: PrivateKey) -> None:
    (change,) = explained(signed(LETTER, key) + FOOTER, key).body_changes
    assert change.octets == len(FOOTER)
    assert change.undone == f"the last {len(FOOTER)} octets of the body (4 lines) are taken away"


def test_a_mailing_list_is_seen_through(key: PrivateKey) -> None:
    raw = signed(LETTER, key).replace(b"Subject: ", b"Subject: [list] ", 1)
    found = explained(raw.replace(b"\r\nTo: ", b"\r\nReply-To: list@x.example\r\nTo: ", 1) + FOOTER, key)
    assert [each.kind for each in found.body_changes] == [Kind.APPENDED]
    assert {each.kind for each in found.header_changes} == {Kind.PREFIX_ADDED, Kind.FIELD_ADDED}
    assert {each.field for each in found.header_changes} == {"Subject", "Reply-To"}


def test_a_footer_inside_a_part_is_found(key: PrivateKey) -> None:
    raw = signed(PARTS, key).replace(b"= 1\r\n--b", b"= 1\r\n" + FOOTER + b"--b")
    (change,) = explained(raw, key).body_changes
    assert (change.kind, change.octets) == (Kind.INSERTED, len(FOOTER))


def test_parts_encoded_for_seven_bits_are_found_also_under_a_footer(key: PrivateKey) -> None:
    before = signed(PARTS, key)
    encoded = before.replace(b"8bit", b"quoted-printable").replace(b"= 1", b"=3D 1")
    encoded = encoded.replace(b"\xc3\xbc\xc3\x9f", b"=C3=BC=C3=9F")
    assert [each.kind for each in explained(encoded, key).body_changes] == [Kind.TRANSFER_ENCODED]
    both = explained(encoded + FOOTER, key).body_changes
    assert [each.kind for each in both] == [Kind.TRANSFER_ENCODED, Kind.APPENDED]


def test_a_long_line_that_was_cut_is_joined(key: PrivateKey) -> None:
    raw = LETTER + b"x" * 990 + b"\r\n"
    before = signed(raw, key)
    after = before.replace(b"x" * 990, b"x" * 950 + b"!\r\n " + b"x" * 40)
    assert [each.kind for each in explained(after, key).body_changes] == [Kind.LONG_LINES_BROKEN]


def test_blanks_put_at_the_end_of_every_line_are_found(key: PrivateKey) -> None:
    raw = b"From: a@example.com\r\n\r\none\r\ntwo\r\nthree\r\n"
    head, _, body = signed(raw, key).partition(b"\r\n\r\n")
    after = head + b"\r\n\r\n" + body.replace(b"\r\n", b" \r\n")
    assert [each.kind for each in explained(after, key).body_changes] == [Kind.TRAILING_BLANKS]


@pytest.mark.parametrize("how", ["relaxed/simple", "relaxed/relaxed", "simple/simple", "simple/relaxed"])
def test_nothing_is_invented_for_a_message_that_passes(how: str, key: PrivateKey) -> None:
    assert explained(signed(LETTER, key, how), key) == Explanation(Part.INTACT, Part.INTACT)


def test_changes_that_do_not_count_are_not_named(key: PrivateKey) -> None:
    raw = signed(LETTER, key, "relaxed/relaxed").replace(b",\r\n carol", b", carol") + b"\r\n \r\n\r\n"
    found = explained(b"Received: from somewhere\r\n" + raw.replace(b"Bob,", b"Bob,  "), key)
    assert found == Explanation(Part.INTACT, Part.INTACT)


def test_nothing_is_invented_where_text_is_another_one(key: PrivateKey) -> None:
    raw = signed(LETTER, key).replace(b"Hello Bob", b"Dear Robert").replace(b"minutes", b"notes to file")
    found = explained(raw, key)
    assert found == Explanation(Part.CHANGED, Part.CHANGED)


def test_the_key_of_another_is_told_from_a_changed_header(key: PrivateKey, short_key: PrivateKey) -> None:
    raw = signed(LETTER, key)
    assert explained(raw, short_key).header is Part.OTHER_KEY
    message = parse_message(raw)
    header = message.fields[0]
    assert explain(message, header, ()) == Explanation(Part.NOT_CHECKED, Part.INTACT)
    assert explain(message, header, (b"p=",)) == Explanation(Part.NOT_CHECKED, Part.INTACT)
    assert explain(message, header, (b"k=rsa",)) == Explanation(Part.NOT_CHECKED, Part.INTACT)


def test_a_field_that_cannot_be_read_is_not_explained() -> None:
    message = parse_message(b"DKIM-Signature: v=2\r\nFrom: a@example.com\r\n\r\nx\r\n")
    assert explain(message, message.fields[0], ()) is None


def test_copies_in_z_tell_what_stood_there(key: PrivateKey) -> None:
    head = (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=s1;\r\n"
        b" h=From:Subject; z=From:a@example.com|Subject:=20the=20=7C=20first;\r\n bh="
    )
    raw = b"From: a@example.com\r\nSubject: the | first\r\n\r\nbody\r\n"
    hashed = base64.b64encode(hashlib.sha256(b"body\r\n").digest())
    unsigned = head + hashed + b"; b="
    canonical = b"from:a@example.com\r\nsubject:the | first\r\ndkim-signature:" + b" ".join(
        unsigned.partition(b":")[2].split()
    )
    digest = hashlib.sha256(canonical).digest()
    field = unsigned + base64.b64encode(key.sign_digest(digest)) + b"\r\n"
    (result,) = verify(parse_message(field + raw), lambda name: KeyFound((format_key_record(key.spki),)))
    assert result.result is Result.PASS
    (change,) = explained(field + raw.replace(b"the | first", b"something else"), key).header_changes
    assert (change.kind, change.field) == (Kind.FIELD_REPLACED, "Subject")
    assert '"the | first"' in change.undone
    (change,) = explained(field + raw.replace(b"Subject: the | first\r\n", b""), key).header_changes
    assert (change.kind, change.field) == (Kind.FIELD_REMOVED, "Subject")


def test_an_ed25519_signature_is_explained_too() -> None:
    private = Ed25519PrivateKey.generate()
    signer = Signer("example.com", "e1", private.sign, 64, "ed25519-sha256")
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = sign(parse_message(LETTER), [signer], AT) + LETTER
    record = format_key_record(spki)

    def found(changed: bytes) -> Explanation | None:
        message = parse_message(changed)
        return explain(message, message.fields[0], (record,))

    assert found(raw) == Explanation(Part.INTACT, Part.INTACT)
    listed = found(raw.replace(b"Subject: ", b"Subject: [list] "))
    assert listed is not None
    assert [each.kind for each in listed.header_changes] == [Kind.PREFIX_ADDED]
    other = found(raw.replace(b"minutes of", b"something else about"))
    assert other == Explanation(Part.NOT_KNOWN, Part.INTACT)


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" * 200_000,
        b"a\r\n" * 60_000,
        b"Content-Transfer-Encoding: base64\r\n" * 20_000,
        b" " * 900 + b"\r\n",
    ],
    ids=["empty lines", "short lines", "encodings", "blanks"],
)
def test_hostile_bodies_cost_bounded_work(body: bytes, key: PrivateKey) -> None:
    raw = signed(LETTER, key)
    began = time.process_time()
    assert explained(raw + b"x\r\n" + body + b"x\r\n", key).body is Part.CHANGED
    assert time.process_time() - began < 20
