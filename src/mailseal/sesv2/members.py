"""The members of an operation's input, described in our own words and compiled into checks.

Rule: pure. A value of the wrong JSON type ends the request at once (SerializationFailed); broken constraints
are collected, all of them, and told in AWS's wording. No value is ever part of a text, so a private key
cannot be. JSON null is an absent member everywhere but in a Flag.
References: Smithy's constraint traits; the wording is the one seen from SES.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mailseal.core.errors import BadRequest
from mailseal.sesv2.errors import SerializationFailed

Hint = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Text:
    """A string. `hint` says what to do about a value that breaks `pattern`, without quoting it."""

    shortest: int = 0
    longest: int | None = None
    pattern: str | None = None
    hint: Hint | None = None
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A string out of a closed set, in the order in which AWS lists it."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean; absent is false, and the strings "true" and "false" are taken, as SES does."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A 32-bit integer."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes, base64 on the wire."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; null elements are dropped."""

    element: Shape
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map from a closed set of keys to strings; null values are dropped."""

    keys: Choice
    values: Text


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a structure."""

    name: str
    shape: Shape
    required: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """An object; members that are not described are ignored."""

    members: tuple[Member, ...]


Shape = Text | Choice | Flag | Whole | Blob | ListOf | MapOf | Structure


@dataclass(slots=True)
class Violations:
    """The constraints a request breaks, and what to do about them, as they are found."""

    texts: list[str]
    hints: list[str]

    def add(self, path: str, constraint: str, hint: str = "") -> None:
        """Note one broken constraint of the member at `path`."""
        self.texts.append(f"Value at '{path}' failed to satisfy constraint: {constraint}")
        if hint and hint not in self.hints:
            self.hints.append(hint)


Check = Callable[[Any, str, Violations], Any]
"""(value, its path, violations so far) to the value that a command takes."""


def parser(structure: Structure) -> Callable[[object], dict[str, Any]]:
    """The function that turns an input's JSON value into its members' values, or raises the refusal."""
    check = compiled(structure)

    def parse(value: object) -> dict[str, Any]:
        violations = Violations([], [])
        members: dict[str, Any] = check(value, "", violations)
        if violations.texts:
            count = len(violations.texts)
            found = "1 validation error detected" if count == 1 else f"{count} validation errors detected"
            raise BadRequest(f"{found}: {'; '.join(violations.texts)}", hint=" ".join(violations.hints))
        return members

    return parse


def compiled(shape: Shape) -> Check:
    """The check of a shape."""
    match shape:
        case Text():
            return _text(shape)
        case Choice():
            return _choice(shape)
        case Flag():
            return _flag
        case Whole():
            return _whole(shape)
        case Blob():
            return _blob
        case ListOf():
            return _list(shape)
        case MapOf():
            return _map(shape)
        case Structure():
            return _structure(shape)


def token(value: object) -> str:
    """AWS's word for a JSON scalar in a SerializationException."""
    if value is None:
        return "NULL_VALUE"
    if value is True:
        return "TRUE_VALUE"
    if value is False:
        return "FALSE_VALUE"
    return "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"


def _wrong(value: object, wanted: str) -> SerializationFailed:
    if isinstance(value, list):
        return SerializationFailed("Start of list found where not expected")
    if isinstance(value, dict):
        return SerializationFailed("Start of structure or map found where not expected.")
    return SerializationFailed(f"{token(value)} can not be converted to {wanted}")


def _text(shape: Text) -> Check:
    matches = re.compile(shape.pattern).fullmatch if shape.pattern else None
    shortest, longest = shape.shortest, shape.longest

    def check(value: Any, path: str, violations: Violations) -> str:
        if not isinstance(value, str):
            raise _wrong(value, "a String")
        if len(value) < shortest:
            violations.add(path, f"Member must have length greater than or equal to {shortest}")
        if longest is not None and len(value) > longest:
            violations.add(path, f"Member must have length less than or equal to {longest}")
        if matches is not None and matches(value) is None:
            constraint = f"Member must satisfy regular expression pattern: {shape.pattern}"
            violations.add(path, constraint, shape.hint(value) if shape.hint else "")
        return value

    return check


def _choice(shape: Choice) -> Check:
    values = frozenset(shape.values)
    constraint = f"Member must satisfy enum value set: [{', '.join(shape.values)}]"

    def check(value: Any, path: str, violations: Violations) -> str:
        if not isinstance(value, str):
            raise _wrong(value, "a String")
        if value not in values:
            violations.add(path, constraint)
        return value

    return check


def _flag(value: Any, path: str, violations: Violations) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _wrong(value, "a Boolean")


def _whole(shape: Whole) -> Check:
    least, most = shape.least, shape.most

    def check(value: Any, path: str, violations: Violations) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
            raise _wrong(value, "an Integer")
        if least is not None and value < least:
            violations.add(path, f"Member must have value greater than or equal to {least}")
        if most is not None and value > most:
            violations.add(path, f"Member must have value less than or equal to {most}")
        return value

    return check


def _blob(value: Any, path: str, violations: Violations) -> bytes:
    if not isinstance(value, str):
        raise _wrong(value, "a Blob")
    try:
        content = binascii.a2b_base64(value, strict_mode=True) if value else b""
    except ValueError:
        raise SerializationFailed(f"The member '{path}' is not base64.") from None
    # Strict mode still lets a padding character too many pass.
    if len(value) % 4:
        raise SerializationFailed(f"The member '{path}' is not base64.")
    return content


def _list(shape: ListOf) -> Check:
    element, longest = compiled(shape.element), shape.longest

    def check(value: Any, path: str, violations: Violations) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise (
                _wrong(value, "") if isinstance(value, dict) else SerializationFailed("Expected list or null")
            )
        if longest is not None and len(value) > longest:
            violations.add(path, f"Member must have length less than or equal to {longest}")
        present = [inner for inner in value if inner is not None]
        return tuple(
            element(inner, f"{path}.{place}.member", violations) for place, inner in enumerate(present, 1)
        )

    return check


def _map(shape: MapOf) -> Check:
    keys = frozenset(shape.keys.values)
    shortest = shape.values.shortest
    bad_key = f"[Member must satisfy enum value set: [{', '.join(shape.keys.values)}]]"
    bad_value = f"[Member must have length greater than or equal to {shortest}]"

    def check(value: Any, path: str, violations: Violations) -> dict[str, str]:
        if not isinstance(value, dict):
            raise (
                _wrong(value, "") if isinstance(value, list) else SerializationFailed("Expected map or null")
            )
        present = {key: inner for key, inner in value.items() if inner is not None}
        for inner in present.values():
            if not isinstance(inner, str):
                raise _wrong(inner, "a String")
        if not keys.issuperset(present):
            violations.add(path, f"Map keys must satisfy constraint: {bad_key}")
        if any(len(inner) < shortest for inner in present.values()):
            violations.add(path, f"Map value must satisfy constraint: {bad_value}")
        return present

    return check


def _structure(shape: Structure) -> Check:
    plan = [
        (member.name, member.name[0].lower() + member.name[1:], member.required, compiled(member.shape))
        for member in shape.members
    ]
    flags = frozenset(member.name for member in shape.members if isinstance(member.shape, Flag))

    def check(value: Any, path: str, violations: Violations) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "") if isinstance(value, list) else SerializationFailed("Expected null")
        prefix = f"{path}." if path else ""
        members: dict[str, Any] = {}
        for name, label, required, inner in plan:
            given = value.get(name)
            if given is not None or (name in flags and name in value):
                members[name] = inner(given, prefix + label, violations)
            elif required:
                violations.add(prefix + label, "Member must not be null")
        return members

    return check
