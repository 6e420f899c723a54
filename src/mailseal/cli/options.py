"""The options that every command takes, before or after its name, and what follows from them.

Rule: one word everywhere; an option means the same wherever it stands.
References: docs/cli.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mailseal.cli.asking import Way, find_way
from mailseal.cli.output import Output

_KEY = "mailseal.options"
F = TypeVar("F", bound=Callable[..., Any])


def _note(context: click.Context, option: click.Parameter, value: object) -> None:
    if value not in (None, False):
        context.meta.setdefault(_KEY, {})[option.name] = value


_SHARED: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--config",), {"metavar": "FILE", "help": "Configuration; else MAILSEAL_CONFIG, ./mailseal.toml."}),
    (("--endpoint",), {"metavar": "URL", "help": "A distant server, asked with the AWS_ variables."}),
    (("--account",), {"metavar": "ID", "help": "Account to act for, over the control socket."}),
    (("--region",), {"metavar": "NAME", "help": "Region to act in."}),
    (("--json", "as_json"), {"is_flag": True, "help": "The native API's own object."}),
    (("-q", "--quiet"), {"is_flag": True, "help": "The answer alone."}),
    (("-v", "--verbose"), {"is_flag": True, "help": "With the trace of a bug of ours."}),
    (("--color",), {"type": click.Choice(["auto", "always", "never"]), "help": "Colour on a terminal."}),
    (("-y", "--yes"), {"is_flag": True, "help": "Do not ask before destroying."}),
)


def shared(function: F) -> F:
    """A command with the options that all take; their values are read by the functions below."""
    for names, settings in reversed(_SHARED):
        option = click.option(*names, expose_value=False, callback=_note, **settings)
        function = option(function)
    return function


def given(name: str) -> Any:
    """The value of a shared option, or None."""
    return click.get_current_context().meta.get(_KEY, {}).get(name)


def output() -> Output:
    """Where this command's answer goes."""
    return Output(bool(given("as_json")), bool(given("quiet")), given("color") or "auto")


def way() -> Way:
    """How this command asks; raises SetupError."""
    return find_way(
        os.environ,
        endpoint=given("endpoint"),
        config=given("config"),
        account=given("account"),
        region=given("region"),
    )
