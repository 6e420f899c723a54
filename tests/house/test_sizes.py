"""Rooms stay small enough to be read in one go, and no room is a drawer for what found no place."""

from __future__ import annotations

import ast

import pytest

from tests.house.source import CHECKOUT, Module, modules

FILE_LINES = 500
FUNCTION_LINES = 60
DRAWERS = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"})
OTHER_FOLDERS = ("tests", "tools", "bench", "examples")


def long_functions(tree: ast.Module) -> list[str]:
    """The functions over the limit, with their lengths."""
    return [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_a_file_and_its_functions_stay_within_the_limits(module: Module) -> None:
    assert module.text.count("\n") <= FILE_LINES
    assert long_functions(module.tree) == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_no_module_is_a_drawer(module: Module) -> None:
    assert not DRAWERS & set(module.name.split("."))


@pytest.mark.parametrize("folder", OTHER_FOLDERS)
def test_programs_around_the_package_keep_the_limits_too(folder: str) -> None:
    for path in sorted((CHECKOUT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= FILE_LINES, path.relative_to(CHECKOUT)
        assert long_functions(ast.parse(text)) == [], path.relative_to(CHECKOUT)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.where)
def test_a_module_says_what_it_is_for(module: Module) -> None:
    if module.text.strip():
        assert ast.get_docstring(module.tree), f"{module.where} has no docstring"


def test_a_function_of_61_lines_is_too_long_and_one_of_60_is_not() -> None:
    body = "    x = 1\n" * 59
    assert long_functions(ast.parse(f"def f():\n{body}")) == []
    assert long_functions(ast.parse(f"def f():\n{body}    y = 2\n")) == ["f: 61 lines"]
