"""The MAIL FROM domain of an identity: set, taken away, and its records checked when they are due.

Rule: as in `verify`: claim under a lease → ask with no transaction open → load again, decide, save; a result
for a domain that is no longer the one asked about means nothing.
References: AWS SESv2 PutEmailIdentityMailFromAttributes, AWS SESv2 MailFromAttributes.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest
from mailseal.core.identity import Event
from mailseal.core.lifecycle import next_check_at
from mailseal.core.mailfrom import (
    MailFrom,
    PutMailFrom,
    expected_mail_from_records,
    mail_from_domain,
    with_mail_from,
    with_mail_from_check,
)
from mailseal.core.names import stored_name
from mailseal.core.observations import Observation, Trouble
from mailseal.core.stored import DueMailFrom
from mailseal.core.verification import CheckReport, absent_at_authorities, compare
from mailseal.service.beside import Place, require_identity
from mailseal.service.diagnose import Diagnosed, diagnosed, diagnosed_once
from mailseal.service.reports import format_report
from mailseal.service.verify import BATCH, LEASE, Checked
from mailseal.service.world import Tx, World


async def put_mail_from(world: World, who: Principal, command: PutMailFrom, now: datetime) -> None:
    """Sets the MAIL FROM domain of an identity, or takes it away where none is named; raises BadRequest."""
    place = (who.account_id, who.region, stored_name(command.name))
    unknown = BadRequest(f"Identity <{command.name}> does not exist.")

    def unit(tx: Tx) -> None:
        require_identity(tx, who, command.name, unknown)
        current = tx.mail_from.load(*place)
        if not command.domain:
            if current is not None:
                tx.mail_from.delete(*place)
                _tell(tx, place, now, f"MAIL FROM domain {current.domain} taken away")
            return
        domain = mail_from_domain(command.domain, command.name)
        wanted = with_mail_from(current, domain, command.on_failure, now)
        if wanted == current:
            return
        is_new = current is None or current.proof != wanted.proof
        due = now if is_new else _due(world, wanted, now)
        tx.mail_from.save(*place, wanted, due)
        if is_new:
            _tell(tx, place, now, f"MAIL FROM domain {domain}: search begun")

    await world.store.write(unit)
    world.wake_worker()


async def next_due_at(world: World) -> datetime | None:
    """When the next check of a MAIL FROM domain is due, or None."""
    return await world.store.read(lambda tx: tx.mail_from.next_due_at())


async def claim(world: World, at_most: int) -> tuple[DueMailFrom, ...]:
    """MAIL FROM domains that are due, claimed under a lease; where there are none nothing is written."""
    now = world.clock.now()
    due_at = await next_due_at(world)
    if due_at is None or due_at > now:
        return ()
    return await world.store.write(lambda tx: tuple(tx.mail_from.claim_due(now, now + LEASE, at_most)))


async def tick(world: World) -> tuple[Checked, ...]:
    """What came of every check that was due."""
    due = await claim(world, BATCH)
    results = await asyncio.gather(*(check(world, one) for one in due))
    return tuple(result for result in results if result is not None)


async def check(world: World, due: DueMailFrom, *, anew: bool = False) -> Checked | None:
    """One check from question to stored answer; None where the MAIL FROM domain is gone or another one.

    With `anew` it is also asked what is wrong where the picture is that of the last time.
    """
    place = (due.account_id, due.region, due.name)
    mail_from = await world.store.read(lambda tx: tx.mail_from.load(*place))
    if mail_from is None:
        return None
    report = await look_at(world, mail_from)
    above = mail_from.domain.partition(".")[2]
    if anew:
        found = await diagnosed(world, above, report, asked_for=False)
    else:
        kept = await world.store.read(lambda tx: tx.mail_from.report(*place))
        found = await diagnosed_once(world, above, kept, report)
    after = await _note(world, place, mail_from, found)
    if after is None:
        return None
    old, new = mail_from.proof.status, after.proof.status
    return Checked(mail_from.domain, old.value, new.value, old is not new, report.check.evidence)


async def check_now(world: World, who: Principal, name: str) -> None:
    """Checks the MAIL FROM domain of an identity at this moment, if it has one."""
    await check(world, DueMailFrom(who.account_id, who.region, stored_name(name)), anew=True)


async def look_at(world: World, mail_from: MailFrom) -> CheckReport:
    """What the DNS says about a MAIL FROM domain's records, asked in the order of `verify.look_at`."""
    expected = expected_mail_from_records(mail_from, world.mail_from_hosts)
    seen: tuple[Observation, ...] = ()
    zone, left_out, troubles = None, "", frozenset[Trouble]()
    if not mail_from.proof.was_proven or mail_from.proof.negatives:
        asked = await world.resolver.ask_authorities(
            mail_from.domain, [record.authority_question for record in expected]
        )
        seen, zone, left_out = asked.observations, asked.zone, asked.detail
        troubles = asked.troubles
    if not absent_at_authorities(expected, seen):
        seen += await world.resolver.ask_vantages([record.vantage_question for record in expected])
    return replace(compare(expected, seen), zone=zone, left_out=left_out, troubles=troubles)


async def _note(world: World, place: Place, asked: MailFrom, found: Diagnosed) -> MailFrom | None:
    now = world.clock.now()
    report = replace(found.report, check=world.breaker.judged(found.report.check))
    text = format_report(report, now, None, found.diagnoses, found.probes)

    def unit(tx: Tx) -> MailFrom | None:
        current = tx.mail_from.load(*place)
        if current is None or current.domain != asked.domain:
            return None
        after = with_mail_from_check(current, report, now, world.policy)
        tx.mail_from.save(*place, after, _due(world, after, now))
        tx.mail_from.save_report(*place, text)
        if after.proof.status is not current.proof.status:
            change = f"{current.proof.status} → {after.proof.status}"
            _tell(tx, place, now, f"MAIL FROM domain {after.domain}: {change}")
        return after

    return await world.store.write(unit)


def _due(world: World, mail_from: MailFrom, now: datetime) -> datetime | None:
    return next_check_at(mail_from.proof, now, world.policy, world.jitter())


def _tell(tx: Tx, place: Place, now: datetime, text: str) -> None:
    tx.events.append(*place, now, (Event("mail-from", text),))
