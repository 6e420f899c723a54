"""Use cases of the console's door: operators, and their sessions.

Rule: a wrong name, a wrong password and a name that rests get the same answer after the same work. A
session's secret is new at each sign-in and stored as its hash. Hashing is given by whoever calls: it is slow
and belongs off the event loop.
References: OWASP ASVS 5.0, session management.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from mailseal.core.errors import AccessDenied, AlreadyExists, NotFound
from mailseal.core.operators import (
    IDLE,
    LONGEST,
    SEEN_EVERY,
    Operator,
    Session,
    after_right_password,
    after_wrong_password,
    parse_operator_name,
)
from mailseal.service.world import Tx, World

Fits = Callable[[str], Awaitable[bool]]
"""Whether the password that was given fits what is stored; what is stored may be empty."""

REFUSED = "This name and password do not open the console."
REFUSED_HINT = "After five wrong passwords a name rests for 15 minutes."


async def create_operator(world: World, name: str, stored: str, now: datetime) -> Operator:
    """The operator that was created; raises AlreadyExists, BadRequest."""
    operator = Operator(parse_operator_name(name), now, stored)

    def unit(tx: Tx) -> Operator:
        if tx.operators.load(operator.name) is not None:
            raise AlreadyExists(f"Operator {operator.name} already exists.")
        tx.operators.save(operator)
        return operator

    return await world.store.write(unit)


async def set_password(world: World, name: str, stored: str) -> Operator:
    """The operator with another password, every session ended; raises NotFound."""

    def unit(tx: Tx) -> Operator:
        operator = after_right_password(replace(_operator(tx, name), password=stored))
        tx.operators.save(operator)
        tx.operators.end_all(operator.name)
        return operator

    return await world.store.write(unit)


async def delete_operator(world: World, name: str) -> Operator:
    """The operator who was there; raises NotFound."""

    def unit(tx: Tx) -> Operator:
        operator = _operator(tx, name)
        tx.operators.delete(operator.name)
        return operator

    return await world.store.write(unit)


async def list_operators(world: World) -> tuple[Operator, ...]:
    """Everybody who may sign in."""
    return await world.store.read(lambda tx: tuple(tx.operators.list()))


async def sign_in(world: World, name: str, fits: Fits, now: datetime) -> str:
    """The secret of a session that begins; raises AccessDenied, which says nothing of why."""
    known = await world.store.read(lambda tx: tx.operators.load(name.strip().lower()))
    resting = known is None or known.rests(now)
    is_right = await fits("" if known is None or resting else known.password)
    if known is None or resting:
        raise AccessDenied(REFUSED, hint=REFUSED_HINT)
    if not is_right:
        await world.store.write(
            lambda tx: tx.operators.save(after_wrong_password(_operator(tx, known.name), now))
        )
        raise AccessDenied(REFUSED, hint=REFUSED_HINT)
    return await world.store.write(lambda tx: _begun(tx, known.name, now))


async def enter_sandbox(world: World, now: datetime) -> str:
    """The secret of a session in a sandbox, where nobody is asked who they are."""

    def unit(tx: Tx) -> str:
        if tx.operators.load("sandbox") is None:
            tx.operators.save(Operator("sandbox", now))
        return _begun(tx, "sandbox", now)

    return await world.store.write(unit)


async def find_session(world: World, secret: str, now: datetime) -> Session | None:
    """The session of a cookie's secret, if it still counts."""
    hashed = session_hash(secret)
    found = await world.store.read(lambda tx: tx.operators.session(hashed))
    if found is None or not found.lasts(now):
        return None
    if now - found.seen_at > SEEN_EVERY:
        await world.store.write(lambda tx: tx.operators.see(hashed, now))
    return found


async def sign_out(world: World, secret: str) -> None:
    """Ends a session."""
    hashed = session_hash(secret)
    await world.store.write(lambda tx: tx.operators.end(hashed))


def session_hash(secret: str) -> str:
    """What is stored of a session's secret."""
    return hashlib.sha256(b"session\0" + secret.encode("utf-8", "replace")).hexdigest()


def _begun(tx: Tx, name: str, now: datetime) -> str:
    """The secret of a session that has begun; those that are over are forgotten."""
    secret = secrets.token_urlsafe(32)
    tx.operators.forget(now - LONGEST, now - IDLE)
    tx.operators.save(after_right_password(_operator(tx, name)))
    tx.operators.begin(Session(session_hash(secret), name, now, now))
    return secret


def _operator(tx: Tx, name: str) -> Operator:
    found = tx.operators.load(name.strip().lower())
    if found is None:
        raise NotFound(f"Operator {name} does not exist.", hint="mailseal access operator list")
    return found
