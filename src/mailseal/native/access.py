"""The native API's paths for accounts and access keys: the operator's, and in a sandbox everybody's.

Rule: an access key makes no other one; a secret is in one answer only, that of the call that made it.
References: docs/decisions/0010-access.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mailseal.core.access import (
    AccessKey,
    Account,
    parse_access_key_id,
    parse_account_id,
    parse_label,
    parse_permissions,
    parse_secret,
)
from mailseal.core.errors import AccessDenied, BadRequest
from mailseal.core.limits import Limits, Rate, parse_identities, parse_rate
from mailseal.core.smtpaccess import SMTP_ACTION, smtp_password
from mailseal.native import accessshapes
from mailseal.native.calls import parsed
from mailseal.native.objects import Members, rfc3339
from mailseal.native.parameters import ACCOUNT
from mailseal.native.routes import Call, Route
from mailseal.service import access
from mailseal.service.access import AccountReport


class AccountWish(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that makes or changes an account; what is absent stays, null is no limit."""

    account: str = ""
    label: str | None = None
    identities: int | msgspec.UnsetType | None = msgspec.UNSET
    rate: int | msgspec.UnsetType | None = msgspec.UNSET
    burst: int | None = None


class NewAccessKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that makes an access key, or with an id and a secret brings one over."""

    account: str = ""
    label: str = ""
    allow: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    access_key_id: str = ""
    secret_access_key: str = ""

    def __repr__(self) -> str:
        return "NewAccessKey(…)"


class NewSmtpUser(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that makes an access key for mail submission alone."""

    account: str = ""
    label: str = ""
    identities: tuple[str, ...] = ()
    region: str = ""


class Switch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body that enables or disables an access key."""

    enabled: bool


async def list_accounts(call: Call) -> Members:
    """Every account with what it holds."""
    check_operator(call)
    found = await access.list_accounts(call.world)
    return {"items": [account_members(one) for one in found], "next": None}


async def create_account(call: Call) -> Members:
    """The account that was created."""
    check_operator(call)
    wish = parsed(call.body, AccountWish)
    account_id = parse_account_id(wish.account) if wish.account else ""
    wanted = _account(Account(account_id), wish)
    return account_members(await access.create_account(call.world, wanted, call.now))


async def show_account(call: Call) -> Members:
    """One account with what it holds."""
    check_operator(call)
    return account_members(await access.show_account(call.world, call.name))


async def set_account(call: Call) -> Members:
    """The account with the limits that were asked for."""
    check_operator(call)
    wish = parsed(call.body, AccountWish)
    if wish.account not in {"", call.name}:
        raise BadRequest("The account of the path and that of the body are two.")
    known = await access.show_account(call.world, call.name)
    return account_members(await access.set_account(call.world, _account(known.account, wish)))


async def list_access_keys(call: Call) -> Members:
    """The access keys of an account, without their secrets."""
    check_operator(call)
    account_id = call.query.get("account") or call.who.account_id
    found = await access.list_access_keys(call.world, account_id)
    return {"account": account_id, "items": [key_members(one) for one in found], "next": None}


async def create_access_key(call: Call) -> Members:
    """The access key that was made, its secret with it; one that was brought over comes without."""
    check_operator(call)
    new = parsed(call.body, NewAccessKey)
    if bool(new.access_key_id) != bool(new.secret_access_key):
        raise BadRequest("A key that is brought over has both access_key_id and secret_access_key.")
    is_given = bool(new.access_key_id)
    secret = parse_secret(new.secret_access_key) if is_given else access.new_secret()
    key = AccessKey(
        parse_access_key_id(new.access_key_id) if is_given else access.new_access_key_id(),
        parse_account_id(new.account) if new.account else call.who.account_id,
        secret,
        permissions=parse_permissions(new.allow, new.identities),
        label=parse_label(new.label),
    )
    stored = key_members(await access.add_access_key(call.world, key, call.now))
    return stored if is_given else stored | {"secret_access_key": secret}


async def create_smtp_user(call: Call) -> Members:
    """The access key that was made, with the SMTP password of one region instead of its secret."""
    check_operator(call)
    new = parsed(call.body, NewSmtpUser)
    region = new.region or call.world.regions[0]
    if region not in call.world.regions:
        raise BadRequest(
            f"This installation does not serve the region {region!r}.",
            hint=f"It serves {', '.join(call.world.regions)}.",
        )
    key = AccessKey(
        access.new_access_key_id(),
        parse_account_id(new.account) if new.account else call.who.account_id,
        access.new_secret(),
        permissions=parse_permissions((SMTP_ACTION,), new.identities),
        label=parse_label(new.label),
    )
    stored = key_members(await access.add_access_key(call.world, key, call.now))
    password = smtp_password(key.secret, region)
    return stored | {"region": region, "smtp_username": key.access_key_id, "smtp_password": password}


async def set_access_key(call: Call) -> Members:
    """The access key, enabled or disabled."""
    check_operator(call)
    wanted = parsed(call.body, Switch)
    return key_members(await access.set_access_key_enabled(call.world, call.name, wanted.enabled))


async def delete_access_key(call: Call) -> Members:
    """The access key that is gone."""
    check_operator(call)
    return key_members(await access.delete_access_key(call.world, call.name)) | {"deleted": True}


ROUTES = (
    Route("GET", "accounts", "ListAccounts", list_accounts, accessshapes.AccountPage),
    Route("POST", "accounts", "CreateAccount", create_account, accessshapes.Account, AccountWish),
    Route("GET", "accounts/{account}", "ShowAccount", show_account, accessshapes.Account),
    Route("PUT", "accounts/{account}", "SetAccount", set_account, accessshapes.Account, AccountWish),
    Route(
        "GET", "access-keys", "ListAccessKeys", list_access_keys, accessshapes.AccessKeyPage, query=(ACCOUNT,)
    ),
    Route("POST", "access-keys", "CreateAccessKey", create_access_key, accessshapes.AccessKey, NewAccessKey),
    Route("POST", "smtp-users", "CreateSmtpUser", create_smtp_user, accessshapes.AccessKey, NewSmtpUser),
    Route("PUT", "access-keys/{access-key}", "SetAccessKey", set_access_key, accessshapes.AccessKey, Switch),
    Route("DELETE", "access-keys/{access-key}", "DeleteAccessKey", delete_access_key, accessshapes.AccessKey),
)


def account_members(report: AccountReport) -> Members:
    """An account as JSON members."""
    account, rate = report.account, report.account.limits.rate
    return {
        "account": account.account_id,
        "label": account.label,
        "created_at": rfc3339(account.created_at),
        "limits": {
            "identities": account.limits.identities,
            "rate": rate.per_second if rate else None,
            "burst": rate.burst if rate else None,
        },
        "identities": dict(report.identities),
        "access_keys": report.access_keys,
    }


def key_members(key: AccessKey) -> Members:
    """An access key as JSON members; its secret is not among them."""
    return {
        "access_key_id": key.access_key_id,
        "account": key.account_id,
        "label": key.label,
        "enabled": key.enabled,
        "allow": list(key.permissions.actions),
        "identities": list(key.permissions.identities),
        "created_at": rfc3339(key.created_at),
        "is_sandbox_key": key.is_sandbox_key,
    }


def check_operator(call: Call) -> None:
    """Raises AccessDenied for whoever signs with an access key."""
    if not call.who.is_operator:
        raise AccessDenied(
            "Accounts and access keys are the operator's.",
            hint="Ask over the control socket: mailseal access or mailseal account, on the server itself.",
        )


def _account(known: Account, wish: AccountWish) -> Account:
    """The account as it is wished; raises BadRequest."""
    label = known.label if wish.label is None else parse_label(wish.label)
    identities: Any = known.limits.identities if wish.identities is msgspec.UNSET else wish.identities
    if identities is not None:
        parse_identities(identities)
    return Account(
        known.account_id, label, Limits(identities, _rate(known.limits.rate, wish)), known.created_at
    )


def _rate(known: Rate | None, wish: AccountWish) -> Rate | None:
    if wish.rate is msgspec.UNSET:
        if wish.burst is None:
            return known
        if known is None:
            raise BadRequest("A burst belongs to a rate.", hint="Say both.")
        return parse_rate(known.per_second, wish.burst)
    if wish.rate is None:
        return None
    return parse_rate(wish.rate, wish.burst)
