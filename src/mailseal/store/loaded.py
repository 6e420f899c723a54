"""What one unit has loaded, so that a save later in the same unit writes the difference only.

Rule: an entry holds only as long as nothing else in the unit has written what it tells of, and never beyond
the unit: one writer at a time, inside its transaction, cannot be overtaken by anybody.
References: docs/decisions/0002-units-and-group-commit.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailseal.core.identity import Setting
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.rotation import Slots

Place = tuple[str, str, str]
"""Account, region and domain."""


@dataclass(slots=True)
class Loaded:
    """What the unit at work knows of rows, by their place."""

    slots: dict[Place, Slots] = field(default_factory=dict)
    """The slots of a domain, none where it never had any."""
    settings: dict[Place, Mapping[str, Setting]] = field(default_factory=dict)
    standing: dict[Place, tuple[DkimStatus, bool]] = field(default_factory=dict)
    """Status and may_send as the identity's row has them."""

    def forget(self) -> None:
        """Nothing is known any more: another unit begins."""
        self.slots.clear()
        self.settings.clear()
        self.standing.clear()

    def forget_served(self) -> None:
        """What a name gives has changed, and slots tell of it."""
        self.slots.clear()
