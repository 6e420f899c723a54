"""Who may import whom: the table of ARCHITECTURE.md, held against every import of every module."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import pytest

from tests.house.source import CHECKOUT, Module, imports, modules

FRONT = frozenset({"service", "core", "dkim", "handoff", "config", "telemetry"})
DRIVEN = frozenset({"core", "dkim"})
NOTHING: frozenset[str] = frozenset()
# What the query API shares with the API v2: how a request is let in, and how members are described.
WAY_IN = frozenset(
    f"sesv2.{name}" for name in ("admission", "errors", "intake", "members", "operations", "replays", "sigv4")
)
# The longest name that fits decides: smtp.submission is judged by its own row, not by that of smtp.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "dkim": NOTHING,
    "batch": frozenset({"dkim"}),
    "core": frozenset({"dkim"}),
    "service": DRIVEN,
    "store": DRIVEN,
    "sealing": DRIVEN,
    "keymaking": DRIVEN,
    "passwords": NOTHING,
    "resolver": DRIVEN,
    "smtp": DRIVEN,
    "handoff": DRIVEN,
    "sesv2": FRONT,
    "sesv1": FRONT | WAY_IN,
    "native": FRONT | {"passwords", "sesv2.sigv4"},
    "nameserver": FRONT,
    "smtp.submission": FRONT | {"smtp.wire"},
    "milter": FRONT,
    "console": FRONT | {"passwords"},
    "worker": FRONT,
    "sandbox": FRONT | {"nameserver", "resolver", "smtp", "sesv2", "native", "worker"},
    "config": NOTHING,
    "telemetry": NOTHING,
    "migrate_in": FRONT,
}
ANYTHING = frozenset({"", "app", "cli", "__main__", "pytest_plugin"})
NEVER_IMPORTED = frozenset({"app", "cli", "__main__", "pytest_plugin"})

# Packages that are not ours and not Python's, by the part that may know them.
DRIVERS: dict[str, frozenset[str]] = {
    "dkim": frozenset({"cryptography"}),
    "core": NOTHING,
    "batch": NOTHING,
    "service": NOTHING,
    "config": NOTHING,
    "telemetry": NOTHING,
    "store": frozenset({"apsw", "psycopg", "psycopg_pool"}),
    "sealing": frozenset({"cryptography"}),
    "passwords": frozenset({"cryptography"}),
    "resolver": frozenset({"dns"}),
    "nameserver": frozenset({"dns", "uvloop"}),
    "smtp": NOTHING,
    "smtp.submission": NOTHING,
    "handoff": NOTHING,
}

# Not imported by us: the parser that uvicorn is told to use.
BEHIND_OTHERS = frozenset({"httptools"})


def part_of(name: str, table: object = MAY_IMPORT) -> str:
    """The row that a module belongs to: the longest key that is the module or a package above it."""
    assert isinstance(table, dict)
    pieces = name.split(".")
    for end in range(len(pieces), 0, -1):
        if ".".join(pieces[:end]) in table:
            return ".".join(pieces[:end])
    return pieces[0]


def faults_of(module: Module) -> list[str]:
    """The imports of one module that the table does not allow."""
    own = part_of(module.name)
    if own in ANYTHING:
        return []
    if own not in MAY_IMPORT:
        return [f"{module.where}: {own} has no row in the import table"]
    faults = []
    for line, target in imports(module):
        top, _, inner = target.partition(".")
        if top == "mailseal":
            if not allowed(own, inner):
                faults.append(f"{module.where}:{line}: {own} may not import {inner}")
        elif top not in sys.stdlib_module_names and own in DRIVERS and top not in DRIVERS[own]:
            faults.append(f"{module.where}:{line}: {own} may not import {top}")
    return faults


def allowed(own: str, inner: str) -> bool:
    """Whether a module of part `own` may import `mailseal.<inner>`."""
    other = part_of(inner)
    if other == own or inner in {"__version__", ""}:
        return True
    if other in NEVER_IMPORTED:
        return False
    return any(inner == name or inner.startswith(f"{name}.") for name in MAY_IMPORT.get(own, NOTHING))


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_a_module_imports_only_what_the_table_allows(module: Module) -> None:
    assert faults_of(module) == []


def test_the_table_itself_has_no_circle() -> None:
    seen: dict[str, int] = {}

    def depth(part: str, path: tuple[str, ...]) -> int:
        assert part not in path, " → ".join([*path, part])
        if part not in seen:
            below = [part_of(name) for name in MAY_IMPORT.get(part, NOTHING) if part_of(name) != part]
            seen[part] = 1 + max((depth(name, (*path, part)) for name in below), default=0)
        return seen[part]

    assert depth("sandbox", ()) > depth("service", ()) > depth("core", ()) > depth("dkim", ())


def test_what_is_declared_is_imported_and_what_is_imported_is_declared() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["postgresql"]]
    declared = {re.split(r"[ <>=!~\[]", line)[0] for line in lines}
    tops = {target.partition(".")[0] for module in modules() for _, target in imports(module)}
    imported = tops - set(sys.stdlib_module_names) - {"mailseal", "pytest"}
    names = {"dns": "dnspython"}
    assert {names.get(top, top) for top in imported} | BEHIND_OTHERS == declared


def planted(name: str, text: str) -> list[str]:
    """What the table says of a module with this name and text."""
    return faults_of(Module(CHECKOUT / "src" / "mailseal" / "planted.py", name, text, ast.parse(text)))


def test_a_forbidden_import_is_seen_inside_a_function_too() -> None:
    assert len(planted("service.configure", "def f():\n    from mailseal.store import sqlite\n")) == 1
    assert len(planted("core.identity", "from mailseal import service\n")) == 1
    assert len(planted("core.identity", "from ..service import configure\n")) == 1
    assert len(planted("sesv2.http", "import mailseal.native.http\n")) == 1
    assert len(planted("service.send", "import aiosmtplib\n")) == 1
    assert len(planted("newpart", "import os\n")) == 1
    assert planted("native.http", "from mailseal.sesv2.sigv4 import parse\n") == []
