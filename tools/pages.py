"""Writes the pages of docs/ that are made from the code; run by `./dev fix`.

Rule: tests/house fails when a page is stale.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from mailseal.cli import main as program
from mailseal.cli.ending import Exit
from mailseal.config import format_reference

HERE = Path(__file__).resolve().parent.parent
WIDTH = 100


def format_commands() -> str:
    """docs/cli.md: every command with its usage, its sentences and its options."""
    codes = ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in Exit)
    lines = [
        "# Commands",
        "",
        "Made from `src/mailseal/cli`; a test fails when it is stale. In a checkout it is `./dev mailseal`.",
        "The options of `mailseal` itself are taken by every command too.",
        "",
        f"Exit codes: {codes}.",
    ]
    for context in walk(click.Context(program, info_name="mailseal", terminal_width=WIDTH)):
        lines += section(context)
    return "\n".join(lines) + "\n"


def walk(context: click.Context) -> Iterator[click.Context]:
    """The context itself, then those of all commands below it, depth first, in the order of the program."""
    yield context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None and not command.hidden:
                yield from walk(click.Context(command, info_name=name, parent=context, terminal_width=WIDTH))


def section(context: click.Context) -> list[str]:
    """The part of one command."""
    command = context.command
    everywhere = {parameter.name for parameter in program.params} if context.parent else set()
    pieces = " ".join(command.collect_usage_pieces(context))
    lines = ["", f"## {context.command_path}", "", f"    {context.command_path} {pieces}", ""]
    lines += [(command.help or command.short_help or "").replace("\b\n", "").rstrip(), ""]
    own = [p for p in command.params if isinstance(p, click.Option) and p.name not in everywhere]
    records = [record for parameter in own if (record := parameter.get_help_record(context))]
    if records:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{cell(form)}` | {cell(meaning)} |" for form, meaning in records]
    return lines if lines[-1] else lines[:-1]


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


PAGES: Mapping[str, Callable[[], str]] = {"docs/config.md": format_reference, "docs/cli.md": format_commands}


def main(arguments: list[str]) -> int:
    """Write each page anew; with --check only name those that are stale, and end with 1."""
    stale = [name for name, make in PAGES.items() if text_of(name) != make()]
    if "--check" in arguments:
        print("".join(f"{name}\n" for name in stale), end="")
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def text_of(name: str) -> str:
    """The page as it stands; empty where it is not there yet."""
    page = HERE / name
    return page.read_text(encoding="utf-8") if page.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
