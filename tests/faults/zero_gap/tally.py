"""What the rig counts, and its one line that a machine reads."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

SHOWN = 20


@dataclass
class Tally:
    """Counts by name, and sentences about what must not be."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, number: int = 1) -> None:
        """Counts something."""
        self.counts[name] += number

    def fail(self, name: str, sentence: str) -> None:
        """Counts something that must not be, and keeps the first sentences about it."""
        self.counts[name] += 1
        if len(self.wrong) < SHOWN:
            self.wrong.append(f"{name}: {sentence}")

    def line(self, name: str, fields: tuple[str, ...], **more: object) -> str:
        """One line of JSON: the counts that were named, zero where nothing was counted."""
        return json.dumps({"rig": name, **{one: self.counts[one] for one in fields}, **more})
