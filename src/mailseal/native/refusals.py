"""What a refusal or a fault looks like in the native API: one JSON object.

Rule: the code is AWS's name where there is one, so that programs of both APIs read one word; a fault shows
nothing but its request id.
References: docs/glossary.md (refusal).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mailseal.core import errors


@dataclass(frozen=True, slots=True)
class Told:
    """An error answer: HTTP status, code and JSON body."""

    status: int
    code: str
    body: bytes


# Looked up along the class's own line of descent: a new Refusal is at worst a BadRequestException.
_CODES: dict[type[errors.Refusal], tuple[int, str]] = {
    errors.Refusal: (400, "BadRequestException"),
    errors.NotFound: (404, "NotFoundException"),
    errors.AlreadyExists: (409, "AlreadyExistsException"),
    errors.LimitExceeded: (400, "LimitExceededException"),
    errors.TooManyRequests: (429, "TooManyRequestsException"),
    errors.ConcurrentModification: (409, "ConcurrentModificationException"),
    errors.MessageRejected: (400, "MessageRejected"),
    errors.Unavailable: (503, "ServiceUnavailable"),
    errors.NotAuthenticated: (403, "InvalidSignatureException"),
    errors.MissingAuthenticationToken: (403, "MissingAuthenticationTokenException"),
    errors.IncompleteSignature: (403, "IncompleteSignatureException"),
    errors.AccessDenied: (403, "AccessDeniedException"),
}


class NoSuchPath(errors.NotFound):
    """The native API has nothing at this method and path."""


def told_refusal(refusal: errors.Refusal, request_id: str) -> Told:
    """The answer that tells a client of this refusal."""
    status, code = next(_CODES[kind] for kind in type(refusal).__mro__ if kind in _CODES)
    members = {"kind": "refused", "code": code, "message": refusal.message}
    if refusal.hint:
        members["hint"] = refusal.hint
    return Told(status, code, _body(members, request_id))


def told_fault(request_id: str) -> Told:
    """The answer to a fault: that it was ours, and where the log has the rest."""
    members = {"kind": "fault", "code": "InternalFailure", "message": "The service failed at this request."}
    return Told(500, "InternalFailure", _body(members, request_id))


def _body(members: dict[str, str], request_id: str) -> bytes:
    return json.dumps({"error": members | {"request_id": request_id}}, ensure_ascii=False).encode()
