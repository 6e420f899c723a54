"""The command-line program `mailseal`: noun, then verb; and what its exit codes mean.

Rule: a command's module is imported when the command is called, so that each is quick; every way to end has
its exit code, and no trace is shown unless it was asked for.
References: docs/cli.md.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import click

from mailseal import __version__
from mailseal.cli.ending import Ending, Exit
from mailseal.cli.options import shared

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("mailseal.cli.init", "configuration, master key, database, first access key"),
    "serve": ("mailseal.cli.serve", "run it"),
    "doctor": ("mailseal.cli.doctor", "what is wrong here, and what to do"),
    "identity": ("mailseal.cli.identity", "create, list, show, records, check, set, rotate, delete"),
    "access": ("mailseal.cli.access", "access keys: create, import, list, disable, enable, delete"),
    "account": ("mailseal.cli.access", "accounts and their limits: create, list, show, set"),
    "zone": ("mailseal.cli.zone", "our zones, and the servers that carry them: status"),
    "keys": ("mailseal.cli.keys", "inspect a file, stock, rotate-master"),
    "sign": ("mailseal.cli.mail", "one message, with keys of yours or as the installation does"),
    "verify": ("mailseal.cli.message", "what the signatures of one message are worth, and why"),
    "message": ("mailseal.cli.message", "show: parts, header as signed, each signature in words"),
    "sandbox": ("mailseal.cli.sandbox", "a whole Mailseal on 127.0.0.1 for developers"),
    "version": ("mailseal.cli.version", "which Mailseal this is"),
}


class Program(click.Group):
    """The group of all commands; each is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(module), cmd_name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in _COMMANDS.items()])

    def main(self, *args: Any, **named: Any) -> Any:
        """Runs a command and ends the process with its exit code."""
        if named.get("standalone_mode") is False:
            return super().main(*args, **named)
        words = [*args, named.get("args")][0]
        given = list(sys.argv[1:] if words is None else words)
        with Ending(as_json="--json" in given, verbose=bool({"-v", "--verbose"} & set(given))) as ending:
            code = super().main(given, "mailseal", standalone_mode=False)
            ending.code = code if isinstance(code, int) else Exit.WELL
        sys.exit(ending.code)


@click.group(cls=Program)
@click.version_option(__version__, prog_name="mailseal", message="Mailseal %(version)s")
@shared
def main() -> None:
    """Easy DKIM that you own: identities, keys, DNS, proof and signatures."""
