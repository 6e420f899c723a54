"""The judge: an expected result against what a client gave, with what the client cannot know left out.

Rule: pure; no client is named here. What an old client's model lacks is no fault, and is named instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from string import Template
from typing import Any

from tests.clients.story import Absent, Has, Like, Moment, Refused, Tokens

TOKEN = Like("[a-z2-7]{32}")


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """The value with every `$name` filled in; one that is exactly a name keeps its type."""
    if isinstance(value, str):
        if value.startswith("$") and value[1:] in names:
            return names[value[1:]]
        return Template(value).safe_substitute(names)
    if isinstance(value, Like):
        return Like(Template(value.pattern).safe_substitute(names))
    if isinstance(value, Has):
        return Has(tuple(filled(one, names) for one in value.elements), value.alone)
    if isinstance(value, Refused):
        return Refused(value.name, filled(value.message, names), value.status)
    if isinstance(value, Mapping):
        return {filled(key, names): filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner, names) for inner in value]
    return value


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The paths of all members of a JSON value, lists marked by []."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            path = f"{prefix}.{name}" if prefix else name
            yield path
            yield from paths(inner, path)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from paths(inner, f"{prefix}[]")
    elif isinstance(value, Has):
        for inner in value.elements:
            yield from paths(inner, f"{prefix}[]")


def unknown(value: Any, known: Collection[str]) -> list[str]:
    """The paths in `value` that a client's model does not have; what is below maps is nobody's member."""
    maps = {path for path in known if not any(other.startswith((f"{path}.", f"{path}[")) for other in known)}
    missing = []
    for path in dict.fromkeys(paths(value)):
        if path in known or any(path.startswith((f"{one}.", f"{one}[")) for one in maps):
            continue
        if not any(path.startswith((f"{one}.", f"{one}[")) for one in missing):
            missing.append(path)
    return missing


def without(value: Any, gone: Collection[str], prefix: str = "") -> Any:
    """The value without the members at these paths."""
    if isinstance(value, Mapping):
        kept = {}
        for name, inner in value.items():
            path = f"{prefix}.{name}" if prefix else name
            if path not in gone:
                kept[name] = without(inner, gone, path)
        return kept
    if isinstance(value, list | tuple):
        return [without(inner, gone, f"{prefix}[]") for inner in value]
    if isinstance(value, Has):
        return Has(tuple(without(inner, gone, f"{prefix}[]") for inner in value.elements), value.alone)
    return value


def differences(expected: Any, seen: Any, names: Mapping[str, Any], path: str = "") -> list[str]:
    """Where what was seen is not what was expected; members that nobody named do not matter."""
    at = path or "the answer"
    match expected:
        case Absent():
            return [f"{at} is {seen!r}"] if seen is not None else []
        case Moment():
            return [] if _is_moment(seen) else [f"{at} is {seen!r}, not a time"]
        case Like():
            return [] if expected.fits(seen) else [f"{at} is {seen!r}, not like {expected.pattern}"]
        case Tokens():
            good = names[expected.kept] == seen if expected.kept else _are_tokens(seen)
            return [] if good else [f"{at} is {seen!r}, not the three tokens"]
        case Has():
            return _in_list(expected, seen, names, at)
        case Mapping():
            if not isinstance(seen, Mapping):
                return [f"{at} is {seen!r}, not an object"]
            inner = ((name, want, f"{path}.{name}" if path else name) for name, want in expected.items())
            return [text for name, want, at in inner for text in differences(want, seen.get(name), names, at)]
        case list():
            if not isinstance(seen, list) or len(seen) != len(expected):
                return [f"{at} is {seen!r}, not {expected!r}"]
            pairs = enumerate(zip(expected, seen, strict=True))
            return [
                text for n, (want, have) in pairs for text in differences(want, have, names, f"{at}[{n}]")
            ]
        case _:
            return [] if expected == seen else [f"{at} is {seen!r}, not {expected!r}"]


def _in_list(expected: Has, seen: Any, names: Mapping[str, Any], at: str) -> list[str]:
    if not isinstance(seen, list):
        return [f"{at} is {seen!r}, not a list"]
    told = []
    for want in expected.elements:
        fitting = [one for one in seen if not differences(want, one, names)]
        if len(fitting) != 1:
            told.append(f"{at} holds {len(fitting)} of {want!r}: {seen!r}")
    if expected.alone and len(seen) != len(expected.elements):
        told.append(f"{at} has {len(seen)} elements: {seen!r}")
    return told


def _is_moment(value: object) -> bool:
    # Epoch seconds as they came, or ISO 8601 as a client wrote them.
    return (isinstance(value, float | int) and value > 1_700_000_000) or Like(r"20\d\d-\d\d-\d\dT.*").fits(
        value
    )


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and len(set(value)) == 3 and all(TOKEN.fits(one) for one in value)


def judged(expected: Mapping[str, Any] | Refused, result: Mapping[str, Any], names: Mapping[str, Any]) -> str:
    """Empty where the result is the expected one, else in what it differs."""
    if "fault" in result:
        return f"the client failed: {result['fault']}"
    if not isinstance(expected, Refused):
        if "error" in result:
            return f"refused: {result['error']['name']}: {result['error']['message']}"
        return "; ".join(differences(expected, result["answer"], names))
    if "answer" in result:
        return f"not refused: {result['answer']!r}"
    error = result["error"]
    wanted = {"name": expected.name, "message": expected.message}
    # The command line does not tell the status.
    if error.get("status") is not None:
        wanted["status"] = expected.status
    return "; ".join(differences(wanted, error, names))
