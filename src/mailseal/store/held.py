"""How many identities accounts have, known without counting them for each one that is made.

Rule: what is remembered is never less than the truth: it grows with every row that may be a new one, does not
shrink with those that go, and is forgotten where anything was rolled back. Only the one connection that
writes has it; who is near a limit is counted anew.
"""

from __future__ import annotations

from collections.abc import Callable

Place = tuple[str, str]
"""Account and region."""

_AT_MOST = 4096


class Held:
    """Upper bounds of how many identities there are, by account and region."""

    def __init__(self) -> None:
        self._bounds: dict[Place, int] = {}

    def add(self, account_id: str, region: str) -> None:
        """There may be one more."""
        place = (account_id, region)
        if place in self._bounds:
            self._bounds[place] += 1

    def forget(self) -> None:
        """Something was rolled back, and rows that had gone may be there again."""
        self._bounds.clear()

    def bound(self, account_id: str, region: str, at_most: int, count: Callable[[], int]) -> int:
        """A number that is not less than how many there are; from `at_most` on that number is `count`'s."""
        place = (account_id, region)
        bound = self._bounds.get(place)
        if bound is not None and bound < at_most:
            return bound
        held = count()
        self._bounds.pop(place, None)
        if held < at_most:
            if len(self._bounds) >= _AT_MOST:
                self._bounds.clear()
            self._bounds[place] = held
        return held
