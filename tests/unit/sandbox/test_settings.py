"""Durations, ports, and the word that a running sandbox leaves."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from mailseal.sandbox.settings import DurationError, Place, Ports, parse_duration, read_place, write_place


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("5s", 5), ("250ms", 0.25), ("1h30m", 5400), ("72h", 259200), ("8d", 691200), ("1.5m", 90)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 s", "5s ", "5w", "1h,5m", "٥s", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


def test_the_fixed_ports_are_those_of_the_documents() -> None:
    assert Ports.from_base(7000) == Ports(7080, 7053, 7054)


def test_free_ports_are_three_and_can_be_taken_by_tcp_and_udp() -> None:
    ports = Ports.free()
    assert len({ports.api, ports.our_dns, ports.customers_dns}) == 3
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", ports.our_dns))


def test_a_place_that_was_written_is_read_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    place = Place(12, "http://127.0.0.1:7080", "127.0.0.1:7053", "127.0.0.1:7054", "mailbox")
    write_place(path, place)
    assert read_place(path) == place
    path.write_text('{"pid": 12}')
    assert read_place(path) is None
    path.unlink()
    assert read_place(path) is None
