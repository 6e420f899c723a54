"""Who has asked how often of late: what one process remembers of its accounts, and no more of them than fit.

Rule: nothing is refused here but by `core.limits`; what was forgotten begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import TypeVar

from mailseal.core.limits import Bucket, Rate, after_request

K = TypeVar("K")
T = TypeVar("T")


class Rates:
    """The buckets of the accounts that have a rate, one for each region; the least recently used goes first.

    Only proven requests get here, so an account's bucket is nobody else's to empty.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def pass_one(self, account_id: str, region: str, rate: Rate | None, now: datetime) -> None:
        """Lets one request through; raises TooManyRequests."""
        if rate is None:
            return
        place = (account_id, region)
        bucket = after_request(self._buckets.get(place), rate, now)
        remember(self._buckets, place, bucket, self._capacity)


def remember(kept: OrderedDict[K, T], name: K, value: T, capacity: int) -> None:
    """Keeps a value under a name; beyond the capacity the least recently used goes."""
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > capacity:
        kept.popitem(last=False)
