"""What the service needs of the store about what stands beside identities: attributes, policies, MAIL FROM
domains and configuration sets.

Rule: Protocols only, satisfied by shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailseal.core.attributes import Attributes
from mailseal.core.configsets import ConfigurationSet
from mailseal.core.mailfrom import MailFrom
from mailseal.core.stored import DueMailFrom


class AttributeRows(Protocol):
    """Attributes of identities by (account, region, name), whatever kind of identity has the name."""

    def load(self, account_id: str, region: str, name: str) -> Attributes:
        """The defaults where none were set."""

    def save(self, account_id: str, region: str, name: str, attributes: Attributes) -> None: ...

    def delete(self, account_id: str, region: str, name: str) -> None: ...

    def leave_configuration_set(self, account_id: str, region: str, configuration_set: str) -> None:
        """Takes a configuration set away from every identity that has it."""


class PolicyRows(Protocol):
    """Policies of identities, likewise."""

    def load(self, account_id: str, region: str, name: str) -> Mapping[str, str]: ...

    def put(self, account_id: str, region: str, name: str, policy_name: str, text: str) -> None: ...

    def delete(self, account_id: str, region: str, name: str, policy_name: str) -> None: ...

    def delete_all(self, account_id: str, region: str, name: str) -> None: ...


class MailFromRows(Protocol):
    """MAIL FROM domains of identities, likewise; one an identity at most."""

    def load(self, account_id: str, region: str, name: str) -> MailFrom | None: ...

    def save(
        self, account_id: str, region: str, name: str, mail_from: MailFrom, due_at: datetime | None
    ) -> None: ...

    def save_report(self, account_id: str, region: str, name: str, report: str) -> None: ...

    def report(self, account_id: str, region: str, name: str) -> str | None:
        """What the last check of the present domain saw."""

    def delete(self, account_id: str, region: str, name: str) -> None: ...

    def claim_due(self, now: datetime, lease_until: datetime, limit: int) -> Sequence[DueMailFrom]: ...

    def release(self, now: datetime, until: datetime) -> int: ...

    def next_due_at(self) -> datetime | None: ...


class ConfigurationSets(Protocol):
    """Configuration sets by name."""

    def load(self, account_id: str, region: str, name: str) -> ConfigurationSet | None: ...

    def save(self, account_id: str, region: str, wanted: ConfigurationSet) -> None: ...

    def delete(self, account_id: str, region: str, name: str) -> None: ...

    def list(
        self, account_id: str, region: str, *, after: str, contains: str | None, limit: int
    ) -> Sequence[str]:
        """Names in their order."""
