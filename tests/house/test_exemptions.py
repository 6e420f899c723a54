"""Exemptions from the tools are counted, and the numbers may only go down."""

from __future__ import annotations

import re
import tomllib

from tests.house.source import CHECKOUT, modules

FORMS = {
    "type: ignore": re.compile(r"#\s*type:\s*ignore"),
    "noqa": re.compile(r"#\s*noqa"),
    "no cover": re.compile(r"#\s*pragma:\s*no cover"),
    "cast": re.compile(r"\bcast\("),
}


def counted() -> dict[str, int]:
    """How often each form of exemption stands in src/mailseal."""
    return {form: sum(len(p.findall(module.text)) for module in modules()) for form, p in FORMS.items()}


def test_exemptions_do_not_grow() -> None:
    allowed = tomllib.loads((CHECKOUT / "tests" / "house" / "exemptions.toml").read_text(encoding="utf-8"))
    now = counted()
    over = {form: f"{now[form]}, allowed {allowed[form]}" for form in now if now[form] > allowed[form]}
    assert over == {}


def test_a_saved_exemption_is_not_given_back() -> None:
    allowed = tomllib.loads((CHECKOUT / "tests" / "house" / "exemptions.toml").read_text(encoding="utf-8"))
    now = counted()
    below = {form: now[form] for form in now if now[form] < allowed[form]}
    assert below == {}, "fewer than allowed: write these numbers into tests/house/exemptions.toml"
