"""Configuration sets: one row each, options as JSON text.

Rule: what is stored is given back as it came.
References: AWS SESv2 CreateConfigurationSetRequest, AWS SESv2 ListConfigurationSetsRequest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from mailseal.core.configsets import ConfigurationSet
from mailseal.store.attributes import tags_from, tags_text
from mailseal.store.engine import Execute
from mailseal.store.identities import like_pattern

# configuration_sets.load: one of them.
_LOAD = "SELECT options, tags FROM configuration_sets WHERE account_id = ? AND region = ? AND name = ?"

# configuration_sets.save: new, or in the place of its older state.
_SAVE = """
INSERT INTO configuration_sets (account_id, region, name, options, tags) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id, region, name) DO UPDATE SET options = excluded.options, tags = excluded.tags
"""

# configuration_sets.delete: one of them.
_DELETE = "DELETE FROM configuration_sets WHERE account_id = ? AND region = ? AND name = ?"

# configuration_sets.list: a page of names, in their order; a filter that is NULL lets everything through.
_LIST = """
SELECT name FROM configuration_sets
WHERE account_id = ? AND region = ? AND name > ?
    AND (CAST(? AS TEXT) IS NULL OR lower(name) LIKE ? ESCAPE '!')
ORDER BY name LIMIT ?
"""


class ConfigurationSets:
    """The table configuration_sets."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def load(self, account_id: str, region: str, name: str) -> ConfigurationSet | None:
        """The configuration set of that name, or None."""
        for options, tags in self._execute(_LOAD, (account_id, region, name)):
            return ConfigurationSet(name, json.loads(options), tags_from(tags))
        return None

    def save(self, account_id: str, region: str, wanted: ConfigurationSet) -> None:
        """Keeps a configuration set."""
        options = json.dumps(wanted.options, ensure_ascii=False)
        self._execute(_SAVE, (account_id, region, wanted.name, options, tags_text(wanted.tags)))

    def delete(self, account_id: str, region: str, name: str) -> None:
        """Forgets a configuration set."""
        self._execute(_DELETE, (account_id, region, name))

    def list(
        self, account_id: str, region: str, *, after: str, contains: str | None, limit: int
    ) -> Sequence[str]:
        """A page of names, at most `limit`; `contains` whatever the case of its letters."""
        part = None if contains is None else like_pattern(contains)
        rows = self._execute(_LIST, (account_id, region, after, part, part, limit))
        return [row[0] for row in rows]
