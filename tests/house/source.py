"""The sources as the house's rules see them: modules of `mailseal` with their trees, read once.

Rule: nothing here imports `mailseal`; a module that does not import can still be judged.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SOURCE = CHECKOUT / "src" / "mailseal"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; `name` is its dotted name below `mailseal`, empty for the package itself."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def where(self) -> str:
        """Its path as the checkout writes it."""
        return str(self.path.relative_to(CHECKOUT))


@cache
def modules() -> tuple[Module, ...]:
    """Every module under src/mailseal."""
    return tuple(_module(path) for path in sorted(SOURCE.rglob("*.py")))


def _module(path: Path) -> Module:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    text = path.read_text(encoding="utf-8")
    return Module(path, name, text, ast.parse(text, filename=str(path)))


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and absolute name of every import, also inside functions; `from a import b` gives `a.b`."""
    package = ["mailseal", *module.name.split(".")] if module.name else ["mailseal"]
    if module.path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}"
