"""Our descriptions of operations' inputs beside botocore's models of several generations: what differs.

Rule: a difference is named by its path and by what it is; the page lists them, and a test says which may be.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailseal.sesv2 import members
from tests.clients.driving import ENVIRONMENTS
from tests.unit.sesv2.test_shapes import INPUTS

FOLDER = "lib/python*/site-packages/botocore/data/sesv2/2019-09-27"
URI = ("uri", "querystring")
Model = dict[str, Any]


def model_of(environment: str) -> Model:
    """The SES v2 model of one generation's botocore."""
    found = sorted((ENVIRONMENTS / environment).glob(f"{FOLDER}/service-2.json*"))
    return read_model(found[0])


def read_model(path: Path) -> Model:
    """A model from its file, packed or not."""
    content = path.read_bytes()
    loaded: Model = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    return loaded


def described() -> dict[str, members.Structure]:
    """Our description of each served operation that has one."""
    return dict(INPUTS)


def differences(model: Model, operation: str, ours: members.Structure) -> list[str]:
    """Where our description and the model of one generation part."""
    if operation not in model["operations"]:
        return [f"{operation} is not in it"]
    given = model["operations"][operation].get("input", {}).get("shape")
    return list(_shape(model, given, ours, operation)) if given else []


def _shape(model: Model, name: str, ours: members.Shape, path: str) -> Iterator[str]:
    theirs = model["shapes"][name]
    match ours:
        case members.Structure():
            yield from _structure(model, theirs, ours, path)
        case members.ListOf():
            yield from _plain(path, theirs, "list", {"max": ours.longest})
            if theirs["type"] == "list":
                yield from _shape(model, theirs["member"]["shape"], ours.element, f"{path}[]")
        case members.Text():
            said = {"min": ours.shortest or None, "max": ours.longest, "pattern": ours.pattern}
            yield from _plain(path, theirs, "string", {**said, "sensitive": ours.sensitive or None})
        case members.Choice():
            yield from _choice(path, theirs, ours)
        case members.Whole():
            yield from _plain(path, theirs, "integer", {})
        case members.Flag():
            yield from _plain(path, theirs, "boolean", {})
        case members.Blob():
            yield from _plain(path, theirs, "blob", {})
        case members.MapOf():
            yield from _plain(path, theirs, "map", {})


def _structure(model: Model, theirs: Model, ours: members.Structure, path: str) -> Iterator[str]:
    if theirs["type"] != "structure":
        yield f"{path} is a {theirs['type']} in it"
        return
    required = set(theirs.get("required", ()))
    known = {name: one for name, one in theirs["members"].items() if one.get("location") not in URI}
    for member in ours.members:
        at = f"{path}.{member.name}"
        if member.name not in theirs["members"]:
            yield f"{at} is not in it"
            continue
        if member.required != (member.name in required):
            yield f"{at} is {'required' if member.name in required else 'not required'} in it"
        yield from _shape(model, theirs["members"][member.name]["shape"], member.shape, at)
    described_here = {member.name for member in ours.members}
    yield from (f"{path}.{name} is only in it" for name in known if name not in described_here)


def _plain(path: str, theirs: Model, kind: str, said: dict[str, Any]) -> Iterator[str]:
    if theirs["type"] != kind:
        yield f"{path} is a {theirs['type']} in it"
    for name, value in said.items():
        if theirs.get(name) != value and not (name == "min" and not theirs.get(name) and not value):
            yield f"{path} has {name} {theirs.get(name)} in it, {value} here"


def _choice(path: str, theirs: Model, ours: members.Choice) -> Iterator[str]:
    values = theirs.get("enum", [])
    later = [value for value in ours.values if value not in values]
    older = [value for value in values if value not in ours.values]
    if later:
        yield f"{path} has no {_few(later)} in it"
    if older:
        yield f"{path} has {_few(older)} only in it"


def _few(values: list[str]) -> str:
    return ", ".join(values) if len(values) <= 3 else f"{', '.join(values[:2])} and {len(values) - 2} more"
