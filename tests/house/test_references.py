"""References in the code lead somewhere: RFC sections to docs/specs.md, AWS names to botocore's model."""

from __future__ import annotations

import re
from functools import cache

import pytest
from botocore.loaders import Loader

from tests.house.source import CHECKOUT, Module, modules

RFC = re.compile(r"RFC (\d{3,5})(?: §([A-Z]?[\d.]*[\dA-Z]))?")
BAD_RFC = re.compile(
    r"RFC-\d|(?<!\w)RFC\d|\brfc \d{3,}|RFC \d+,? (?:section|sec\.|Section)|RFC \d+ errat\w+ (?!\d)"
)
AWS = re.compile(r"AWS SESv2 ([A-Z][A-Za-z0-9]+)(?:\.([A-Z][A-Za-z0-9]+))?")
ROW = re.compile(r"^\| *RFC (\d+)(?: §([A-Z]?[\d.]*[\dA-Z]))? *\| *(yes|partly|no) *\|", re.MULTILINE)
DEPARTS = re.compile(r"[Dd]eparts? from")


@cache
def rows() -> frozenset[tuple[str, str]]:
    """The (RFC, section) pairs that docs/specs.md has a row for; section "" is the whole RFC."""
    text = (CHECKOUT / "docs" / "specs.md").read_text(encoding="utf-8")
    return frozenset((number, section or "") for number, section, _ in ROW.findall(text))


def has_row(number: str, section: str) -> bool:
    """Whether the section, one above or one below it has a row; without a section any row of the RFC does."""
    if not section:
        return any(number == known for known, _ in rows())
    below = any(known == number and row.startswith(f"{section}.") for known, row in rows())
    pieces = section.split(".")
    return below or any((number, ".".join(pieces[:end])) in rows() for end in range(len(pieces), 0, -1))


@cache
def sesv2() -> dict[str, frozenset[str]]:
    """Shapes, operations and members of botocore's own model, each with the members it has."""
    model = Loader().load_service_model("sesv2", "service-2")
    shapes = {name: frozenset(shape.get("members", ())) for name, shape in model["shapes"].items()}
    others = frozenset(model["operations"]).union(*shapes.values())
    return {name: frozenset() for name in others} | shapes


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_each_rfc_reference_has_a_row_in_the_specs_table(module: Module) -> None:
    missing = {f"RFC {n} §{s}" for n, s in RFC.findall(module.text) if not has_row(n, s.rstrip("."))}
    assert missing == set()


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_an_rfc_reference_has_the_one_form(module: Module) -> None:
    assert BAD_RFC.findall(module.text) == [], "write RFC 6376 §3.4.2 or RFC 6376 errata 5070"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_each_aws_reference_exists_in_botocores_model(module: Module) -> None:
    for shape, member in AWS.findall(module.text):
        assert shape in sesv2(), f"AWS SESv2 {shape}"
        if member:
            assert member in sesv2()[shape], f"AWS SESv2 {shape}.{member}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_each_departure_is_told_in_the_divergences(module: Module) -> None:
    if DEPARTS.search(module.text):
        told = (CHECKOUT / "docs" / "divergences.md").read_text(encoding="utf-8")
        name = f"`{module.name}`"
        assert name in told, f"docs/divergences.md has no row that names {name}"


def test_a_reference_to_an_unknown_section_is_found() -> None:
    assert has_row("6376", "3.4.2")
    assert has_row("6376", "5")
    assert not has_row("6376", "99.1")
    assert not has_row("9999", "")
