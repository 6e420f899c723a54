"""What a refusal or a fault looks like on the wire of the SES API v2.

Rule: pure; the only module of Mailseal that knows an HTTP status. AWS's sentence stays to the byte where
programs match it: a hint follows it only in a BadRequestException, elsewhere it is the extra member `hint`.
References: AWS SESv2 BadRequestException, AWS SESv2 NotFoundException, AWS SESv2 AlreadyExistsException,
AWS SESv2 TooManyRequestsException, AWS SESv2 ConcurrentModificationException, AWS SESv2 MessageRejected,
AWS SESv2 MailFromDomainNotVerifiedException, AWS SESv2 SendingPausedException.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mailseal.core import errors as core


class SerializationFailed(core.Refusal):
    """The body is not JSON, or a member has another JSON type than the operation's input says."""


class UnknownOperation(core.Refusal):
    """No operation of the SES API v2 has this method and path."""


class BodyTooLarge(core.Refusal):
    """The body is longer than this operation may have."""


@dataclass(frozen=True, slots=True)
class WireError:
    """An error answer: HTTP status, the name in `x-amzn-ErrorType`, and the JSON body."""

    status: int
    name: str
    body: bytes


# Looked up along the class's own line of descent, so a new Refusal is at worst a plain BadRequestException.
# The signature's names are those a rest-json service answers (aws/aws-sdk-js-v3 issue 5433).
_NAMES: dict[type[core.Refusal], tuple[int, str]] = {
    core.Refusal: (400, "BadRequestException"),
    core.BadRequest: (400, "BadRequestException"),
    core.NotFound: (404, "NotFoundException"),
    core.AlreadyExists: (400, "AlreadyExistsException"),
    core.LimitExceeded: (400, "LimitExceededException"),
    core.TooManyRequests: (429, "TooManyRequestsException"),
    core.ConcurrentModification: (500, "ConcurrentModificationException"),
    core.MessageRejected: (400, "MessageRejected"),
    core.MailFromDomainNotVerified: (400, "MailFromDomainNotVerifiedException"),
    core.SendingPaused: (400, "SendingPausedException"),
    core.Unavailable: (503, "ServiceUnavailable"),
    core.NotAuthenticated: (403, "InvalidSignatureException"),
    core.MissingAuthenticationToken: (403, "MissingAuthenticationTokenException"),
    core.IncompleteSignature: (403, "IncompleteSignatureException"),
    core.InvalidClientTokenId: (403, "InvalidSignatureException"),
    core.SignatureDoesNotMatch: (403, "InvalidSignatureException"),
    core.RequestExpired: (403, "InvalidSignatureException"),
    core.AccessDenied: (403, "AccessDeniedException"),
    SerializationFailed: (400, "SerializationException"),
    UnknownOperation: (404, "UnknownOperationException"),
    BodyTooLarge: (413, "RequestEntityTooLargeException"),
}


def wire_error(refusal: core.Refusal) -> WireError:
    """The answer that tells a client of this refusal."""
    status, name = next(_NAMES[kind] for kind in type(refusal).__mro__ if kind in _NAMES)
    if name == "BadRequestException" and refusal.hint:
        return WireError(status, name, _body({"message": f"{refusal.message} {refusal.hint}"}))
    if refusal.hint:
        return WireError(status, name, _body({"message": refusal.message, "hint": refusal.hint}))
    return WireError(status, name, _body({"message": refusal.message}))


def wire_fault() -> WireError:
    """The answer to a fault: nothing but that it was ours; the log has the rest under the request id."""
    return WireError(500, "InternalFailure", _body({"message": "The service failed at this request."}))


def _body(members: dict[str, str]) -> bytes:
    return msgspec.json.encode(members)
