"""Addresses, and who has a port that cannot be had: loopback sockets of this very process."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from mailseal.app.ports import (
    bind_stream,
    format_address,
    is_loopback,
    parse_address,
    refused,
    who_has,
)
from mailseal.config import SetupError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:53", ("127.0.0.1", 53)),
        ("[2001:db8::10]:53", ("2001:db8::10", 53)),
        ("[::]:0", ("::", 0)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
    ],
)
def test_an_address_is_read_as_it_is_written(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, key="[dns] listen") == address
    assert format_address(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "53", ":53", "localhost:53", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:53",
     "[127.0.0.1]:53", "127.0.0.1:٥٣"],
)  # fmt: skip
def test_what_is_not_an_address_and_a_port_is_refused_with_its_key(text: str) -> None:
    with pytest.raises(SetupError, match=r"\[dns\] listen"):
        parse_address(text, key="[dns] listen")


def test_only_this_machine_reaches_loopback() -> None:
    assert is_loopback(("127.9.9.9", 1))
    assert is_loopback(("::1", 1))
    assert not is_loopback(("0.0.0.0", 1))
    assert not is_loopback(("::", 1))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_program_that_has_a_port_is_named(host: str, kind: socket.SocketKind) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as holder:
        holder.bind((host, 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        found = who_has((host, port))
        assert found is not None
        assert found[0] == host
        assert f"(process {os.getpid()})" in found[1]
    assert who_has((host, port)) is None


def test_every_address_is_taken_where_one_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        told = refused(("0.0.0.0", port), OSError(errno.EADDRINUSE, "in use"), key="[dns] listen")
    assert told.what.startswith(f"port {port} of 127.0.0.1 is taken by ")
    assert told.why == "0.0.0.0 means every address, also that one"
    assert told.do.endswith(f'[dns] listen = ["192.0.2.10:{port}"]')


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "may not be taken by this user"),
        (errno.EADDRNOTAVAIL, "is not an address of this machine"),
        (errno.EMFILE, "cannot be listened on"),
    ],
)
def test_each_reason_has_its_words(number: int, words: str) -> None:
    assert words in refused(("192.0.2.1", 53), OSError(number, "reason"), key="[dns] listen").what


def test_a_socket_for_ipv6_leaves_ipv4_to_others() -> None:
    first = bind_stream(("::", 0), key="[api] listen")
    port = first.getsockname()[1]
    second = bind_stream(("0.0.0.0", port), key="[api] listen")
    with first, second, pytest.raises(SetupError, match="is taken by"):
        bind_stream(("::", port), key="[api] listen")
