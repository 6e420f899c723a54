"""Modules that decide or translate do not touch the world: no clock, chance, socket, file or log."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import Module, imports, modules

PURE_PACKAGES = ("dkim", "core", "handoff")
PURE_MODULES = frozenset(
    {"sesv2.sigv4", "sesv2.shapes", "sesv2.operations", "sesv2.errors", "nameserver.answer"}
    | {f"smtp.submission.{name}" for name in ("arrival", "commands", "replies")}
    | {f"sesv1.{name}" for name in ("answers", "errors", "forms", "shapes", "unserved")}
)
WORLDLY_NAMES = """
asyncio concurrent ctypes http io logging multiprocessing os pathlib random secrets select selectors shutil
signal socket socketserver sqlite3 ssl structlog subprocess tempfile threading time urllib
"""
WORLDLY = frozenset(WORLDLY_NAMES.split())
HARMLESS = ("urllib.parse", "http.HTTPStatus")
CLOCKS = frozenset({"now", "utcnow", "today"})
CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})


def is_pure(module: Module) -> bool:
    """Whether ARCHITECTURE.md calls the module pure."""
    return module.name.split(".")[0] in PURE_PACKAGES or module.name in PURE_MODULES


def faults_of(module: Module) -> list[str]:
    """What the module does that a pure one may not."""
    faults = [
        f"{module.where}:{line}: imports {target}"
        for line, target in imports(module)
        if target.partition(".")[0] in WORLDLY and not target.startswith(HARMLESS)
    ]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                faults.append(f"{module.where}:{node.lineno}: reads a clock")
            if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                faults.append(f"{module.where}:{node.lineno}: calls {node.func.id}")
        if isinstance(node, ast.AsyncFunctionDef | ast.Global):
            faults.append(f"{module.where}:{node.lineno}: {type(node).__name__}")
    return faults


@pytest.mark.parametrize("module", [m for m in modules() if is_pure(m)], ids=lambda module: module.where)
def test_a_pure_module_touches_nothing_outside_its_arguments(module: Module) -> None:
    assert faults_of(module) == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_no_module_changes_a_global(module: Module) -> None:
    changed = [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Global)]
    assert changed == [], f"{module.where}: `global` at {changed}"


@pytest.mark.parametrize(
    "planted",
    [
        "from datetime import datetime, UTC\nx = datetime.now(UTC)\n",
        "import os\n",
        "def f():\n    from time import time\n    return time()\n",
        "import urllib.request\n",
        "async def f(): ...\n",
        "print(1)\n",
    ],
)
def test_a_touch_of_the_world_is_seen(planted: str) -> None:
    module = Module(Path(__file__), "core.identity", planted, ast.parse(planted))
    assert len(faults_of(module)) == 1


def test_taking_a_url_apart_is_no_touch_of_the_world() -> None:
    text = "from urllib.parse import urlsplit\nfrom datetime import datetime\n"
    assert faults_of(Module(Path(__file__), "core.identity", text, ast.parse(text))) == []
