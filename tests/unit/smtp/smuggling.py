"""Sequences that some server takes for the end of a message, and none of which is one."""

from __future__ import annotations

from itertools import product

_BEFORE = (b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\n\n", b"\r\n ")
_AFTER = (b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\n\n", b" \r\n")
SEQUENCES = tuple(
    before + b"." + after
    for before, after in product(_BEFORE, _AFTER)
    if b"\r\n.\r\n" not in before + b"." + after
)
HARMLESS = tuple(one for one in SEQUENCES if not set(one.replace(b"\r\n", b"")) & set(b"\r\n"))
"""Those in which CR and LF stand together only: content like any other."""
SECOND = (
    b"MAIL FROM:<hello@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
    b"From: hello@example.com\r\nSubject: smuggled\r\n\r\nsmuggled\r\n"
)
assert len(SEQUENCES) >= 40
