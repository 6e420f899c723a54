"""The words for statuses: mark, colour and name, as every page says them.

Rule: pure; three signals for a state, and never a colour alone.
References: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailseal.core.lifecycle import DkimStatus


@dataclass(frozen=True, slots=True)
class Sign:
    """A state as it is shown: the meaning that colours it, its mark, and its word."""

    tone: str
    """ok, wait, warn, bad or none."""
    icon: str
    word: str


STATUS: Mapping[DkimStatus, Sign] = {
    DkimStatus.SUCCESS: Sign("ok", "ok", "Verified"),
    DkimStatus.PENDING: Sign("wait", "wait", "Pending"),
    DkimStatus.TEMPORARY_FAILURE: Sign("warn", "warn", "Temporary failure"),
    DkimStatus.FAILED: Sign("bad", "bad", "Failed"),
    DkimStatus.NOT_STARTED: Sign("none", "none", "Not started"),
}
