"""Tag=value lists, the grammar that the DKIM-Signature field and the key record share.

Rule: a list is read strictly or not at all; what a tag means is its owner's business.
References: RFC 6376 §3.2.
"""

import re

_BLANKS = b" \t\r\n"
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
_VALUE = re.compile(rb"[!-:<-~ \t\r\n]*\Z")
_FOLD = re.compile(rb"\r\n(?![ \t])|\r(?!\n)|(?<!\r)\n")


class TagListError(ValueError):
    """The bytes are not a tag=value list; `code` names the first reason."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def parse_tag_list(text: bytes) -> dict[str, bytes]:
    """The values by tag name, in the list's order, blanks around names and values taken away.

    Names keep their case, which matters. A tag that occurs twice makes the whole list invalid.
    """
    if not text.isascii():
        raise TagListError("not_ascii", "The list holds an octet that is not ASCII.")
    specs = text.split(b";")
    if not specs[-1].strip(_BLANKS):
        specs.pop()
    if not specs:
        raise TagListError("empty", "The list holds no tag.")
    tags: dict[str, bytes] = {}
    for spec in specs:
        name, value = _parse_tag(spec)
        if name in tags:
            raise TagListError("duplicate_tag", f"The tag {name}= occurs twice.")
        tags[name] = value
    return tags


def without_blanks(value: bytes) -> bytes:
    """The value without any blank or line end, as base64 and name lists are read."""
    return b"".join(value.split())


def _parse_tag(spec: bytes) -> tuple[str, bytes]:
    if not spec.strip(_BLANKS):
        raise TagListError("empty_tag", "Nothing stands between two semicolons.")
    name_part, equals, value_part = spec.partition(b"=")
    name_octets, value = name_part.strip(_BLANKS), value_part.strip(_BLANKS)
    if not equals or _NAME.match(name_octets) is None:
        raise TagListError("not_a_tag", "A part of the list is not of the form name=value.")
    name = name_octets.decode()
    if _VALUE.match(value) is None or _FOLD.search(value):
        raise TagListError("bad_octet", f"The value of {name}= holds a control character.")
    return name, value
