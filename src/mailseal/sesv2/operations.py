"""Which operation a request asks for, from its method and its path as received.

Rule: pure; routes on the undecoded path and decodes the identity's name exactly once, after the route is
found and the request's signature is proven. A path that could be read in two ways (dot or empty segments, an
encoded slash, overlong UTF-8) is refused, so the path that was signed, the path that was routed and the name
that is acted on are one.
References: AWS SESv2 PutEmailIdentityDkimSigningAttributes, whose path began with /v1 until December 2025;
AWS SESv2 ListEmailIdentities, which was a GET until autumn 2026. Both forms stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from mailseal.core.errors import BadRequest
from mailseal.sesv2.errors import UnknownOperation
from mailseal.sesv2.unserved import UNSERVED

SMALL_BODY = 1024 * 1024
MESSAGE_BODY = 56 * 1024 * 1024


class Operation(StrEnum):
    """The operations that Mailseal serves, by AWS's names."""

    CREATE_EMAIL_IDENTITY = "CreateEmailIdentity"
    GET_EMAIL_IDENTITY = "GetEmailIdentity"
    LIST_EMAIL_IDENTITIES = "ListEmailIdentities"
    DELETE_EMAIL_IDENTITY = "DeleteEmailIdentity"
    PUT_DKIM_ATTRIBUTES = "PutEmailIdentityDkimAttributes"
    PUT_DKIM_SIGNING_ATTRIBUTES = "PutEmailIdentityDkimSigningAttributes"
    SEND_EMAIL = "SendEmail"
    PUT_FEEDBACK_ATTRIBUTES = "PutEmailIdentityFeedbackAttributes"
    PUT_MAIL_FROM_ATTRIBUTES = "PutEmailIdentityMailFromAttributes"
    PUT_CONFIGURATION_SET_ATTRIBUTES = "PutEmailIdentityConfigurationSetAttributes"
    CREATE_POLICY = "CreateEmailIdentityPolicy"
    UPDATE_POLICY = "UpdateEmailIdentityPolicy"
    DELETE_POLICY = "DeleteEmailIdentityPolicy"
    GET_POLICIES = "GetEmailIdentityPolicies"
    TAG_RESOURCE = "TagResource"
    UNTAG_RESOURCE = "UntagResource"
    LIST_TAGS = "ListTagsForResource"
    CREATE_CONFIGURATION_SET = "CreateConfigurationSet"
    GET_CONFIGURATION_SET = "GetConfigurationSet"
    LIST_CONFIGURATION_SETS = "ListConfigurationSets"
    DELETE_CONFIGURATION_SET = "DeleteConfigurationSet"
    GET_ACCOUNT = "GetAccount"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: the operation, what its path names, how long its body may be."""

    operation: Operation
    identity: str | None
    body_limit: int = SMALL_BODY
    other: str | None = None
    """A policy or a configuration set."""


SERVED: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "/v2/email/identities/{}", Operation.GET_EMAIL_IDENTITY),
    ("PUT", "/v2/email/identities/{}/dkim/signing", Operation.PUT_DKIM_SIGNING_ATTRIBUTES),
    ("PUT", "/v1/email/identities/{}/dkim/signing", Operation.PUT_DKIM_SIGNING_ATTRIBUTES),
    ("POST", "/v2/email/outbound-emails", Operation.SEND_EMAIL),
    ("POST", "/v2/email/identities", Operation.CREATE_EMAIL_IDENTITY),
    ("PUT", "/v2/email/identities/{}/dkim", Operation.PUT_DKIM_ATTRIBUTES),
    ("DELETE", "/v2/email/identities/{}", Operation.DELETE_EMAIL_IDENTITY),
    ("POST", "/v2/email/list-identities", Operation.LIST_EMAIL_IDENTITIES),
    ("GET", "/v2/email/identities", Operation.LIST_EMAIL_IDENTITIES),
    ("PUT", "/v2/email/identities/{}/feedback", Operation.PUT_FEEDBACK_ATTRIBUTES),
    ("PUT", "/v2/email/identities/{}/mail-from", Operation.PUT_MAIL_FROM_ATTRIBUTES),
    ("PUT", "/v2/email/identities/{}/configuration-set", Operation.PUT_CONFIGURATION_SET_ATTRIBUTES),
    ("POST", "/v2/email/identities/{}/policies/{}", Operation.CREATE_POLICY),
    ("PUT", "/v2/email/identities/{}/policies/{}", Operation.UPDATE_POLICY),
    ("DELETE", "/v2/email/identities/{}/policies/{}", Operation.DELETE_POLICY),
    ("GET", "/v2/email/identities/{}/policies", Operation.GET_POLICIES),
    ("POST", "/v2/email/tags", Operation.TAG_RESOURCE),
    ("DELETE", "/v2/email/tags", Operation.UNTAG_RESOURCE),
    ("GET", "/v2/email/tags", Operation.LIST_TAGS),
    ("POST", "/v2/email/configuration-sets", Operation.CREATE_CONFIGURATION_SET),
    ("GET", "/v2/email/configuration-sets/{}", Operation.GET_CONFIGURATION_SET),
    ("DELETE", "/v2/email/configuration-sets/{}", Operation.DELETE_CONFIGURATION_SET),
    ("POST", "/v2/email/list-configuration-sets", Operation.LIST_CONFIGURATION_SETS),
    ("GET", "/v2/email/configuration-sets", Operation.LIST_CONFIGURATION_SETS),
    ("GET", "/v2/email/account", Operation.GET_ACCOUNT),
)
_IDENTITIES = b"identities"

_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Found:
    """The operation of a path, with what the path names not decoded yet: all that is needed of a stranger."""

    operation: Operation
    raw_names: tuple[bytes, ...]
    begins_with_identity: bool
    body_limit: int = SMALL_BODY


def route(method: str, raw_path: bytes) -> Route:
    """Where the request goes; raises UnknownOperation, or BadRequest for a path not served or ambiguous."""
    return named(find(method, raw_path))


def named(found: Found) -> Route:
    """Where the request goes, its names decoded; raises BadRequest for one that is ambiguous."""
    names = [name_of(raw) for raw in found.raw_names]
    identity = names.pop(0) if names and found.begins_with_identity else None
    return Route(found.operation, identity, found.body_limit, names[0] if names else None)


def find(method: str, raw_path: bytes) -> Found:
    """The operation of a path as received; raises UnknownOperation, or BadRequest for one not served."""
    segments = raw_path.split(b"/")
    if segments[0] or b"" in segments[1:-1] or b"." in segments or b".." in segments:
        raise BadRequest("The path must begin with a slash and have no empty and no dot segments.")
    for template, operation in _SERVED.get((method, len(segments)), ()):
        if _fits(template, segments):
            raw = tuple(have for want, have in zip(template, segments, strict=True) if want is None)
            limit = MESSAGE_BODY if operation is Operation.SEND_EMAIL else SMALL_BODY
            return Found(operation, raw, template[3] == _IDENTITIES, limit)
    for template, unserved in _UNSERVED.get((method, len(segments)), ()):
        if _fits(template, segments):
            raise BadRequest(f"Mailseal does not serve {unserved}.")
    raise UnknownOperation("No operation of the Amazon SES API v2 has this method and path.")


_Template = tuple[bytes | None, ...]
Name = TypeVar("Name", Operation, str)


def _template(text: str) -> _Template:
    return tuple(None if part == "{}" else part.encode() for part in text.split("/"))


def _by_length(rows: Iterable[tuple[str, str, Name]]) -> dict[tuple[str, int], list[tuple[_Template, Name]]]:
    table: dict[tuple[str, int], list[tuple[_Template, Name]]] = {}
    for method, path, name in rows:
        template = _template(path)
        table.setdefault((method, len(template)), []).append((template, name))
    return table


_SERVED = _by_length(SERVED)
_UNSERVED = _by_length(UNSERVED)


def _fits(template: _Template, segments: list[bytes]) -> bool:
    return all(want is None or want == have for want, have in zip(template, segments, strict=True))


def name_of(segment: bytes) -> str:
    """What a segment of a path names, decoded; raises BadRequest for what could be read in two ways."""
    if _ESCAPE.search(segment) or not segment.isascii():
        raise BadRequest("The name in the path is not percent-encoded.")
    try:
        name = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The name in the path is not percent-encoded UTF-8.") from None
    if not name or "/" in name or "\\" in name or name in (".", "..") or _CONTROL.search(name):
        raise BadRequest("The name in the path must hold no slash, control character or dot segment.")
    return name
