"""How the command-line program ends: every outcome has its exit code and its three lines.

Rule: no answer is never a no; a bug of ours shows an id and no trace, unless `--verbose` was said.
References: docs/cli.md.
"""

from __future__ import annotations

import secrets
import traceback
from enum import IntEnum
from types import TracebackType

import click

from mailseal.cli.asking import CouldNotAsk, Refused
from mailseal.cli.output import Output
from mailseal.config import SetupError
from mailseal.core.startup import StartRefused


class Exit(IntEnum):
    """Exit codes, for scripts."""

    WELL = 0
    NO = 1
    """Looked, and the answer is no."""
    SETUP = 2
    """Wrong usage or set-up; a service is not restarted on it."""
    REFUSED = 3
    COULD_NOT_ASK = 4
    RAN_OUT = 5
    """The time of `--wait` ran out."""
    BUG = 70
    INTERRUPTED = 130


class Ending:
    """A `with` block in which a command runs; afterwards `code` says how it ended."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self.code: int = Exit.WELL
        self._verbose = verbose
        self._output = Output(as_json)

    def __enter__(self) -> Ending:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if raised is None or isinstance(raised, SystemExit):
            return False
        self.code = self._ended(raised)
        return True

    def _ended(self, raised: BaseException) -> int:
        match raised:
            case click.exceptions.Exit(exit_code=code):
                return code
            case KeyboardInterrupt() | click.Abort():
                return Exit.INTERRUPTED
            case click.exceptions.NoArgsIsHelpError():
                self._output.aside(raised.format_message())
                return Exit.SETUP
            case click.UsageError():
                command = raised.ctx.command_path if raised.ctx else "mailseal"
                return self._told(Exit.SETUP, "usage", raised.format_message(), "", f"{command} --help")
            case click.ClickException():
                return self._told(Exit.SETUP, "setup", raised.format_message())
            case SetupError():
                return self._told(Exit.SETUP, "setup", raised.what, raised.why, raised.do)
            case StartRefused():
                return self._told(Exit.SETUP, "setup", raised.message, raised.why, raised.do)
            case CouldNotAsk():
                return self._told(Exit.COULD_NOT_ASK, "could_not_ask", raised.what, raised.why, raised.do)
            case Refused():
                return self._refused(raised)
            case BrokenPipeError():
                return Exit.WELL
            case _:
                return self._bug(raised)

    def _told(self, code: Exit, kind: str, what: str, why: str = "", do: str = "") -> int:
        if self._output.as_json:
            self._output.error_object({"kind": kind, "message": what, "why": why, "hint": do})
        else:
            self._output.error(what, why, do)
        return code

    def _refused(self, refused: Refused) -> int:
        if self._output.as_json:
            self._output.error_object(refused.members)
        elif refused.kind == "fault":
            request_id = refused.members.get("request_id", "")
            self._output.error(refused.message, f"a bug; request id {request_id}", "look for it in the log")
        else:
            self._output.error(refused.message, do=refused.hint)
        return Exit.BUG if refused.kind == "fault" else Exit.REFUSED

    def _bug(self, raised: BaseException) -> int:
        number = secrets.token_hex(4)
        if self._verbose:
            self._output.err.print("".join(traceback.format_exception(raised)), soft_wrap=True)
        what = f"a bug of Mailseal's ({type(raised).__name__}), id {number}"
        return self._told(Exit.BUG, "bug", what, "", "repeat it with --verbose, and report what it shows")
