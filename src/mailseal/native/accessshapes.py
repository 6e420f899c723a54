"""What the objects about accounts, access keys, tokens and operators look like, for the OpenAPI document.

Rule: types alone, as in native/shapes.py; a secret is in the answer that made it, and in no other.
References: docs/api.md.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from mailseal.native.shapes import Stamp


class Limits(TypedDict):
    """An account's limits; null is no limit."""

    identities: int | None
    rate: int | None
    burst: int | None


class Account(TypedDict):
    """An account with what it holds."""

    account: str
    label: str
    created_at: Stamp | None
    limits: Limits
    identities: dict[str, int]
    access_keys: int


class AccountPage(TypedDict):
    """All accounts."""

    items: list[Account]
    next: str | None


class AccessKey(TypedDict):
    """An access key; secrets are in the answer that made it, and in no other."""

    access_key_id: str
    account: str
    label: str
    enabled: bool
    allow: list[str]
    identities: list[str]
    created_at: Stamp | None
    is_sandbox_key: bool
    secret_access_key: NotRequired[str]
    smtp_username: NotRequired[str]
    smtp_password: NotRequired[str]
    region: NotRequired[str]
    deleted: NotRequired[bool]


class BearerToken(TypedDict):
    """A bearer token; the token itself is in the answer that made it, and in no other."""

    token_id: str
    account: str
    label: str
    allow: list[str]
    identities: list[str]
    created_at: Stamp
    expires_at: Stamp | None
    token: NotRequired[str]


class BearerTokenPage(TypedDict):
    """The bearer tokens of an account."""

    account: str
    items: list[BearerToken]
    next: str | None


class DeletedToken(TypedDict):
    """The token that opens nothing any more."""

    token_id: str
    deleted: bool


class AccessKeyPage(TypedDict):
    """The access keys of an account."""

    account: str
    items: list[AccessKey]
    next: str | None


class Operator(TypedDict):
    """Somebody who may sign in to the console; a password is in the answer that made it, and in no other."""

    operator: str
    created_at: Stamp
    resting: bool
    url: str
    password: NotRequired[str]
    deleted: NotRequired[bool]


class OperatorPage(TypedDict):
    """Everybody who may sign in to the console."""

    items: list[Operator]
    next: str | None
