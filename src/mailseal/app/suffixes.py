"""The list of public suffixes that this installation came with.

Rule: read once at the start; it is as old as the package `publicsuffixlist`, which is made anew each week.
References: publicsuffix.org/list.
"""

from __future__ import annotations

from pathlib import Path

from publicsuffixlist import PSLFILE

from mailseal.core.suffixes import PublicSuffixes, parse_public_suffixes


def public_suffixes() -> PublicSuffixes:
    """The list; reading it takes some milliseconds."""
    return parse_public_suffixes(Path(PSLFILE).read_text(encoding="utf-8"))
