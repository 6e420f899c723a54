"""Accounts, access keys, who is asking, and what they may do.

Rule: rules and values only; a secret is never in a repr. What is permitted is decided by `permits` and
nowhere else: an allow list, and what it does not name is denied.
References: AWS Signature Version 4; AWS Identity and Access Management, "How policy evaluation works".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from mailseal.core.errors import AccessDenied, BadRequest, SignatureDoesNotMatch
from mailseal.core.limits import USUAL, Limits
from mailseal.core.names import identity_arn

NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
REPLICATE = "ses:ReplicateEmailIdentityDKIMSigningKey"
"""The action that a replica's maker needs on the parent; no operation has this name."""

_ACCOUNT_ID = re.compile(r"[0-9]{12}\Z")
_KEY_ID = re.compile(r"[A-Za-z0-9_.+=@-]{1,128}\Z")
_SECRET = re.compile(r"[!-~]{1,128}\Z")
_ACTION = re.compile(r"(?:\*|ses:[A-Za-z0-9*]+)\Z")
_IDENTITY = re.compile(r"[!-~]{1,320}\Z")
_LABEL_AT_MOST = 64
_PATTERNS_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Permissions:
    """What an access key may do: patterns of actions, and of the identities that they may concern."""

    actions: tuple[str, ...] = ("*",)
    identities: tuple[str, ...] = ("*",)


EVERYTHING = Permissions()


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant: owner of identities and access keys."""

    account_id: str
    label: str = ""
    limits: Limits = USUAL
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An account's key for signing requests; the sandbox's fixed key is no secret and marked as such."""

    access_key_id: str
    account_id: str
    secret: str = field(default="", repr=False)
    enabled: bool = True
    is_sandbox_key: bool = False
    permissions: Permissions = EVERYTHING
    label: str = ""
    created_at: datetime | None = field(default=None, compare=False)
    limits: Limits = field(default=USUAL, compare=False)
    """Its account's; read with every load, never stored with the key."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who made this request, and in which region: proven, not claimed."""

    account_id: str
    region: str
    access_key_id: str
    permissions: Permissions = EVERYTHING
    is_operator: bool = False
    """Asks over the control socket, or owns the sandbox: may make accounts and access keys."""


def secret_name(access_key_id: str) -> str:
    """The name under which the keyring seals an access key's secret."""
    return f"access-key/{access_key_id}"


def usable(key: AccessKey | None) -> AccessKey | None:
    """The key if requests may be signed with it: it exists and is enabled."""
    return key if key is not None and key.enabled else None


def no_match() -> SignatureDoesNotMatch:
    """The one refusal for an unknown key, a disabled key and a wrong signature: they look alike."""
    return SignatureDoesNotMatch(
        NO_MATCH, hint="No enabled access key of that id and secret gives this signature for this request."
    )


def check_region(region: str, served: tuple[str, ...]) -> None:
    """Raises SignatureDoesNotMatch unless the credential's region is one that this installation serves."""
    if region not in served:
        raise SignatureDoesNotMatch(
            "Credential should be scoped to a valid region. ",
            hint=f"This installation serves {', '.join(served)}.",
        )


def permits(permissions: Permissions, action: str, name: str | None) -> bool:
    """Whether an action on the identity of that name is on the list; None: it concerns no single identity.

    Actions are compared without regard to case, as AWS does, and so is the domain of a name. What concerns no
    single identity needs the pattern `*`: a list of identities would tell of those that are not on the list.
    """
    if permissions is EVERYTHING:
        return True
    asked = action.lower()
    if not any(matches(pattern.lower(), asked) for pattern in permissions.actions):
        return False
    if name is None:
        return "*" in permissions.identities
    folded = _folded(name)
    return any(matches(_folded(pattern), folded) for pattern in permissions.identities)


def check_permission(who: Principal, action: str, name: str | None) -> None:
    """Raises AccessDenied, in AWS's words, unless the principal may do this."""
    if permits(who.permissions, action, name):
        return
    resource = "*" if name is None else identity_arn(who.region, who.account_id, name)
    raise AccessDenied(
        f"User: arn:aws:iam::{who.account_id}:user/{who.access_key_id} is not authorized to perform: "
        f"{action} on resource: {resource}"
    )


def matches(pattern: str, text: str) -> bool:
    """Whether the text is of the pattern, in which `*` stands for anything; never worse than linear.

    >>> matches("*.example.com", "mail.example.com"), matches("*.example.com", "example.com")
    (True, False)
    """
    first, *others = pattern.split("*")
    if not others:
        return pattern == text
    last = others.pop()
    if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in others:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def parse_permissions(actions: tuple[str, ...], identities: tuple[str, ...]) -> Permissions:
    """The permissions of these patterns, none meaning all; raises BadRequest for what is not a pattern."""
    for pattern in actions:
        if not _ACTION.match(pattern):
            raise BadRequest(
                "A pattern of actions is * or begins with ses:, as ses:SendEmail or ses:Get*.",
                hint="Only letters, digits and * may follow.",
            )
    for pattern in identities:
        if not _IDENTITY.match(pattern):
            raise BadRequest("A pattern of identities is a name in which * stands for anything.")
    if max(len(actions), len(identities)) > _PATTERNS_AT_MOST:
        raise BadRequest(f"An access key takes {_PATTERNS_AT_MOST} patterns of each kind at most.")
    found = Permissions(actions or ("*",), identities or ("*",))
    return EVERYTHING if "*" in found.actions and "*" in found.identities else found


def parse_account_id(text: str) -> str:
    """The account id: twelve digits; raises BadRequest."""
    if not _ACCOUNT_ID.match(text):
        raise BadRequest("An account id is twelve digits.", hint="As 000000000002.")
    return text


def parse_access_key_id(text: str) -> str:
    """The id of an access key as a signature can name it; raises BadRequest."""
    if not _KEY_ID.match(text):
        raise BadRequest("An access key id is 1 to 128 letters, digits and _ . + = @ -.")
    return text


def parse_secret(text: str) -> str:
    """The secret of an access key; raises BadRequest, which does not repeat it."""
    if not _SECRET.match(text):
        raise BadRequest("A secret is 1 to 128 printable ASCII characters without blanks.")
    return text


def parse_label(text: str) -> str:
    """A label for people; raises BadRequest."""
    if len(text) > _LABEL_AT_MOST or not text.isprintable():
        raise BadRequest(f"A label is at most {_LABEL_AT_MOST} printable characters.")
    return text


def _folded(name: str) -> str:
    """The name with its domain in lower case; the local part of an address is somebody else's business."""
    local, at, domain = name.rpartition("@")
    return f"{local}{at}{domain.lower()}"
