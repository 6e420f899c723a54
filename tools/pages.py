"""Writes the pages of docs/ that are made from the code; run by `./dev fix`.

Rule: tests/house fails when a page is stale.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from mailseal.cli import main as program
from mailseal.cli.ending import Exit
from mailseal.config import format_reference
from mailseal.native.http import DECLARED
from mailseal.native.openapi import openapi_document

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


def format_api() -> str:
    """docs/api.md: every path of the native API with what it takes, gives and needs."""
    document = openapi_document(DECLARED)
    schemas = document["components"]["schemas"]
    lines = [
        "# The native API",
        "",
        "Made from the declarations of `src/mailseal/native`; a test fails when it is stale. The same as",
        "OpenAPI 3.1 is `GET /mailseal/v1/openapi.json`, which needs no key.",
        "",
        "Requests are signed as for SES: AWS Signature Version 4, service `ses`. Members are only added;",
        "times are RFC 3339 in UTC; what is not known is null. Lists are `items` and `next`, and `next`",
        "goes into the query of the next page. An error is one member `error` with kind, code, message,",
        "request_id and perhaps a hint; its code is the word of SES.",
    ]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            lines += ["", f"## {method.upper()} {path}", "", told["summary"], *needs(told)]
            lines += members(
                "query", [(one["name"], one) for one in told.get("parameters", ()) if one["in"] == "query"]
            )
            if "requestBody" in told:
                body = schemas[named(told["requestBody"])]
                lines += members("body", body["properties"].items())
            lines += ["", f"Gives {', '.join(f'`{name}`' for name in given(told))}."]
    lines += ["", "# Objects"]
    for name, schema in sorted(schemas.items()):
        told_of = " ".join(str(schema.get("description", "")).split())
        lines += ["", f"## {name}", "", told_of, *members("member", schema.get("properties", {}).items())]
    return "\n".join(lines) + "\n"


def needs(told: Mapping[str, Any]) -> list[str]:
    """The sentence about permissions, where there is one."""
    return [told["description"]] if "description" in told else []


def named(holder: Mapping[str, Any]) -> str:
    """The name of the schema that a body or answer refers to."""
    return str(holder["content"]["application/json"]["schema"]["$ref"]).rpartition("/")[2]


def given(told: Mapping[str, Any]) -> list[str]:
    """The names of the objects that a call gives."""
    schema = told["responses"]["200"]["content"]["application/json"]["schema"]
    return [str(one["$ref"]).rpartition("/")[2] for one in schema.get("anyOf", [schema])]


def members(title: str, named_schemas: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """A table of names with their types; nothing where there are none."""
    rows = [
        f"| `{name}` | {cell(kind_of(one.get('schema', one)))} | {cell(str(one.get('description', '')))} |"
        for name, one in named_schemas
    ]
    return ["", f"| {title} | type | |", "|---|---|---|", *rows] if rows else []


def kind_of(schema: Mapping[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(kind_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {kind_of(schema['items'])}"
    return str(schema.get("format", schema.get("type", "anything")))


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/config.md": format_reference,
    "docs/cli.md": format_commands,
    "docs/api.md": format_api,
}


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
