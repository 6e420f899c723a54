"""Asking the DNS for key records without a server: the configured resolvers, a sandbox's, or the system's.

Rule: what could not be asked is never reported as absent; no message and no key leaves this machine.
References: RFC 6376 §3.6.2, RFC 6376 §6.1.2; docs/cli.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailseal.app.parts import make_resolver
from mailseal.cli.asking import SANDBOX_PLACE
from mailseal.cli.init import system_resolvers
from mailseal.cli.options import given
from mailseal.config import SetupError, find_config, load_config
from mailseal.core.observations import Observation, Outcome, Question, RecordType
from mailseal.dkim.verify import KeyAnswer, KeyFound, NoKey
from mailseal.resolver.asking import DnsResolver
from mailseal.sandbox.settings import read_place


def look_up_keys(names: Sequence[str], resolvers: Sequence[str]) -> Mapping[str, Observation]:
    """What the first resolver with a usable answer says about each name; raises SetupError."""
    if not names:
        return {}
    resolver = _resolver(resolvers)
    questions = [Question(name, RecordType.TXT) for name in dict.fromkeys(names)]

    async def ask() -> tuple[Observation, ...]:
        return await resolver.look_up(questions)

    return {seen.question.name: seen for seen in asyncio.run(ask())}


def answer_of(seen: Observation | None) -> KeyAnswer:
    """What an observation comes to for a verifier."""
    if seen is None or seen.outcome in (Outcome.TEMPORARY, Outcome.BOGUS):
        return NoKey.UNAVAILABLE
    if seen.outcome is Outcome.ANSWER and seen.texts:
        return KeyFound(seen.texts)
    return NoKey.NOT_FOUND


def _resolver(resolvers: Sequence[str]) -> DnsResolver:
    if resolvers:
        return _of_vantages(resolvers)
    path = find_config(given("config"), os.environ)
    if path is not None:
        return make_resolver(load_config(path, os.environ))
    place = read_place(Path(os.environ.get("MAILSEAL_CHECKOUT", ""), *SANDBOX_PLACE))
    return _of_vantages([f"udp://{place.customers_dns}"] if place else system_resolvers())


def _of_vantages(vantages: Sequence[str]) -> DnsResolver:
    try:
        return DnsResolver(vantages)
    except ValueError as fault:
        raise SetupError(str(fault), do="--resolver udp://192.0.2.53:53") from None
