"""`mailseal version`.

Rule: needs no server and no configuration.
"""

from __future__ import annotations

import platform

import apsw
import click

from mailseal import __version__
from mailseal.cli.options import given, output, shared


@click.command()
@shared
def version() -> None:
    """Which Mailseal this is, on which Python and SQLite."""
    python, sqlite = platform.python_version(), apsw.sqlite_lib_version()
    if given("as_json"):
        output().object({"version": __version__, "python": python, "sqlite": sqlite})
    else:
        output().line(f"Mailseal {__version__}  Python {python}, SQLite {sqlite}")
