"""Generated messages: everything that `parse_message` lets through and that a mail program might send.

Rule: each message has exactly one From and ends in CRLF, so it can be signed; nothing else about it is tame.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

_OVERLONG = re.compile(rb"[^\r\n]{999,}")

WORDS = st.sampled_from(
    (
        b"hello", b"a", b"=?UTF-8?B?w6k=?=", b"=?utf-8?q?=C3=A9_x?=", b"\xc3\xa9l\xc3\xa8ve",
        b"\xf0\x9f\x98\x80",
        b"\xe9", b"\xff\xfe", b"1;b=2", b"v=1;", b"b=", b":", b";", b'"q \\" q"', b"(c)", b"<x@y>",
        b",", b"=",
        b"x" * 70, b"y" * 300, b"\x01", b"\x7f", b"\x1b[0m", b"\xc2\xa0", b"\xe2\x80\xa8", b"--",
        b".", b"From",
        b"DKIM-Signature:", b"'", b"%s", b"\\", b"\x85", b"\x1c", b"\xa0",
    )
)  # fmt: skip
BLANKS = st.sampled_from((b" ", b"  ", b"\t", b" \t ", b"   ", b"\t\t"))
FOLDS = st.sampled_from((b"\r\n ", b"\r\n\t", b" \r\n ", b"\t\r\n \t", b"  \r\n    "))
SENDERS = st.sampled_from(
    (
        b" Alice <alice@example.com>", b"alice@example.com", b" alice@example.com ",
        b"\t<alice@example.com>",
        b'\r\n "Alice, A." <alice@example.com>', b" =?UTF-8?Q?=C3=89lise?=\r\n\t<alice@example.com>",
        b" \xc3\x89lise  <alice@example.com> (a  comment)",
    )
)  # fmt: skip
NAMES = st.sampled_from(
    (
        b"To", b"Cc", b"Subject", b"Date", b"Reply-To", b"Message-ID", b"MIME-Version", b"Content-Type",
        b"Content-Transfer-Encoding", b"In-Reply-To", b"References", b"List-Unsubscribe",
        b"List-Unsubscribe-Post",
        b"List-Help", b"Received", b"X-Mailer", b"X-A", b"Return-Path", b"Sender", b"Comments",
        b"Resent-From",
    )
)  # fmt: skip


@st.composite
def header_values(draw: st.DrawFn) -> bytes:
    """What follows the colon: words, blanks and folds, none of the folds followed by blanks alone."""
    pieces = [draw(st.sampled_from((b" ", b"", b"\t", b"  ", b"\r\n ")))]
    for word in draw(st.lists(WORDS, max_size=8)):
        pieces += [word, draw(st.one_of(BLANKS, FOLDS))]
    value = b"".join(pieces)
    return re.sub(rb"(\r\n[ \t]+)+\Z", b"", value) + draw(st.sampled_from((b"", b" ", b" \t")))


@st.composite
def field_names(draw: st.DrawFn) -> bytes:
    """A known name in some case."""
    name = draw(NAMES)
    return draw(st.sampled_from((name, name.lower(), name.upper(), name.swapcase())))


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A header with one From, now and then of hundreds of fields."""
    few = st.lists(st.tuples(field_names(), header_values()), max_size=12)
    fields = [name + b":" + value for name, value in draw(few)]
    if draw(st.integers(0, 19)) == 0:
        fields += [b"X-Many-%d: %d" % (number, number) for number in range(draw(st.integers(100, 600)))]
    sender = draw(st.sampled_from((b"From:", b"from:", b"FROM:"))) + draw(SENDERS)
    fields.insert(draw(st.integers(0, len(fields))), sender)
    return b"".join(field + b"\r\n" for field in fields)


LINES = st.one_of(
    st.sampled_from(
        (
            b"", b"", b" ", b"\t", b" \t ", b".", b"..", b"From x", b"a", b"a ", b" a", b"a  b",
            b"a\tb", b"-- ",
            b"x" * 998, b"y " * 499, b"=20", b"\xc3\xa9", b"\xff", b"\x1a", b"a\x0bb", b"\x0c",
            b"\x0c ", b"a \x0b",
            b"\xa0", b"\x85 ", b"\xe2\x80\xa8", b"\x1c ", b"a" + b" " * 900, b"--=_boundary",
            b"begin 644 x",
        )
    ),
    st.binary(max_size=60).map(lambda octets: octets.translate(None, b"\r\n\0")),
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Lines of every kind, the last one ended; empty now and then."""
    lines = draw(st.lists(LINES, max_size=12))
    if draw(st.integers(0, 29)) == 0:
        lines = lines * draw(st.integers(2, 300))
    return b"".join(line + b"\r\n" for line in lines)


def messages() -> st.SearchStrategy[bytes]:
    """Whole messages that can be signed."""
    whole = st.builds(lambda header, body: header + b"\r\n" + body, headers(), bodies())
    return whole.filter(lambda raw: _OVERLONG.search(raw) is None)
