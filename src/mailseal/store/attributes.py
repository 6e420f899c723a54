"""What stands beside identities: attributes with tags, and policies.

Rule: keyed by (account, region, name), whatever kind of identity has the name; no row means the defaults.
References: AWS SESv2 Tag, AWS SESv2 PolicyMap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mailseal.core.attributes import DEFAULTS, Attributes
from mailseal.core.commands import Tag
from mailseal.store.engine import Execute

# attributes.load: those of one identity.
_LOAD = """
SELECT feedback_forwarding, configuration_set, tags FROM attributes
WHERE account_id = ? AND region = ? AND name = ?
"""

# attributes.save: the one row of an identity.
_SAVE = """
INSERT INTO attributes (account_id, region, name, feedback_forwarding, configuration_set, tags)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id, region, name) DO UPDATE SET feedback_forwarding = excluded.feedback_forwarding,
    configuration_set = excluded.configuration_set, tags = excluded.tags
"""

# attributes.delete: an identity goes, or everything about it is the default again.
_DELETE = "DELETE FROM attributes WHERE account_id = ? AND region = ? AND name = ?"

# attributes.leave_configuration_set: a configuration set goes, no identity names it any more.
_LEAVE = """
UPDATE attributes SET configuration_set = NULL WHERE account_id = ? AND region = ? AND configuration_set = ?
"""

# policies.load: those of one identity, in the order of their names.
_POLICIES = """
SELECT policy_name, text FROM policies WHERE account_id = ? AND region = ? AND name = ? ORDER BY policy_name
"""

# policies.put: one policy, new or in the place of the old text.
_PUT_POLICY = """
INSERT INTO policies (account_id, region, name, policy_name, text) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id, region, name, policy_name) DO UPDATE SET text = excluded.text
"""

# policies.delete: one policy.
_DELETE_POLICY = """
DELETE FROM policies WHERE account_id = ? AND region = ? AND name = ? AND policy_name = ?
"""

# policies.delete_all: an identity goes.
_DELETE_POLICIES = "DELETE FROM policies WHERE account_id = ? AND region = ? AND name = ?"


class AttributeRows:
    """The table attributes."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, account_id: str, region: str, name: str) -> Attributes:
        """The attributes of an identity, the defaults where none were set."""
        for forwarding, configuration_set, tags in self._execute(_LOAD, (account_id, region, name)):
            return Attributes(bool(forwarding), configuration_set, tags_from(tags))
        return DEFAULTS

    def save(self, account_id: str, region: str, name: str, attributes: Attributes) -> None:
        """Keeps the attributes of an identity."""
        if attributes == DEFAULTS:
            self.delete(account_id, region, name)
            return
        values = (int(attributes.feedback_forwarding), attributes.configuration_set)
        self._execute(_SAVE, (account_id, region, name, *values, tags_text(attributes.tags)))

    def delete(self, account_id: str, region: str, name: str) -> None:
        """Forgets the attributes of an identity."""
        self._execute(_DELETE, (account_id, region, name))

    def leave_configuration_set(self, account_id: str, region: str, configuration_set: str) -> None:
        """Takes a configuration set away from every identity that has it."""
        self._execute(_LEAVE, (account_id, region, configuration_set))


class PolicyRows:
    """The table policies."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, account_id: str, region: str, name: str) -> Mapping[str, str]:
        """The policies of an identity by their names."""
        return dict(self._execute(_POLICIES, (account_id, region, name)))

    def put(self, account_id: str, region: str, name: str, policy_name: str, text: str) -> None:
        """Keeps a policy, instead of the one of that name if there is one."""
        self._execute(_PUT_POLICY, (account_id, region, name, policy_name, text))

    def delete(self, account_id: str, region: str, name: str, policy_name: str) -> None:
        """Forgets one policy."""
        self._execute(_DELETE_POLICY, (account_id, region, name, policy_name))

    def delete_all(self, account_id: str, region: str, name: str) -> None:
        """Forgets all policies of an identity."""
        self._execute(_DELETE_POLICIES, (account_id, region, name))


def tags_from(text: str) -> tuple[Tag, ...]:
    """The tags that a column holds."""
    return tuple(Tag(key, value) for key, value in json.loads(text))


def tags_text(tags: Sequence[Tag]) -> str:
    """What a column holds for tags."""
    return json.dumps([[tag.key, tag.value] for tag in tags], ensure_ascii=False)
