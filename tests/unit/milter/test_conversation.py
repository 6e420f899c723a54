"""What an MTA says of one letter is never taken for another's, and a letter's bytes are those it sends on."""

from __future__ import annotations

import struct

import pytest

from mailseal.milter.conversation import MOST_LETTER_BYTES, Conversation, Letter, Say
from mailseal.milter.wire import CONTINUE, WANTED, Packets, Step, WireError
from tests.unit.milter.mta import ALL_STEPS, LOOPBACK, OUTSIDE, letter_packets, macros, packet

RAW = b"From: a@example.com\r\nSubject:no blank\r\nX:\r\n\tfolded\r\n\r\nhello\r\n.\r\n"
MAIL = packet(b"M", b"<a@example.com>\0")
CLIENT = packet(b"C", LOOPBACK)


def agreed(steps: int = ALL_STEPS, most_bytes: int = MOST_LETTER_BYTES) -> Conversation:
    found = Conversation(most_bytes)
    found.hear(b"O", struct.pack(">III", 6, 0x1FF, steps))
    return found


def letters(talk: Conversation, *packets: bytes) -> list[Letter]:
    """The letters that became whole in what was said."""
    found = []
    for letter, content in Packets().feed(b"".join(packets)):
        if talk.hear(letter, content)[1] is Say.LETTER:
            found.append(talk.take_letter())
    return found


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 65535])
def test_a_letter_has_the_bytes_that_the_mta_sends_on_however_its_body_is_cut(chunk: int) -> None:
    [letter] = letters(agreed(), CLIENT, macros(b"M", i="4X"), MAIL, letter_packets(RAW, chunk=chunk))
    assert letter == Letter("127.0.0.1", "", "4X", RAW)


def test_a_body_that_comes_with_the_last_packet_counts() -> None:
    [letter] = letters(agreed(), MAIL, packet(b"L", b"From\0 a\0"), packet(b"N"), packet(b"E", b"x\r\n"))
    assert letter.raw == b"From: a\r\n\r\nx\r\n"


def test_a_login_counts_for_its_own_letter_alone() -> None:
    talk = agreed()
    said = letter_packets(RAW)
    found = letters(
        talk, CLIENT, macros(b"M", auth_authen="me"), MAIL, said, MAIL, said, macros(b"M", i="2"), MAIL, said
    )
    assert [letter.login for letter in found] == ["me", "", ""]
    assert [letter.queue_id for letter in found] == ["", "", "2"]


@pytest.mark.parametrize("end", [packet(b"A"), b""])
def test_a_login_of_a_letter_that_was_given_up_is_forgotten(end: bytes) -> None:
    [letter] = letters(agreed(), CLIENT, macros(b"M", auth_authen="me"), MAIL, end, MAIL, letter_packets(RAW))
    assert letter.login == ""


def test_only_the_macros_of_mail_name_a_login() -> None:
    others = [macros(command, auth_authen="me") for command in (b"C", b"H", b"R", b"E")]
    [letter] = letters(agreed(), *others, CLIENT, MAIL, letter_packets(RAW))
    assert letter.login == ""


def test_the_client_of_the_connection_before_is_forgotten() -> None:
    talk = agreed()
    said = letter_packets(RAW)
    found = letters(talk, CLIENT, MAIL, said, packet(b"K"), MAIL, said, packet(b"C", OUTSIDE), MAIL, said)
    assert [letter.client for letter in found] == ["127.0.0.1", "", "192.0.2.7"]


def test_fields_of_a_letter_that_was_given_up_are_not_in_the_next_one() -> None:
    begun = packet(b"L", b"From\0 x@example.org\0") + packet(b"N") + packet(b"B", b"half")
    found = letters(
        agreed(), MAIL, begun, packet(b"A"), MAIL, letter_packets(RAW), MAIL, begun, MAIL, letter_packets(RAW)
    )
    assert [letter.raw for letter in found] == [RAW, RAW]


def test_an_mta_that_waits_for_replies_gets_one_for_each_command_and_none_for_the_others() -> None:
    talk = agreed(int(Step.LEADING_SPACE))
    awaited = [
        (b"C", LOOPBACK),
        (b"H", b"h\0"),
        (b"M", b"<>\0"),
        (b"R", b"<>\0"),
        (b"T", b""),
        (b"U", b"x\0"),
    ]
    awaited += [(b"L", b"From\0 a\0"), (b"N", b""), (b"B", b"x")]
    assert [talk.hear(*one) for one in awaited] == [(CONTINUE, Say.NOTHING)] * len(awaited)
    unawaited = [(b"D", b"M"), (b"A", b""), (b"K", b"")]
    assert [talk.hear(*one) for one in unawaited] == [(b"", Say.NOTHING)] * 3
    quick = agreed(int(WANTED))
    assert [quick.hear(*one)[0] for one in awaited if one[0] in b"CMLNB"] == [b""] * 5


def test_a_letter_that_is_too_large_is_whole_without_its_bytes_and_the_next_one_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = agreed(most_bytes=1000)
    large, many = RAW + b"x" * 1000, b"X:\r\n" * 20 + RAW
    found = letters(
        talk, MAIL, letter_packets(large, chunk=300), MAIL, letter_packets(many), MAIL, letter_packets(RAW)
    )
    assert [letter.raw for letter in found] == [None, None, RAW]
    assert talk.size == 0


def test_nothing_is_heard_before_the_negotiation() -> None:
    for letter in b"ABCDEHKLMNQRTU":
        with pytest.raises(WireError):
            Conversation().hear(bytes((letter,)), b"")
