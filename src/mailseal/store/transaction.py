"""One transaction, cut by what is stored.

Rule: made once for a connection and used again by each unit on it; beyond a unit it keeps nothing.
"""

from __future__ import annotations

from mailseal.store.access import AccessKeys
from mailseal.store.addresses import Addresses
from mailseal.store.answers import Answers
from mailseal.store.attributes import AttributeRows, PolicyRows
from mailseal.store.bearer import BearerTokens
from mailseal.store.configsets import ConfigurationSets
from mailseal.store.engine import Execute
from mailseal.store.events import Events, EvidenceReports
from mailseal.store.identities import Identities
from mailseal.store.installation import Installation
from mailseal.store.journal import Journal, ZoneServers
from mailseal.store.keys import Keys
from mailseal.store.loaded import Loaded
from mailseal.store.mailfrom import MailFromRows
from mailseal.store.operators import Operators
from mailseal.store.retired import RetiredKeys
from mailseal.store.settings import Settings
from mailseal.store.sharing import ShareLinks
from mailseal.store.slots import SlotRows
from mailseal.store.zone import Zone


class Transaction:
    """The tables as one transaction sees them (`Tx` in service/world.py, by shape)."""

    def __init__(self, execute: Execute) -> None:
        self._loaded = loaded = Loaded()
        self.keys = Keys(execute)
        self.retired_keys = RetiredKeys(execute)
        self.zone = Zone(execute, loaded)
        self.journal = Journal(execute)
        self.zone_servers = ZoneServers(execute)
        self.slots = SlotRows(execute, self.keys, self.zone, loaded)
        settings = Settings(execute, self.slots, loaded)
        self.identities = Identities(execute, settings, self.slots, loaded)
        self.addresses = Addresses(execute)
        self.events = Events(execute)
        self.evidence = EvidenceReports(execute)
        self.access_keys = AccessKeys(execute)
        self.installation = Installation(execute)
        self.answers = Answers(execute)
        self.attributes = AttributeRows(execute)
        self.policies = PolicyRows(execute)
        self.mail_from = MailFromRows(execute)
        self.configuration_sets = ConfigurationSets(execute)
        self.operators = Operators(execute)
        self.share_links = ShareLinks(execute)
        self.bearer_tokens = BearerTokens(execute)

    def begin(self) -> None:
        """Another unit begins: what earlier ones have loaded may no longer be so."""
        self._loaded.forget()
