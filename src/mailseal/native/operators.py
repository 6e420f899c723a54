"""The native API's paths for operators of the console: whoever runs the installation makes them.

Rule: a password is in no answer but that of the call that made it, and where it was given, in none.
References: docs/decisions/0022-console.md.
"""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from mailseal.core.errors import AccessDenied
from mailseal.core.operators import Operator, parse_operator_name, parse_password
from mailseal.native import accessshapes
from mailseal.native.calls import parsed
from mailseal.native.objects import Members, rfc3339
from mailseal.native.routes import Call, Route
from mailseal.passwords import hash_password
from mailseal.service import signin

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _LETTERS = 5, 4


class OperatorWish(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that makes an operator or gives one another password; without one it is made."""

    name: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return "OperatorWish(…)"


async def list_operators(call: Call) -> Members:
    """Everybody who may sign in to the console."""
    _operator(call)
    found = await signin.list_operators(call.world)
    return {"items": [_members(one, call) for one in found], "next": None}


async def create_operator(call: Call) -> Members:
    """The operator who was created, with the password where it was made here."""
    _operator(call)
    wish = parsed(call.body, OperatorWish)
    name = parse_operator_name(wish.name)
    password = parse_password(wish.password) if wish.password else _new_password()
    stored = await asyncio.to_thread(hash_password, password)
    made = await signin.create_operator(call.world, name, stored, call.world.clock.real_now())
    return _members(made, call) | ({} if wish.password else {"password": password})


async def set_operator(call: Call) -> Members:
    """The operator with another password, signed out everywhere."""
    _operator(call)
    wish = parsed(call.body, OperatorWish)
    password = parse_password(wish.password) if wish.password else _new_password()
    stored = await asyncio.to_thread(hash_password, password)
    changed = await signin.set_password(call.world, call.name, stored)
    return _members(changed, call) | ({} if wish.password else {"password": password})


async def delete_operator(call: Call) -> Members:
    """The operator who is gone, signed out everywhere."""
    _operator(call)
    return _members(await signin.delete_operator(call.world, call.name), call) | {"deleted": True}


ROUTES = (
    Route("GET", "operators", "ListOperators", list_operators, accessshapes.OperatorPage),
    Route("POST", "operators", "CreateOperator", create_operator, accessshapes.Operator, OperatorWish),
    Route("PUT", "operators/{operator}", "SetOperator", set_operator, accessshapes.Operator, OperatorWish),
    Route("DELETE", "operators/{operator}", "DeleteOperator", delete_operator, accessshapes.Operator),
)


def _members(operator: Operator, call: Call) -> Members:
    return {
        "operator": operator.name,
        "created_at": rfc3339(operator.created_at),
        "resting": operator.rests(call.world.clock.real_now()),
        "url": f"{call.world.links.public_url}/console/",
    }


def _new_password() -> str:
    """A password that nobody has: 20 letters and digits in groups, 99 bits of chance."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


def _operator(call: Call) -> None:
    """Raises AccessDenied for whoever signs with an access key."""
    if not call.who.is_operator:
        raise AccessDenied(
            "Operators are made on the server itself.", hint="mailseal access operator create NAME"
        )
