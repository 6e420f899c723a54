"""The cache of answers: never stale, never large, never wrong about whom it answers."""

from __future__ import annotations

import dns.message

from mailseal.nameserver.answer import answer
from mailseal.nameserver.cache import CachedAnswers
from tests.unit.nameserver.zones import APEX, written_zone


def query(name: str, identity: int = 1) -> bytes:
    message = dns.message.make_query(name, "TXT", use_edns=0)
    message.id = identity
    return message.to_wire()


def test_a_repeated_query_is_answered_from_memory_under_its_own_id() -> None:
    zone, source = written_zone()
    answers = CachedAnswers([zone], source.generation)
    answers.refresh()
    first = answers.for_datagram(query(f"tokenwithkey.{APEX}", 1))
    second = answers.for_datagram(query(f"tokenwithkey.{APEX}", 2))
    assert first is not None
    assert second == b"\0\2" + first[2:]
    assert len(source.looked_up) == 1


def test_a_changed_record_is_answered_after_the_next_refresh() -> None:
    zone, source = written_zone()
    answers = CachedAnswers([zone], source.generation)
    asked = query(f"tokenwithkey.{APEX}")
    answers.refresh()
    before = answers.for_datagram(asked)
    source.put("tokenwithkey", b"p=other")
    answers.refresh()
    after = answers.for_datagram(asked)
    assert after != before
    assert after == answer(asked, [zone], over_tcp=False)


def test_a_name_that_appears_is_answered_even_if_it_was_just_absent() -> None:
    zone, source = written_zone()
    answers = CachedAnswers([zone], source.generation)
    answers.refresh()
    absent = answers.for_datagram(query(f"new.{APEX}"))
    source.put("new", b"p=new")
    answers.refresh()
    assert answers.for_datagram(query(f"new.{APEX}")) != absent


def test_the_memory_stays_bounded_whatever_is_asked() -> None:
    zone, source = written_zone()
    for number in range(50):
        source.put(f"name{number}", b"p=x")
    answers = CachedAnswers([zone], source.generation, at_most=10)
    answers.refresh()
    for number in range(50):
        answers.for_datagram(query(f"name{number}.{APEX}"))
        answers.for_datagram(query(f"absent{number}.{APEX}"))
    assert len(answers._tails) == len(answers._in_order) == 10


def test_a_padded_query_is_answered_and_not_kept() -> None:
    zone, source = written_zone()
    answers = CachedAnswers([zone], source.generation)
    answers.refresh()
    padded = dns.message.make_query(f"blank.{APEX}", "TXT", use_edns=0, pad=468).to_wire()
    response = answers.for_datagram(padded)
    assert response is not None
    assert dns.message.from_wire(response).answer
    assert not answers._tails


def test_truncated_answers_are_for_datagrams_only() -> None:
    zone, source = written_zone()
    answers = CachedAnswers([zone], source.generation)
    answers.refresh()
    asked = query(f"huge.{APEX}")
    datagram = answers.for_datagram(asked)
    stream = answers.for_stream(asked)
    assert datagram is not None
    assert stream is not None
    assert datagram[2] & 0x02
    assert not stream[2] & 0x02
