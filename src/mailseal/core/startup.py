"""Why a program cannot start, said to the person who started it.

Rule: nothing was read or changed when a `StartRefused` is raised; its text holds no secret.
References: docs/operating.md.
"""

from __future__ import annotations


class StartRefused(Exception):
    """Wrong set-up: what happened, why, and what to do, one sentence each."""

    def __init__(self, message: str, *, why: str, do: str) -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.do = do

    def __str__(self) -> str:
        """The three lines as the command line shows them."""
        return f"error: {self.message}\n  why: {self.why}\n  do:  {self.do}"
