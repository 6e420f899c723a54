"""What the commands of the checkout say, in the three forms they say it.

Rule: errors are what happened, why, what to do; only they and progress go to stderr.
"""

import sys
from typing import NoReturn


def fail(what: str, why: str, do: str, code: int = 2) -> NoReturn:
    """End with an error of three lines."""
    print(f"error: {what}\n  why: {why}\n  do:  {do}", file=sys.stderr)
    sys.exit(code)


def aside(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
