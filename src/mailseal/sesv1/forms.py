"""The form of AWS's query protocol: pairs of names and values, and the tree that dotted names make of them.

Rule: pure; what can be read in two ways is refused: a name given twice, a name that is both a value and a
branch, broken escapes, octets that are not UTF-8. How many pairs there are is settled before any is read.
References: AWS query protocol as botocore writes it; the form encoding of HTML (WHATWG URL Standard,
application/x-www-form-urlencoded).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from mailseal.sesv1.errors import MalformedInput, MalformedQueryString
from mailseal.sesv2.members import Blob, Choice, Flag, ListOf, Shape, Structure, Text, Whole

MOST_PAIRS = 1000
LONGEST_NAME = 256
"""Of a name, its escapes counted as they were sent."""
DEEPEST = 8

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PLACE = re.compile(r"[1-9][0-9]{0,5}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,10}\Z")

Tree = dict[str, "Tree | str"]


def parse_form(*encoded: bytes) -> dict[str, str]:
    """The pairs of a query and of a body, decoded once; raises MalformedQueryString."""
    if sum(part.count(b"&") + 1 for part in encoded) > MOST_PAIRS:
        raise MalformedQueryString(f"The request has more than {MOST_PAIRS} parameters.")
    found: dict[str, str] = {}
    for part in encoded:
        for pair in part.split(b"&"):
            raw_name, _, raw_value = pair.partition(b"=")
            if not raw_name:
                continue
            if len(raw_name) > LONGEST_NAME:
                raise MalformedQueryString(f"A parameter's name is longer than {LONGEST_NAME} octets.")
            name = _decoded(raw_name)
            if name in found:
                raise MalformedQueryString("A parameter was given twice.")
            found[name] = _decoded(raw_value)
    return found


def _decoded(raw: bytes) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise MalformedQueryString("A parameter holds a broken percent escape.")
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedQueryString("A parameter is not percent-encoded UTF-8.") from None


def parse_tree(pairs: Mapping[str, str]) -> Tree:
    """What dotted names make of the pairs; raises MalformedQueryString.

    >>> parse_tree({"Action": "ListIdentities", "A.B.member.1": "x"})
    {'Action': 'ListIdentities', 'A': {'B': {'member': {'1': 'x'}}}}
    """
    root: Tree = {}
    for name, value in pairs.items():
        *branches, leaf = name.split(".", DEEPEST)
        if "." in leaf or not leaf or "" in branches:
            raise MalformedQueryString("A parameter's name has an empty part or too many parts.")
        node = root
        for branch in branches:
            inner = node.setdefault(branch, {})
            if isinstance(inner, str):
                raise MalformedQueryString("A parameter is given as a value and as a structure.")
            node = inner
        if leaf in node:
            raise MalformedQueryString("A parameter is given as a value and as a structure.")
        node[leaf] = value
    return root


def shaped(shape: Shape, node: Tree | str) -> Any:
    """The node as the JSON value that `sesv2.members` checks; raises MalformedInput for the wrong kind."""
    match shape:
        case Structure(members=members):
            parts = _branches(node)
            return {m.name: shaped(m.shape, parts[m.name]) for m in members if m.name in parts}
        case ListOf(element=element):
            return [shaped(element, inner) for inner in _in_order(_branches(node))]
        case Text() | Choice() | Flag() | Blob() | Whole() if not isinstance(node, str):
            raise MalformedInput("A structure or list was found where a value was expected.")
        case Whole():
            return _whole(str(node))
    return node


def _branches(node: Tree | str) -> Tree:
    """The parts of a structure or list; an empty one is written as an empty value."""
    if node == "":
        return {}
    if isinstance(node, str):
        raise MalformedInput("A value was found where a structure or list was expected.")
    return node


def _in_order(branches: Tree) -> list[Tree | str]:
    """The elements of a list, which are numbered from 1 and may leave numbers out."""
    if not branches:
        return []
    elements = branches.get("member")
    if len(branches) > 1 or not isinstance(elements, dict):
        raise MalformedInput("A list is written as NAME.member.1, NAME.member.2 and so on.")
    if not all(_PLACE.match(place) for place in elements):
        raise MalformedInput("The elements of a list are numbered from 1.")
    return [elements[place] for place in sorted(elements, key=int)]


def _whole(text: str) -> int:
    if not _NUMBER.match(text):
        raise MalformedInput("A value is not a whole number.")
    return int(text)
