"""What is inside of all doors: the database, the keyring and the world, opened and checked.

Rule: nothing listens here; a second process is kept out by the database's lock. The server opens it for good,
the command-line program for one question.
References: docs/operating.md; ARCHITECTURE.md.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from mailseal.app.carriers import also_confirm_of, secondaries_of
from mailseal.app.counting import TimedNextHop
from mailseal.app.database import Database, open_database, peek_installation
from mailseal.app.installation import (
    FIRST_ACCOUNT,
    add_access_key,
    open_installation,
    opened_again,
    refuse_sandbox_key,
    settle_master_key,
)
from mailseal.app.parts import (
    SystemClock,
    hosted_zone_of,
    links_of,
    mail_from_hosts_of,
    make_next_hop,
    make_resolver,
    own_key_rate_of,
    policy_of,
    region_zones_of,
)
from mailseal.app.signing import operator_domain_of, sign_options_of, start_batches
from mailseal.app.suffixes import public_suffixes
from mailseal.app.surroundings import make_surroundings
from mailseal.config import Config, data_folder
from mailseal.core.access import AccessKey
from mailseal.core.policy import Policy
from mailseal.keymaking import ChildKeyMaker
from mailseal.nameserver.secondaries import DnsServers
from mailseal.native.http import Application
from mailseal.sealing.succession import Opened, open_keyring
from mailseal.service.surroundings import Arrivals
from mailseal.service.world import Clock, Resolver, World
from mailseal.smtp.maildir import MaildirNextHop
from mailseal.smtp.nexthop import SmtpNextHop
from mailseal.telemetry import LibraryLog, Line, Sink, Telemetry
from mailseal.worker import Bells


@dataclass(frozen=True, slots=True)
class Edges:
    """What a sandbox or a test puts in the place of the real world's edges."""

    clock: Clock = field(default_factory=SystemClock)
    pace: float = 1.0
    """Seconds of the clock that pass in a real one."""
    policy: Callable[[Policy], Policy] | None = None
    resolver: Resolver | None = None
    access_keys: tuple[AccessKey, ...] = ()
    """Keys that are to exist; a database may hold the sandbox's key only where it is one of these."""
    sandbox: Callable[[World, str], Application] | None = None
    """Makes the application for /mailseal/v1/sandbox/ of the world and the API's URL."""
    guests: str | None = None
    """The account of whoever signs with a key that does not exist; None, and nobody is let in so."""
    on_log: Sink | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """An opened installation."""

    store: Database
    world: World
    telemetry: Telemetry
    bells: Bells
    next_hop: SmtpNextHop | MaildirNextHop
    account: str
    """The account that an operator acts for who names none."""
    failed: asyncio.Future[str]
    """Done, with the reason, when the database can no longer be written: the process has to end."""
    arrivals: Arrivals


async def open_inside(
    config: Config, edges: Edges, parts: AsyncExitStack, *, api_url: str = "", holder: str = "mailseal serve"
) -> Inside:
    """The installation of a configuration, to be closed by `parts`; raises SetupError or StartRefused.

    `api_url` is where the API answers, if it does already.
    """
    zone = hosted_zone_of(config)
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    provider = config.store.master_key
    # Before the database is opened, since opening it may change it.
    peeked = await asyncio.to_thread(peek_installation, config)
    opened = await asyncio.to_thread(open_keyring, provider, peeked, data_dir=data_folder(config))
    store, clock = await open_database(config, edges.clock, holder, failed, parts)
    opened = await opened_again(store, peeked, opened, provider)
    keyring = opened.keyring
    region_zones = region_zones_of(config)
    derivation = await _settled(store, edges, opened, (zone, *region_zones.values()))
    telemetry = _telemetry(edges, parts)
    if opened.outdated:
        telemetry.say("master key replaced", text=f'write [store] master_key = "{opened.outdated}"')
    next_hop = _next_hop(config, parts)
    bells = Bells()
    account = await store.read(lambda tx: next(iter(tx.access_keys.accounts()), FIRST_ACCOUNT))
    resolver = make_resolver(config)
    signer = await start_batches(config, keyring, telemetry)
    surroundings = make_surroundings(config, resolver, next_hop, signer)
    world = World(
        store=store,
        keyring=keyring,
        key_maker=_key_maker(telemetry, parts),
        resolver=edges.resolver or resolver,
        next_hop=TimedNextHop(next_hop, telemetry),
        clock=clock,
        policy=(edges.policy or _unchanged)(policy_of(config)),
        hosted_zone=zone,
        region_zones=region_zones,
        mail_from_hosts=mail_from_hosts_of(config),
        links=links_of(config, api_url, account),
        regions=config.api.regions,
        token_secret=derivation,
        stock_target={2048: config.keys.stock_2048, 1024: config.keys.stock_1024},
        own_key_rate=own_key_rate_of(config),
        refill_per_minute=config.keys.refill_per_minute,
        stock_missed=partial(_count_key, telemetry, "mailseal_stock_misses_total"),
        new_id=lambda: secrets.token_hex(16),
        jitter=partial(secrets.SystemRandom().uniform, -1, 1),
        wake_publisher=bells.publisher.set,
        wake_worker=bells.worker.set,
        alarm=partial(_alarm, telemetry),
        lenient_private_key=config.ses.lenient_private_key,
        name_servers=DnsServers(secondaries_of(config), also_confirm_of(config), notify=config.dns.notify),
        suffixes=public_suffixes(),
        sign_options=sign_options_of(config),
        operator_domain=operator_domain_of(config),
        surroundings=surroundings,
    )
    return Inside(store, world, telemetry, bells, next_hop, account, failed, surroundings.arrivals)


async def _settled(store: Database, edges: Edges, opened: Opened, zones: Sequence[str]) -> bytes:
    """The secret that tokens are derived from, once all that has to be in the database is there."""
    if not any(key.is_sandbox_key for key in edges.access_keys):
        await refuse_sandbox_key(store)
    derivation = await open_installation(store, opened.keyring, zones, opened.values)
    await settle_master_key(store, opened)
    for key in edges.access_keys:
        await add_access_key(store, opened.keyring, key, edges.clock.now())
    return derivation


def _next_hop(config: Config, parts: AsyncExitStack) -> SmtpNextHop | MaildirNextHop:
    next_hop = make_next_hop(config)
    parts.push_async_callback(next_hop.close)
    return next_hop


def _unchanged(policy: Policy) -> Policy:
    """The policy that the configuration sets, where no edge wants another."""
    return policy


def _telemetry(edges: Edges, parts: AsyncExitStack) -> Telemetry:
    """The telemetry, which from now on also hears what libraries log."""
    telemetry = Telemetry(edges.on_log or _nowhere, edges.clock.real_now)
    handler = LibraryLog(telemetry)
    logging.getLogger().addHandler(handler)
    parts.callback(logging.getLogger().removeHandler, handler)
    return telemetry


def _key_maker(telemetry: Telemetry, parts: AsyncExitStack) -> ChildKeyMaker:
    """The maker of keys, to be closed by `parts`; each key that it makes is counted."""
    maker = ChildKeyMaker(on_made=partial(_count_key, telemetry, "mailseal_keys_made_total"))
    parts.push_async_callback(maker.close)
    return maker


def _count_key(telemetry: Telemetry, metric: str, bits: int) -> None:
    telemetry.count(metric, bits=str(bits))


def _alarm(telemetry: Telemetry, name: str, text: str) -> None:
    """One line and one count more for a row that does not open."""
    telemetry.count("mailseal_alarms_total")
    telemetry.say("alarm", identity=name, text=text)


def _nowhere(line: Line) -> None:
    """Nobody asked for lines."""
