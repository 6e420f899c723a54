"""What the command-line program prints: answers to stdout, all else to stderr, values whole.

Rule: a name or value is never cut, wrapped or read as markup; text from outside passes `printable` before it
comes here. Colour is a second voice: signs and words say the same without it.
References: docs/cli.md; no-color.org.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from rich.console import Console
from rich.text import Text

GREEN, YELLOW, RED, CYAN, GREY = "green", "yellow", "red", "cyan", "bright_black"
_PLAIN_SIGNS = {"✓": "ok", "✗": "x", "–": "-", "·": ".", "→": "->", "…": "...", "━": "="}


@dataclass(frozen=True, slots=True)
class Screen:
    """What a command has to say: its lines, and the one command that comes next."""

    lines: Sequence[Text]
    following: str = ""


def text(*parts: str | tuple[str, str] | Text) -> Text:
    """A line of parts, each plain, with its colour, or a line itself."""
    line = Text()
    for part in parts:
        if isinstance(part, Text):
            line.append_text(part)
        elif isinstance(part, str):
            line.append(part)
        else:
            line.append(*part)
    return line


def columns(rows: Sequence[Sequence[Text]], *, right: Sequence[int] = (), indent: str = "  ") -> list[Text]:
    """The rows as lines, each column as wide as its widest cell; the columns in `right` end flush."""
    widths = [max(len(row[i].plain) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        line = Text(indent)
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - len(cell.plain))
            line.append(gap if number in right else "")
            line.append_text(cell)
            line.append("" if number in right else gap)
            line.append("  ")
        line.rstrip()
        lines.append(line)
    return lines


def tabbed(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """The rows for a program: one tab between columns."""
    return [Text("\t").join(row) for row in rows]


@dataclass(slots=True)
class Output:
    """Where a command's answer goes, and how."""

    as_json: bool = False
    quiet: bool = False
    color: str = "auto"
    out: Console = field(init=False)
    err: Console = field(init=False)

    def __post_init__(self) -> None:
        self.out = self._console(sys.stdout)
        self.err = self._console(sys.stderr)

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the answer."""
        return self.out.is_terminal

    def show(self, screen: Screen) -> None:
        """The answer, then on stderr what comes next."""
        for line in screen.lines:
            self.line(line)
        if screen.following:
            self.next(screen.following)

    def line(self, line: Text | str = "") -> None:
        """One line of the answer."""
        self._print(self.out, line)

    def aside(self, line: Text | str = "") -> None:
        """One line that is not the answer."""
        if not self.quiet:
            self._print(self.err, line)

    def next(self, following: str) -> None:
        """The last line: one command, or that there is nothing to do."""
        if not self.as_json:
            self.aside(text("Next: ", (following, CYAN if following.startswith("mailseal ") else "")))

    def object(self, members: Any) -> None:
        """The native API's own object, for programs."""
        self._print(self.out, json.dumps(members, ensure_ascii=False))

    def error(self, what: str, why: str = "", do: str = "") -> None:
        """What happened, why, and what to do: three lines at most."""
        self._print(self.err, text(("error: ", RED), what))
        for word, sentence in (("why: ", why), ("do:  ", do)):
            if sentence:
                self._print(self.err, f"  {word}{sentence}")

    def error_object(self, members: dict[str, Any]) -> None:
        """One error as one object on stderr."""
        self._print(self.err, json.dumps({"error": members}, ensure_ascii=False))

    def _console(self, stream: IO[str]) -> Console:
        plain = self.color == "never" or (self.color == "auto" and bool(os.environ.get("NO_COLOR")))
        return Console(
            file=stream,
            highlight=False,
            markup=False,
            emoji=False,
            no_color=plain,
            force_terminal=True if self.color == "always" else None,
        )

    def _print(self, console: Console, line: Text | str) -> None:
        fitting = self._fitting(line, console)
        if console.is_terminal:
            console.print(fitting, soft_wrap=True)
        else:
            # rich would turn tabs into blanks.
            console.file.write(fitting.plain + "\n")

    def _fitting(self, line: Text | str, console: Console) -> Text:
        """The line with signs that the terminal's character set has."""
        shown = Text(line) if isinstance(line, str) else line
        if console.encoding.lower().startswith("utf"):
            return shown
        for sign, instead in _PLAIN_SIGNS.items():
            shown = Text(instead).join(shown.split(sign, allow_blank=True)) if sign in shown.plain else shown
        return shown
