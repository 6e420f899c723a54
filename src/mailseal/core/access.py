"""Access keys and who is asking.

Rule: rules and values only; a secret is never in a repr.
References: AWS Signature Version 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An account's key for signing requests; the sandbox's fixed key is no secret and marked as such."""

    access_key_id: str
    account_id: str
    secret: str = field(default="", repr=False)
    enabled: bool = True
    is_sandbox_key: bool = False
