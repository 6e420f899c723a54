"""One request to the native API and its answer, whichever way they go.

Rule: values only; the ways are in `asking` and `offline`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from mailseal.sesv2.sigv4 import Target

PREFIX = "/mailseal/v1/"


@dataclass(frozen=True, slots=True)
class Question:
    """One request to the native API; `path` is below its prefix and percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None

    @property
    def target(self) -> Target:
        """The request line's parts."""
        query = urlencode(sorted(self.query.items()), quote_via=quote)
        return Target(self.method, (PREFIX + self.path).encode(), query.encode())

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and the server's Date."""

    status: int
    body: bytes
    date: str
