"""The milter's packets: cut anywhere they are the same; what is none is refused by one exception."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailseal.milter import wire
from mailseal.milter.conversation import Conversation
from mailseal.milter.wire import Offer, Packets, Step, WireError
from tests.unit.milter.mta import LOOPBACK, letter_packets, macros, offer, packet

STREAM = offer() + macros(b"M", i="1") + packet(b"C", LOOPBACK) + letter_packets(b"From: a\r\n\r\nx\r\n")


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_packets_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    packets = Packets()
    found = [one for start, end in pairwise(places) for one in packets.feed(STREAM[start:end])]
    assert found == Packets().feed(STREAM)
    assert len(found) == 7


@pytest.mark.parametrize("length", [0, wire.MOST_PACKET_BYTES + 1, 0xFFFFFFFF])
def test_a_length_that_no_packet_has_ends_the_talk_before_it_is_waited_for(length: int) -> None:
    with pytest.raises(WireError):
        Packets().feed(struct.pack(">I", length))


def test_of_what_the_mta_offers_only_what_helps_is_agreed_on() -> None:
    agreed = wire.agreed(Offer(6, 0x1FF, 0x1FFFFF))
    assert agreed == Offer(6, 0x01, int(wire.WANTED))
    few = wire.agreed(Offer(6, 0x01, int(Step.LEADING_SPACE | Step.NO_HELO)))
    assert few.steps == int(Step.LEADING_SPACE | Step.NO_HELO)


@pytest.mark.parametrize(
    "bad",
    [Offer(2, 0x3F, 0x7F), Offer(5, 0x1FF, 0x1FFFFF), Offer(6, 0x1FF, 0xFFFFF), Offer(6, 0x1FE, 0x1FFFFF)],
)
def test_an_mta_that_would_make_signatures_fail_is_not_served(bad: Offer) -> None:
    with pytest.raises(WireError):
        wire.agreed(bad)


@pytest.mark.parametrize(
    ("content", "client"),
    [
        (LOOPBACK, "127.0.0.1"),
        (b"h\0" + b"6" + b"\0\x19" + b"2001:db8::1\0", "2001:db8::1"),
        (b"h\0" + b"6" + b"\0\x19" + b"IPv6:2001:db8::1\0", "2001:db8::1"),
        (b"localhost\0" + b"L" + b"\0\0" + b"/run/x\0", "local"),
        (b"unknown\0" + b"U", ""),
    ],
)
def test_the_client_is_read_in_every_family(content: bytes, client: str) -> None:
    assert wire.parse_client(content) == client


@pytest.mark.parametrize("content", [b"", b"h", b"h\0", b"h\0" + b"9\0\0x\0", b"h\0" + b"4", b"h\0" + b"4\0"])
def test_a_client_that_is_cut_off_is_none(content: bytes) -> None:
    with pytest.raises(WireError):
        wire.parse_client(content)


def test_macros_lose_their_braces() -> None:
    content = b"M{auth_authen}\0me\0i\0004XYZ\0"
    assert wire.parse_macros(content) == (b"M", {"auth_authen": "me", "i": "4XYZ"})


@pytest.mark.parametrize("content", [b"", b"Mi", b"Mi\0", b"Mi\0x", b"Mi\0x\0j\0"])
def test_macros_that_are_cut_off_are_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        wire.parse_macros(content)


@pytest.mark.parametrize("content", [b"", b"From", b"From\0", b"\0x\0", b"From\0x", b"From\0x\0y\0"])
def test_a_field_that_is_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        wire.parse_header(content)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=40)), max_size=12), st.booleans()
)
def test_whatever_an_mta_says_is_heard_or_refused_by_one_exception(
    said: list[tuple[bytes, bytes]], negotiated: bool
) -> None:
    conversation = Conversation()
    if negotiated:
        conversation.hear(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF))
    try:
        for letter, content in said:
            conversation.hear(letter, content)
    except WireError:
        return
